"""FITS headers, decoding, sums, and the cut itself."""
