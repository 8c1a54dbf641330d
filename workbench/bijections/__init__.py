"""Invertible transforms that zuko lacks, as lazy transforms, one per file; and faster inversion of layers."""
