"""Cutout jobs: they connect the UWS server to the cutout domain."""
