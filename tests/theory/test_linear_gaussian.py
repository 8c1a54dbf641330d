"""The realisable linear-Gaussian problem: the theory's table of perturbations, every quantity exact.

Compared with the table that was published with the derivation (one draw of the matrices, not printed; D = 3,
M = 1): the quantities of each row within a factor of five, their slopes in ε, and that the bound holds in
each row. The matrices are our own, so that the digits are not the same.
"""

import math

import pytest
import torch

from workbench import theory
from workbench.divergences import DIVERGENCES

SIZES = (0.3, 0.1, 0.03, 0.01, 0.003)
#: ε: KL, TV, E W2 of the posteriors, bound (a = 1, TV), bound (a = 1, Pinsker), bound (a = 3, Pinsker)
PUBLISHED = {
    0.3: (7.5e-1, 0.365, 0.724, 12.97, 16.6, 16.1),
    0.1: (8.3e-2, 0.137, 0.228, 5.26, 6.38, 4.47),
    0.03: (8.4e-3, 0.043, 0.069, 2.67, 3.26, 1.69),
    0.01: (9.7e-4, 0.0147, 0.0229, 1.52, 1.86, 0.74),
    0.003: (8.9e-5, 0.0044, 0.0069, 0.82, 1.01, 0.30),
}


def direction(features, seed):
    return torch.randn(features, features, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def row(problem, size, along):
    """(L_y, KL, TV, E W2, three bounds)."""
    learned_map, kl = theory.perturbed(problem, size, along), DIVERGENCES.make("kl")
    total_variation, divergence = learned_map.total_variation(30_000), learned_map.kl()
    pinsker = theory.total_variation_bound(kl, divergence)
    bounds = [
        theory.averaged_posterior_bound(
            misfit=learned_map.misfit(),
            total_variation=tv,
            moment=learned_map.moment(a),
            lipschitz=learned_map.lipschitz(),
            a=a,
        ).value
        for tv, a in ((total_variation, 1), (pinsker, 1), (pinsker, 3))
    ]
    return learned_map.misfit(), divergence, total_variation, learned_map.posterior_distance(1000), *bounds


@pytest.fixture(scope="module")
def table():
    problem = theory.LinearGaussian.random(3, 1, seed=0)
    return {size: row(problem, size, direction(3, 100)) for size in SIZES}


@pytest.mark.parametrize("size", SIZES)
def test_each_row_has_the_size_of_the_published_one(size, table):
    for mine, theirs in zip(table[size][1:], PUBLISHED[size], strict=True):
        assert theirs / 5 < mine < theirs * 5


def test_the_slopes_are_those_of_the_theory(table):
    """KL ∝ ε², TV and W2 ∝ ε, bounds ∝ KL^(a/2(1+a)): ¼ for a = 1 and ⅜ for a = 3."""
    high, low = table[0.01], table[0.003]
    steps = [math.log(h / s) / math.log(0.01 / 0.003) for h, s in zip(high, low, strict=True)]
    assert steps[:4] == pytest.approx([2, 2, 1, 1], abs=0.05)
    assert steps[4:] == pytest.approx([2 / 4, 2 / 4, 6 / 8], abs=0.05)


@pytest.mark.parametrize(
    "features, observed, seed", [(3, 1, 0), (3, 1, 1), (3, 1, 2), (3, 2, 3), (5, 2, 4), (6, 3, 5)]
)
def test_the_bound_holds_at_each_perturbation(features, observed, seed):
    problem = theory.LinearGaussian.random(features, observed, seed)
    for size in SIZES:
        values = row(problem, size, direction(features, seed + 50))
        truth, bounds = values[3], values[4:]
        assert all(truth <= bound for bound in bounds)
        # Pinsker loses against the total variation itself
        assert values[2] <= math.sqrt(values[1] / 2) + 0.01


def test_without_its_constant_the_bound_would_break(table):
    """The guard: TV alone, without C_a and the moment, is below the truth."""
    assert all(values[2] < values[3] for values in table.values())


def test_the_exact_map_gives_the_exact_posterior():
    problem = theory.LinearGaussian.random(4, 2, seed=3)
    exact = theory.perturbed(problem, 0.0, torch.eye(4, dtype=torch.float64))
    assert exact.misfit() < 1e-25 and abs(exact.kl()) < 1e-12 and exact.total_variation(1000) < 1e-12
    assert exact.posterior_distance(100) < 1e-6
    inverse = torch.linalg.inv(exact.matrix)
    assert torch.allclose(inverse[:, :2], problem.gain(), atol=1e-12)
    assert torch.allclose(inverse[:, 2:] @ inverse[:, 2:].T, problem.posterior_covariance(), atol=1e-12)
    assert torch.allclose(
        problem.complete @ problem.covariance @ problem.observe.T, torch.zeros(2, 2).double(), atol=1e-12
    )


def test_closed_forms_agree_with_samples():
    problem = theory.LinearGaussian.random(3, 1, seed=0)
    learned_map = theory.perturbed(problem, 0.3, direction(3, 100))
    p, q = learned_map.laws()
    x = draw(p, 200_000)
    assert learned_map.kl() == pytest.approx(float((p.log_prob(x) - q.log_prob(x)).mean()), rel=0.03)
    second, fourth = (max(float(draw(s, 100_000).norm(dim=1).pow(k).mean()) for s in (p, q)) for k in (2, 4))
    assert learned_map.moment(1) == pytest.approx(second, rel=0.03)
    assert learned_map.moment(3) == pytest.approx(fourth, rel=0.08)


def draw(normal, n):
    noise = torch.randn(n, len(normal.loc), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return noise @ normal.scale_tril.T
