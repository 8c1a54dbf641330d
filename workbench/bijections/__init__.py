"""Invertible blocks that zuko lacks, as its lazy transforms, so that they mix with its own. One a file."""
