"""VINA workbench: see an invertible network learn."""
