"""Pixels, headers and geometry: pure functions from values to values.

May import numpy, astropy.wcs, astropy.io.fits headers and `soda_service.errors`; never Flask, RQ,
Redis, SQL, a path or a clock.
"""
