"""Invertible blocks that zuko lacks, as its lazy transforms, so that they mix with zuko's. One idea a file."""
