"""Sky and pixels: projections, vectors, footprints, picture placement."""
