"""Sky and pixels: projections, directions, footprints, placement."""
