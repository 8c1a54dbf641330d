"""How near the variational objective comes to the exact posterior of the linear Gaussian problem.

The 2-Wasserstein distance at one y is bounded from both sides: from below by that of Gaussians with the same
moments (Gelbrich 1990), from above by the coupling of each draw with the exact one of the same latent, turned
so that they fit best. The tests ask the upper bound, averaged over y.
"""

import pytest
import torch

from workbench.objectives import OBJECTIVES
from workbench.problems import PROBLEMS
from workbench.training import Experiment, Run

DRAWS = 20_000
#: Normal quantiles at which the observation is placed, in standard deviations of y.
PLACES = (-1.28, -0.67, -0.32, 0.0, 0.32, 0.67, 1.28)
BATCHES = {"batch_size": 1024, "learning_rate": 0.006, "measured": [], "validate_every": 500}


def root(matrix):
    values, vectors = torch.linalg.eigh(0.5 * (matrix + matrix.T))
    return (vectors * values.clamp_min(0).sqrt()) @ vectors.T


def bounds(z, x, mean, covariance):
    """Lower and upper bound of W2 between the law of x (n, D), made of z (n, D), and N(mean, covariance)."""
    centre, spread, factor = x.mean(0), torch.cov(x.T), root(covariance)
    bures = (covariance + spread - 2 * root(factor @ spread @ factor)).trace().clamp_min(0)
    lower = ((centre - mean).square().sum() + bures).sqrt()
    u, _, vh = torch.linalg.svd(factor @ (x - centre).T @ z / len(z))
    exact = mean + z @ (factor @ (u @ vh)).T
    return float(lower), float((x - exact).square().sum(-1).mean().sqrt())


def distance(run):
    """Both bounds, averaged over y, in the units of x."""
    problem, s, found = run.problem, run.data.standardisation, []
    z = torch.randn(DRAWS, len(problem.x), generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    for place in PLACES:
        y = place * problem.parts.evidence[:1, 0].sqrt()
        with torch.no_grad():
            rows = s.y_in(y.expand(DRAWS, 1)).to(run.dtype)
            x = s.x_out(run.model.inverse(z.to(run.dtype), rows)[0].double())
        found.append(bounds(z, x, *problem.posterior_moments(y)))
    return tuple(sum(side) / len(found) for side in zip(*found, strict=True))


def trained(key, steps):
    problem = PROBLEMS.make("linear_gaussian", features=2, noise=0.5)
    architecture = {"key": "nice", "settings": {"transforms": 2, "width": 8, "depth": 1}}
    objective = OBJECTIVES.make("variational", divergence=key)
    run = Run(Experiment(problem, architecture, objective, BATCHES, steps=steps))
    list(run)
    return run


@pytest.mark.slow
@pytest.mark.parametrize("key, within", [("energy_distance", 0.09)])
def test_the_default_settings_come_near_the_exact_posterior(key, within):
    """Posterior standard deviations are 0.5 and 0.7; 2000 steps, half a minute on one core."""
    lower, upper = distance(trained(key, 2000))
    assert lower <= upper < within


def test_the_bounds_are_exact_for_known_laws():
    """For an affine map both are W2 itself; a twisted one has the same moments and lies between them."""
    z = torch.randn(DRAWS, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    covariance = torch.tensor([[0.5, -0.1], [-0.1, 0.3]], dtype=torch.float64)
    mean = torch.tensor([1.0, -2.0], dtype=torch.float64)
    low, high = bounds(z, mean + z @ root(covariance), mean, covariance)
    assert low < 0.02 and high < 0.02
    low, high = bounds(z, mean + 0.3 + z @ (1.2 * root(covariance)), mean, covariance)
    exact = (2 * 0.3**2 + 0.2**2 * float(covariance.trace())) ** 0.5
    assert low == pytest.approx(exact, abs=0.02) and high == pytest.approx(exact, abs=0.02)
    assert low <= high + 1e-9
    bent = z.abs() * 1.659 - 1.324  # mean 0 and variance 1 again
    low, high = bounds(z, mean + bent @ root(covariance), mean, covariance)
    assert low < 0.03 and high > 0.3
