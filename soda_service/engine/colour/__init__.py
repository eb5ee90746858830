"""Colour pictures from images in several bands."""
