"""The tests behind the verdicts: uniform when they should be, and corrections as defined."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.inference.statistics import holm, sign_flip, uniform_ranks, uniformity


def test_ranks_of_one_among_equals_are_uniform_even_with_ties():
    generator = np.random.default_rng(0)
    for numbers in (
        generator.normal(size=(4000, 11)),
        generator.integers(0, 3, size=(4000, 11)),
        np.zeros((4000, 11)),
    ):
        u = uniform_ranks(numbers[:, 0], numbers[:, 1:], generator)
        assert uniformity(u, 0.01).p > 0.01


def test_the_uniformity_test_has_its_size_and_its_band():
    generator = np.random.default_rng(1)
    tests = [uniformity(generator.uniform(size=150), 0.1) for _ in range(400)]
    p = np.asarray([t.p for t in tests])
    outside = [((t.difference < t.low) | (t.difference > t.high)).any() for t in tests]
    assert 0.06 < (p < 0.1).mean() < 0.14 and 0.4 < (p < 0.5).mean() < 0.6
    assert abs(np.mean(outside) - 0.1) < 0.05


@pytest.mark.parametrize("power", [0.7, 1.4])
def test_the_uniformity_test_sees_too_much_and_too_little_in_the_tails(power):
    half = np.random.default_rng(2).uniform(size=400) ** power / 2
    u = np.where(np.arange(400) % 2, half, 1 - half)
    assert uniformity(u, 0.01).p < 0.01


def test_holm_by_hand():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03]), [0.03, 0.06, 0.06])
    np.testing.assert_allclose(holm([0.5, np.nan, 0.9]), [1.0, np.nan, 1.0])


def test_sign_flips_are_fair():
    generator = np.random.default_rng(3)
    p = [sign_flip(generator.normal(size=12), generator, flips=199) for _ in range(300)]
    assert 0.05 < np.mean(np.asarray(p) <= 0.1) < 0.15
    assert sign_flip(generator.normal(size=12) + 2, generator) < 0.01
