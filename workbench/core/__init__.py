"""Building blocks of every other package: specs, catalogues, variables, capabilities and errors."""
