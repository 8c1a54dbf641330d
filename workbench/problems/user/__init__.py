"""A user's own tables and simulators."""
