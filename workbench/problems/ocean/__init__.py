"""Underwater acoustics: infer properties of the seabed from sound recorded by hydrophones."""
