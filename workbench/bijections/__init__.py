"""Invertible transforms that zuko lacks, as its lazy transforms, one a file; and their inversion."""
