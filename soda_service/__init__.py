"""Sky cutout service: IVOA SODA and UWS over survey tiles.

This page imports nothing, so that importing a pure module stays cheap.
"""

__version__ = "0.1.0"
