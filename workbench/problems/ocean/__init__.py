"""Underwater acoustics."""
