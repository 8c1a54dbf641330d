"""Panel components, one a file. They talk to runs through the backends; no network ever lives in this
process."""
