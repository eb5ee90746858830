"""Publish directories of images, and import operators' tables."""
