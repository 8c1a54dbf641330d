"""Underwater acoustics: geoacoustic inversion."""
