"""Base classes of all other packages: specs, catalogues, variables, capabilities, models and errors."""
