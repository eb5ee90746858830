"""Publishing directories of images and importing operators' tables."""
