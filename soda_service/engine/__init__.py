"""Pixels, headers and geometry: pure functions from values to values.

This package may import numpy, astropy.wcs, astropy.io.fits headers and `soda_service.errors`; never
Flask, RQ, Redis, SQL, paths or clocks.
"""
