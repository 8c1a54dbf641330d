"""Panel components of the web pages, one per file. They control runs through `workbench.backends`; the server
process itself never holds a neural network."""
