"""The words that everything else is said in: specs, catalogues, variables, capabilities, errors."""
