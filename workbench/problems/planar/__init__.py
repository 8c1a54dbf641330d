"""Two-dimensional densities of x alone, known exactly."""
