"""Constants and bounds of Theorem 3.1 against distributions for which everything is known."""

import math
from types import SimpleNamespace

import pytest
import torch
from scipy.optimize import minimize_scalar
from scipy.stats import wasserstein_distance

from workbench import theory
from workbench.core.errors import IncompatibleError, SpecError
from workbench.divergences import DIVERGENCES

ORDERS = (0.5, 1.0, 3.0)


@pytest.mark.parametrize("a", ORDERS)
def test_the_moment_constant_comes_from_the_best_radius(a):
    """C_a = min over K of 2K + 2K^(-a), at M = TV = 1."""
    best = minimize_scalar(
        lambda k: 2 * k + 2 * k**-a, bounds=(1e-3, 10), method="bounded", options={"xatol": 1e-12}
    )
    assert theory.moment_constant(a) == pytest.approx(best.fun, rel=1e-9)


def test_the_moment_constant_at_one_is_four():
    assert theory.moment_constant(1) == 4


@pytest.mark.parametrize("a", ORDERS)
def test_the_lemma_holds_and_its_rate_is_sharp(a):
    """μ = δ_0 and ν = (1-t) δ_0 + t δ_L: W1 = tL, TV = t, M = t L^(1+a); bound and truth keep their ratio."""
    ratios = []
    for t, length in ((0.5, 1.0), (1e-2, 3.0), (1e-6, 500.0)):
        bound = theory.wasserstein_from_total_variation(t, t * length ** (1 + a), a)
        ratios.append(bound / (t * length))
    assert max(ratios) / min(ratios) == pytest.approx(1.0, rel=1e-9) and ratios[0] > 1
    assert ratios[0] == pytest.approx({0.5: 3.8, 1.0: 4.0, 3.0: 3.5}[a], abs=0.05)


@pytest.mark.parametrize("a", ORDERS)
def test_the_lemma_holds_on_random_distributions(a):
    generator = torch.Generator().manual_seed(0)
    for _ in range(200):
        points = 3 * torch.randn(6, generator=generator, dtype=torch.float64)
        p, q = (3 * torch.randn(2, 6, generator=generator, dtype=torch.float64)).softmax(-1)
        moment = max(float((weights * points.abs() ** (1 + a)).sum()) for weights in (p, q))
        total_variation = float((p - q).abs().sum()) / 2
        truth = wasserstein_distance(points.numpy(), points.numpy(), p.numpy(), q.numpy())
        assert truth <= theory.wasserstein_from_total_variation(total_variation, moment, a) + 1e-12


@pytest.mark.parametrize(
    "key", ["kl", "jensen_shannon", "gan", "pearson", "total_variation", "donsker_varadhan"]
)
def test_the_bound_of_the_total_variation_holds(key):
    divergence = DIVERGENCES.make(key)
    generator = torch.Generator().manual_seed(1)
    for _ in range(50):
        p, q = torch.randn(2, 5, generator=generator, dtype=torch.float64).softmax(-1)
        truth = float((p - q).abs().sum()) / 2
        assert truth <= theory.total_variation_bound(divergence, float(divergence.primal(p, q))) + 1e-12


def test_the_total_variation_is_used_as_it_is():
    assert theory.total_variation_bound(DIVERGENCES.make("total_variation"), 0.04) == pytest.approx(0.04)
    assert theory.total_variation_bound(DIVERGENCES.make("precision_recall"), 0.04) == pytest.approx(0.04)
    assert theory.total_variation_bound(DIVERGENCES.make("pearson"), 0.04) == pytest.approx(0.1)
    assert theory.total_variation_bound(DIVERGENCES.make("kl"), 50.0) == 1.0


NOT_COVERED = [
    ("precision_recall", {"trade_off": 3.0}, "no Pinsker"),
    ("alpha", {"alpha": 3.0}, "outside"),
    ("maximum_mean_discrepancy", {}, "not an f-divergence"),
    ("wasserstein_critic", {}, "not an f-divergence"),
    ("f_gamma", {}, "smaller than D_f"),
]


