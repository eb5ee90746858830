"""Releases and their tiles: what there is, where it lies on the sky, how its pixels are read."""
