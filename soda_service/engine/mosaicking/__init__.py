"""Filling a cutout from overlapping tiles."""
