"""Neural networks and their building blocks that are no invertible transform."""
