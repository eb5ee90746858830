"""Fill missing pixels of a cutout from overlapping tiles."""