@pytest.mark.parametrize("key, settings, reason", NOT_COVERED)
def test_the_theorem_is_refused_where_it_does_not_apply(key, settings, reason):
    divergence, anything = DIVERGENCES.make(key, **settings), SimpleNamespace()
    for ask in (
        lambda: theory.pinsker_constant(divergence),
        lambda: theory.total_variation_bound(divergence, 0.1),
        lambda: theory.learned_bound(
            divergence,
            deviation_y=0.1,
            deviation_z=0.1,
            gap=0.0,
            weight=1.0,
            moment=1.0,
            lipschitz=1.0,
            a=1.0,
        ),
        lambda: theory.learned_flow_bound(
            divergence, deviation=0.1, gap=0.0, moment=1.0, lipschitz=1.0, a=1.0
        ),
        lambda: theory.assumptions(divergence, lipschitz=anything, moments=(), misfit=0.0, gap=anything),
    ):
        with pytest.raises(IncompatibleError, match=reason):
            ask()


def test_bounds_follow_the_formulas():
    values = {"total_variation": 0.09, "moment": 2.0, "lipschitz": 3.0, "a": 1.0}
    average = theory.averaged_posterior_bound(misfit=0.25, **values)
    assert average.supervised == pytest.approx(3 * 0.5)
    assert average.unsupervised == pytest.approx(3 * 4 * math.sqrt(2) * 0.3)
    assert average.value == pytest.approx(average.supervised + average.unsupervised)
    conditional = theory.conditional_bound(misfit=0.25, probability=0.25, **values)
    assert conditional.supervised == pytest.approx(2 * average.supervised)
    assert conditional.unsupervised == pytest.approx(4 * average.unsupervised)
    assert theory.flow_bound(**values).value == pytest.approx(average.unsupervised)


def test_the_learned_bound_has_the_rate_of_the_theorem():
    divergence = DIVERGENCES.make("jensen_shannon")
    for a in ORDERS:
        values = [
            theory.learned_bound(
                divergence, deviation_y=s, deviation_z=s, gap=s, weight=2.0, moment=1.5, lipschitz=1.2, a=a
            ).value
            for s in (1e-10, 1e-12)
        ]
        slope = math.log(values[0] / values[1]) / math.log(100)
        assert slope == pytest.approx(theory.rate(a), abs=0.01)
        flow = [
            theory.learned_flow_bound(divergence, deviation=s, gap=s, moment=1.5, lipschitz=1.2, a=a).value
            for s in (1e-3, 1e-5)
        ]
        assert math.log(flow[0] / flow[1]) / math.log(100) == pytest.approx(theory.rate(a), rel=1e-9)


def test_the_learned_bound_follows_the_formula():
    """L_y <= 2 (u + λ r) and D <= 2 (u/λ + r) + η, with u = 0.01, r = 0.02, λ = 2, η = 0.005, p_A = ½ and c_f
    = ½."""
    bound = theory.learned_bound(
        DIVERGENCES.make("pearson"), deviation_y=0.01, deviation_z=0.02, gap=0.005, weight=2.0, moment=2.0,
        lipschitz=3.0, a=1.0, probability=0.5,
    )  # fmt: skip
    assert bound.supervised == pytest.approx(3 * math.sqrt(2 * (0.01 + 2 * 0.02) / 0.5))
    total_variation = 0.5 * math.sqrt(2 * (0.01 / 2 + 0.02) + 0.005)
    assert bound.unsupervised == pytest.approx(3 * 4 * math.sqrt(2 * total_variation) / 0.5)
    flow = theory.learned_flow_bound(
        DIVERGENCES.make("pearson"), deviation=0.02, gap=0.005, moment=2.0, lipschitz=3.0, a=1.0
    )
    assert flow.value == pytest.approx(3 * 4 * math.sqrt(2 * 0.5 * math.sqrt(0.045)))


@pytest.mark.parametrize(
    "change, name",
    [
        ({"total_variation": 1.2}, "TV"),
        ({"total_variation": float("nan")}, "TV"),
        ({"moment": -1.0}, "moment M"),
        ({"lipschitz": 0.0}, "Lipschitz"),
        ({"a": 0.0}, "order a"),
        ({"misfit": -0.1}, "L_y"),
        ({"probability": 0.0}, "probability"),
    ],
)
def test_nonsense_is_refused_by_name(change, name):
    good = {
        "misfit": 0.1,
        "total_variation": 0.1,
        "moment": 1.0,
        "lipschitz": 1.0,
        "a": 1.0,
        "probability": 0.5,
    }
    theory.conditional_bound(**good)
    with pytest.raises(SpecError, match=name):
        theory.conditional_bound(**{**good, **change})
