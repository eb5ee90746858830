"""FITS headers, decoding, checksums, and cutting."""
