"""Propositions 3.1 to 3.3, moments and gaps."""

import math
from types import SimpleNamespace

import pytest
import torch

from workbench import theory
from workbench.core.errors import DataError, IncompatibleError, SpecError
from workbench.divergences import DIVERGENCES


def test_extremes_of_conjugates_are_their_closed_forms():
    slope, height = theory.conjugate_extremes(DIVERGENCES.make("kl"), 2.0)
    assert (slope, height) == pytest.approx((math.e, math.e))
    slope, height = theory.conjugate_extremes(DIVERGENCES.make("pearson"), 3.0)
    assert (slope, height) == pytest.approx((2.5, 9 / 4 + 3))
    slope, height = theory.conjugate_extremes(DIVERGENCES.make("squared_hellinger"), 0.5)
    assert (slope, height) == pytest.approx((4.0, 1.0))


def test_the_printed_constants_of_jensen_shannon_belong_to_another_function():
    """A1 <= 1 holds in logits; the true conjugate is steeper, and infinite from log 2 on."""
    divergence = DIVERGENCES.make("jensen_shannon")
    assert theory.conjugate_extremes(divergence, 0.5)[0] > 1
    with pytest.raises(IncompatibleError, match="logit"):
        theory.conjugate_extremes(divergence, 1.0)
    logits = torch.linspace(-5, 5, 101, dtype=torch.float64, requires_grad=True)
    (slopes,) = torch.autograd.grad(divergence.cost(logits).sum(), logits)
    assert slopes.abs().max() <= 1


def test_deviations_fall_with_n_and_grow_with_the_class():
    values = {"rademacher_critic": 0.1, "rademacher_joint": 0.2, "slope": 1.0, "height": 2.0, "bound": 2.0}
    assert theory.uniform_deviation_z(**values, n=100) == pytest.approx(0.3 + 4 / 10)
    assert theory.uniform_deviation_z(**values, n=10_000) < theory.uniform_deviation_z(**values, n=100)
    plain = theory.uniform_deviation_y(rademacher=0.1, radius=2.0, moment=3.0, beta=1.0, n=100)
    assert plain == pytest.approx(0.2 + 4 / 10 + 6.0)


@pytest.mark.parametrize("beta", [0.5, 1.0, 4.0])
def test_the_best_radius_is_a_minimum(beta):
    def at(radius):
        return theory.uniform_deviation_y(rademacher=0.0, radius=radius, moment=2.0, beta=beta, n=10_000)

    best = theory.best_radius(moment=2.0, beta=beta, n=10_000)
    assert at(best) < min(at(0.99 * best), at(1.01 * best))


@pytest.mark.parametrize("a", [0.5, 1.0, 3.0])
def test_the_moment_bound_holds_for_maps_of_linear_growth(a):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4000, 3, generator=generator, dtype=torch.float64)
    j0, j = 0.7, 1.3
    bound = theory.moment_bound(offset=j0, slope=j, moment_x=float((x.norm(dim=1) ** (1 + a)).mean()), a=a)
    maps = [x * j * s + j0 * torch.eye(3, dtype=torch.float64)[0] for s in (1, -1, 0.3)]
    # (Y, T_z(X)) mixes the components of two maps of the class
    for one in maps:
        for other in maps:
            pair = torch.cat([one[:, :1], other[:, 1:]], 1)
            assert float((pair.norm(dim=1) ** (1 + a)).mean()) <= bound


def test_the_gap_bound_follows_the_formula():
    value = theory.gap_bound(approximation=0.1, outside=0.01, cut=0.2, slope=3.0, height=4.0, bound=2.0)
    assert value == pytest.approx(0.2 + 0.3 + 0.06)
    with pytest.raises(SpecError, match="δ"):
        theory.gap_bound(approximation=-0.1, outside=0.01, cut=0.2, slope=3.0, height=4.0, bound=2.0)


def pareto(alpha, n, seed=0):
    uniform = torch.rand(n, 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return uniform ** (-1 / alpha)


@pytest.mark.parametrize("alpha, a, finite", [(6.0, 1.0, True), (1.5, 1.0, False)])
def test_moments_are_measured_and_a_heavy_tail_is_detected(alpha, a, finite):
    estimate = theory.moment(pareto(alpha, 20_000), a)
    assert estimate.finite is finite and estimate.tail_index == pytest.approx(alpha, rel=0.15)
    truth = theory.pareto_moment(alpha, a)
    assert math.isinf(truth) is not finite
    if finite:
        assert abs(estimate.value - truth) < 5 * estimate.standard_error


def test_a_gaussian_has_its_moments():
    x = torch.randn(20_000, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    estimate = theory.moment(x, 1.0)
    assert estimate.finite and estimate.value == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize("alpha, rate", [(2.0, 0.25), (3.0, 1 / 3), (5.0, 0.4), (10.0, 0.45), (0.8, 0.0)])
def test_the_rate_under_pareto_tails(alpha, rate):
    assert theory.pareto_rate(alpha) == pytest.approx(rate)
    if alpha > 1:
        assert theory.rate(alpha - 1) == pytest.approx(rate)


@pytest.mark.parametrize("sample", [torch.zeros(5, 2), torch.zeros(50), torch.full((50, 1), float("nan"))])
def test_a_moment_of_a_bad_sample_is_refused(sample):
    with pytest.raises(DataError):
        theory.moment(sample, 1.0)


def test_the_gap_is_given_where_the_truth_is_known_and_not_otherwise():
    estimate = SimpleNamespace(value=0.4, train_value=0.55, standard_error=0.02)
    exact, unknown = theory.variational_gap(estimate, 0.5), theory.variational_gap(estimate)
    assert exact.gap == pytest.approx(0.1) and exact.overfit == pytest.approx(0.15)
    assert (
        math.isnan(unknown.gap) and "Not checkable" in unknown.sentence and unknown.overfit == exact.overfit
    )


def test_every_assumption_has_its_status():
    x = torch.randn(100, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    moments = (theory.moment(x, 1.0), theory.moment(2 * x, 1.0))
    gap = theory.variational_gap(SimpleNamespace(value=0.4, train_value=0.55, standard_error=0.02))
    for constants, status in (
        (theory.residual_constants(blocks=3, contraction=0.5), "declared"),
        (theory.LipschitzConstants(2.0, 3.0, "measured"), "measured"),
    ):
        rows = theory.assumptions(
            DIVERGENCES.make("kl"), lipschitz=constants, moments=moments, misfit=0.1, gap=gap
        )
        assert [a.status for a in rows] == [
            "declared", "not checkable", status, "not checkable", "measured", "not checkable",
        ]  # fmt: skip
        assert all(a.name and a.sentence.endswith(".") for a in rows)
        assert rows[2].value == constants.largest
