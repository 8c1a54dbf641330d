"""The gain of truncated rounds is nothing for an exact network, and negative for a worse one."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from torch.distributions import Normal

from workbench.problems.base import Samples
from workbench.refinement.truncated import _improvement, _Region

NOISE = 0.5
VARIANCE = NOISE**2 / (1 + NOISE**2)
#: x of a standard normal prior, truncated to the middle of the posterior at y = 0.
REGION = _Region(torch.tensor([[-0.4], [0.4]], dtype=torch.float64), [])


class Network:
    """The exact posterior of x ~ N(0, 1), y = x + noise, ``width`` times as wide; truncated or not."""

    model = SimpleNamespace(device="cpu")

    def __init__(self, width=1.0, *, truncated=False):
        self.width, self.truncated = width, truncated

    def distribution(self, y):
        return Normal(torch.as_tensor(y) / (1 + NOISE**2), self.width * math.sqrt(VARIANCE))

    def log_prob(self, x, y):
        normal = self.distribution(y)
        share = (normal.cdf(REGION.box[1]) - normal.cdf(REGION.box[0])).log() if self.truncated else 0.0
        return (normal.log_prob(x) - share)[:, 0]

    def sample(self, n, y, generator, *, within_bounds):
        normal = self.distribution(y)
        low, high = (
            normal.cdf(edge) if self.truncated else edge * 0 + i for i, edge in enumerate(REGION.box)
        )
        share = torch.rand(n, 1, generator=generator, dtype=torch.float64)
        return normal.icdf(low + (high - low) * share)


def pairs(n, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(20 * n, 1, generator=generator, dtype=torch.float64)
    x = x[REGION.contains(x)][:n]
    return Samples(x, x + NOISE * torch.randn(n, 1, generator=generator, dtype=torch.float64))


def gain(before, after, seed):
    generator = torch.Generator().manual_seed(seed)
    before, after = (SimpleNamespace(fitted=network) for network in (before, after))
    return _improvement(before, after, pairs(300, seed), REGION, generator)


def test_an_exact_network_gains_nothing_from_truncation():
    before, after = Network(), Network(truncated=True)
    samples = pairs(300, 0)
    apparent = float((after.log_prob(samples.x, samples.y) - before.log_prob(samples.x, samples.y)).mean())
    assert apparent > 0.3  # what a comparison without the region's share would claim
    scores = [value / error for value, error in (gain(before, after, seed) for seed in range(12))]
    assert sum(abs(score) < 2 for score in scores) >= 10 and abs(sum(scores)) < 12
    value, error = gain(before, before, 0)
    assert abs(value) < 0.02 and error < 0.01


@pytest.mark.parametrize("width", [0.5, 3.0])
def test_a_worse_network_loses_and_a_better_one_gains(width):
    wrong = Network(width, truncated=True)
    value, error = gain(Network(), wrong, 1)
    assert value < -2 * error
    better, _ = gain(Network(width), Network(truncated=True), 1)
    assert better == pytest.approx(-value, abs=0.03) and better > 0.02
