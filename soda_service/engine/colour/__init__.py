"""Band images to colour pictures."""
