"""Checks give the same numbers in every unit: x → a x + b and y → c y + d, column by column."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tests.diagnostics.stand_ins import GaussianStandIn
from workbench.diagnostics import DIAGNOSTICS
from workbench.problems import LinearGaussian, Problem

SMALL = {
    "posterior_mmd": {"draws": 40},
    "latent_normality": {"points": 200},
    "local_c2st": {"pairs": 60, "swaps": 99, "draws": 20},
    "posterior_wasserstein": {"draws": 40},
    "posterior_c2st": {"observations": 1, "draws": 60, "folds": 2, "iterations": 20},
}
#: Numbers that are declared to be in the data's units, or to follow the density's.
IN_UNITS = {
    *("observation", "published_error", "published_biased_error", "published_floor"),
    *("score", "own_score", "target_score"),
}
#: Factors and offsets of the columns of x and y: powers of two; and up to 10^±30, far from the origin.
EXACT_UNITS = ((2.0**-80, 2.0**40, 0.5), (0.0,) * 3, (2.0**70, 2.0**-90), (0.0,) * 2)
FAR_UNITS = ((1e-30, 1e30, 3.0), (1e-23, 0.0, 4e6), (1e30, 1e-30), (-3e36, 1e-25))


class OtherUnits(Problem):
    """A problem with its columns of x and y in other units."""

    key, title, summary = "other_units", "Other units", "The same in other units."

    def __init__(self, inner: Problem, units):
        super().__init__()
        self.inner, self.units = inner, units
        self.a, self.b, self.c, self.d = (torch.tensor(u, dtype=torch.float64) for u in units)

    x = property(lambda self: self.inner.x)
    y = property(lambda self: self.inner.y)
    capabilities = property(lambda self: self.inner.capabilities)

    @property
    def default_observation(self):
        inner = torch.tensor(self.inner.default_observation, dtype=torch.float64)
        return tuple((self.c * inner + self.d).tolist())

    def values(self):  # part of the key of cached reference posteriors
        return {"inner": self.inner.values(), "units": self.units}

    def _draw(self, n, generator):
        pairs = self.inner.draw(n, generator)
        return self.a * pairs.x + self.b, self.c * pairs.y + self.d

    def _prior(self, n, generator):
        return self.a * self.inner.prior(n, generator) + self.b

    def _simulate(self, x, generator):
        return self.c * self.inner.simulate((x - self.b) / self.a, generator) + self.d

    def _log_joint(self, x, y):
        value = self.inner.log_joint((x - self.b) / self.a, (y - self.d) / self.c)
        return value - self.a.abs().log().sum() - self.c.abs().log().sum()

    def _reference_posterior(self, observation, n, generator):
        inner = (observation - self.d) / self.c
        return self.a * self.inner.reference_posterior(inner, n, generator) + self.b


class StandInOfOtherUnits:
    """A stand-in of `OtherUnits`."""

    def __init__(self, inner: GaussianStandIn, problem: OtherUnits):
        self.inner, self.p = inner, problem
        self.x, self.y, self.capabilities, self.manifest = inner.x, inner.y, inner.capabilities, {}
        self.volume = problem.a.abs().log().sum()

    def _y(self, y):
        return (torch.as_tensor(y).double() - self.p.d) / self.p.c

    def latent(self, x, y):
        z, log_det = self.inner.latent((x - self.p.b) / self.p.a, self._y(y))
        return z, log_det - self.volume

    def inverse(self, z, y):
        x, log_det = self.inner.inverse(z, self._y(y))
        return self.p.a * x + self.p.b, log_det + self.volume

    def log_prob(self, x, y):
        return self.inner.log_prob((x - self.p.b) / self.p.a, self._y(y)) - self.volume

    def sample(self, n, observation=None, generator=None):
        return self.p.a * self.inner.sample(n, self._y(observation), generator) + self.p.b


PROBLEM = LinearGaussian(features=3, observations=2, noise=0.5)
MODEL = GaussianStandIn(PROBLEM, shift=0.2, width=0.9)
IDENTITY = ((1.0,) * 3, (0.0,) * 3, (1.0,) * 2, (0.0,) * 2)


def measured(key: str, units):
    problem = OtherUnits(PROBLEM, units)
    return DIAGNOSTICS.make(key, **SMALL.get(key, {})).measure(StandInOfOtherUnits(MODEL, problem), problem)


@pytest.mark.parametrize("key", DIAGNOSTICS.keys())
def test_no_check_depends_on_the_units(key):
    original, exact, far = (measured(key, units) for units in (IDENTITY, EXACT_UNITS, FAR_UNITS))
    for name, value in original.items():
        if name in IN_UNITS:
            continue
        # a log-density is shifted by a sum of logarithms, which rounds its last digit
        least = 1e-9 if "p" in name or "rank" in name else 0.0
        np.testing.assert_allclose(exact[name], value, rtol=1e-12, atol=least, err_msg=name)
        np.testing.assert_allclose(far[name], value, rtol=1e-4, atol=1e-5, err_msg=name)
    assert exact.attrs["verdict"] == far.attrs["verdict"] == original.attrs["verdict"]
    if not IN_UNITS & set(original):
        assert exact.attrs["sentence"] == original.attrs["sentence"]


def test_a_density_is_shifted_by_the_logarithm_of_the_factors():
    original, exact = (measured("held_out_density", units) for units in (IDENTITY, EXACT_UNITS))
    volume = sum(math.log(a) for a in EXACT_UNITS[0])
    for name in ("score", "own_score", "target_score"):
        assert float(exact[name]) == pytest.approx(float(original[name]) - volume, abs=1e-9)
