"""Tasks of the simulation-based inference benchmark."""
