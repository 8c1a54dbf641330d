"""Tasks of the simulation-based inference benchmark (Lueckmann et al. 2021, arXiv 2101.04653)."""
