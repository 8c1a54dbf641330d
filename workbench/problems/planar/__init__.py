"""Two-dimensional densities."""
