"""Divergences that reach the exact posterior of the linear Gaussian problem with their default settings.

Criterion      the 2-Wasserstein distance between the network's posterior and the exact one, averaged over
               seven observations, below 0.05 in the units of x; the posterior's deviations are 0.5 and 0.7
Measures       two, and both must hold: the closed form between the exact posterior and the Gaussian with
               the moments of 20 000 draws, which is a lower bound (Gelbrich 1990) with an error of about
               0.005; and an estimate that depends on the shape as well, by optimal assignment of samples with
               their own scatter subtracted
Training       2000 steps of 256 points, as by default, of a small coupling flow; under two minutes on one
               core

The problem has noise on y: without, x lies on a plane given y, and a flow's density has no limit. A
divergence that stays further away is listed with its reason, at the divergence: a test fails if a listed one
gets there.
"""

import time

import pytest
import torch
from scipy.optimize import linear_sum_assignment

from workbench.divergences import DIVERGENCES
from workbench.objectives import OBJECTIVES
from workbench.problems import PROBLEMS
from workbench.training import Experiment, Run

WITHIN, SECONDS = 0.05, 120.0
DRAWS, ASSIGNED = 20_000, 500
#: Normal quantiles at which the observation is placed, in standard deviations of y.
PLACES = (-1.28, -0.67, -0.32, 0.0, 0.32, 0.67, 1.28)
NETWORK = {"key": "realnvp", "settings": {"transforms": 2, "width": 32, "depth": 1}}


def root(matrix):
    values, vectors = torch.linalg.eigh(0.5 * (matrix + matrix.T))
    return (vectors * values.clamp_min(0).sqrt()) @ vectors.T


def by_moments(x, mean, covariance):
    """W2 between N(mean, covariance) and the Gaussian with the moments of x (n, D)."""
    factor = root(covariance)
    spread = torch.cov(x.T)
    bures = (covariance + spread - 2 * root(factor @ spread @ factor)).trace().clamp_min(0)
    return float(((x.mean(0) - mean).square().sum() + bures).sqrt())


def assignment_cost(a, b):
    """W2² between two samples of the same size."""
    cost = torch.cdist(a, b).square().numpy()
    return float(cost[linear_sum_assignment(cost)].mean())


def by_assignment(z, x, mean, covariance):
    """W2² between x (n, D), an image of z (n, D), and N(mean, covariance); may be negative.

    Exact draws of the same latents are rotated so that they lie close to x, and both samples are halved. The
    self-terms are subtracted, so that the scatter cancels and equal distributions are at zero.
    """
    factor = root(covariance)
    u, _, vh = torch.linalg.svd(factor @ (x - x.mean(0)).T @ z / len(z))
    exact = mean + z @ (factor @ (u @ vh)).T
    (x1, x2), (e1, e2) = ((s[:ASSIGNED], s[ASSIGNED : 2 * ASSIGNED]) for s in (x, exact))
    return 0.5 * (
        assignment_cost(x1, e2) + assignment_cost(e1, x2) - assignment_cost(x1, x2) - assignment_cost(e1, e2)
    )


def distances(run):
    """W2 by moments and by assignment, averaged over y, in the units of x."""
    problem, s, moments, squares = run.problem, run.data.standardisation, [], []
    z = torch.randn(DRAWS, len(problem.x), generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    for place in PLACES:
        y = place * problem.parts.evidence[:1, 0].sqrt()
        with torch.no_grad():
            rows = s.y_in(y.expand(DRAWS, 1)).to(run.dtype)
            x = s.x_out(run.model.inverse(z.to(run.dtype), rows)[0].double())
        exact = problem.posterior_moments(y)
        moments.append(by_moments(x, *exact))
        squares.append(by_assignment(z, x, *exact))
    mean_square = max(sum(squares) / len(squares), 0.0)  # its root is no less than the mean of the roots
    return sum(moments) / len(moments), mean_square**0.5


def trained_run(objective, steps):
    problem = PROBLEMS.make("linear_gaussian", features=2, noise=0.5)
    run = Run(Experiment(problem, NETWORK, objective, steps=steps), device="cpu")
    list(run)
    return run


def variational(key):
    return OBJECTIVES.make("variational", divergence=key)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("key", DIVERGENCES.keys())
def test_each_divergence_that_can_reaches_the_exact_posterior(key):
    start = time.process_time()
    run = trained_run(variational(key), 2000)
    seconds = time.process_time() - start
    moments, shape = distances(run)
    print(f"\n{key}: W2 {moments:.3f} by moments, {shape:.3f} by assignment, {seconds:.0f} s")
    assert seconds < SECONDS
    success, reason = max(moments, shape) < WITHIN, DIVERGENCES[key].unreached
    assert success or reason, f"{key} stays {max(moments, shape):.3f} away, and no reason is given"
    assert not (success and reason), f"{key} gets there, and is listed as one that does not: {reason}"


def test_one_of_them_reaches_it_in_half_of_the_steps():
    """And an untrained network is far away."""
    run = trained_run(variational("energy_distance"), 1)
    assert min(distances(run)) > 0.3
    run = trained_run(variational("energy_distance"), 1000)
    assert max(distances(run)) < WITHIN


def rotated(z):
    """Another normal vector of the plane: rotated by an angle that grows with the radius."""
    angle = 0.1 * z.norm(dim=-1)
    c, s = angle.cos(), angle.sin()
    return torch.stack([c * z[:, 0] - s * z[:, 1], s * z[:, 0] + c * z[:, 1]], -1)


def test_the_measures_are_exact_for_known_distributions():
    z = torch.randn(DRAWS, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    covariance = torch.tensor([[0.5, -0.1], [-0.1, 0.3]], dtype=torch.float64)
    mean = torch.tensor([1.0, -2.0], dtype=torch.float64)

    def measures(x):
        return by_moments(x, mean, covariance), by_assignment(z, x, mean, covariance)

    x, straight = (mean + u @ root(covariance) for u in (rotated(z), z))
    moments, square = measures(x)  # the same distribution by another map
    assert moments < 0.02 and abs(square) < 0.03**2 < 0.1**2 < float((x - straight).square().sum(-1).mean())
    moments, square = measures(mean + 0.3 + z @ (1.2 * root(covariance)))
    exact = (2 * 0.3**2 + 0.2**2 * float(covariance.trace())) ** 0.5
    assert moments == pytest.approx(exact, abs=0.02) and square**0.5 == pytest.approx(exact, abs=0.02)
    bent = z.abs() * 1.659 - 1.324  # mean 0 and variance 1 again, and no Gaussian
    moments, square = measures(mean + bent @ root(covariance))
    assert moments < 0.03 and square > 0.1**2
