"""Read the pixels of tiles: sources of bytes, FITS structure, decoding by rows."""
