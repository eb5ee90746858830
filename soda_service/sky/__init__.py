"""Releases and their tiles: which exist, where they are on the sky, where their files are."""
