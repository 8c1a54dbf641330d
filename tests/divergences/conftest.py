"""Discrete distributions and Gaussian samples that the tests of this folder share."""

import pytest
import torch


@pytest.fixture
def distributions():
    """A function seed -> two positive discrete distributions (n,) in double precision."""

    def make(seed=0, n=7):
        generator = torch.Generator().manual_seed(seed)
        p, q = torch.rand(2, n, generator=generator, dtype=torch.float64) + 0.05
        return p / p.sum(), q / q.sum()

    return make


@pytest.fixture
def normal():
    """A function (seed, n, D) -> standard normal draws in double precision."""

    def draw(seed, n, features=1):
        return torch.randn(n, features, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)

    return draw
