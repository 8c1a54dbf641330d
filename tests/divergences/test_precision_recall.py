"""Identities of the precision-recall divergence on discrete distributions.

Sources: Verine et al. (2023), Simon et al. (2019).
"""

import math

import pytest
import torch
from scipy.integrate import quad
from scipy.optimize import minimize_scalar

from workbench.core.errors import SpecError
from workbench.divergences import DIVERGENCES, precision_recall_curve

TRADE_OFFS = (0.2, 0.7, 1.0, 1.6, 5.0)
each = pytest.mark.parametrize("level", TRADE_OFFS)


def pr(level, **settings):
    return DIVERGENCES.make("precision_recall", trade_off=level, **settings)


@each
def test_precision_is_what_the_divergence_leaves(level, distributions):
    p, q = distributions(0)
    precision, recall = precision_recall_curve(p, q, torch.tensor([level], dtype=torch.float64))
    value = pr(level).primal(p, q)
    assert torch.isclose(precision[0], min(1, level) - value, rtol=1e-12)
    assert torch.isclose(recall[0], torch.minimum(p, q / level).sum(), rtol=1e-12)


@each
def test_exchanging_the_arguments_inverts_the_trade_off(level, distributions):
    p, q = distributions(1)
    assert torch.isclose(pr(level).primal(p, q), level * pr(1 / level).primal(q, p), rtol=1e-12)


def test_at_one_it_is_the_total_variation(distributions):
    p, q = distributions(2)
    assert torch.isclose(pr(1.0).primal(p, q), 0.5 * (p - q).abs().sum(), rtol=1e-12)


@each
def test_conjugate_is_the_supremum(level):
    divergence = pr(level)
    for share in (0.0, 0.3, 0.9, 1.0):
        t = torch.tensor(share * level, dtype=torch.float64)

        def loss(u, t=t, divergence=divergence):
            return float(divergence.generator(torch.tensor(u, dtype=torch.float64)) - t * u)

        best = -min(minimize_scalar(loss, bounds=(0, 50), method="bounded").fun, loss(0.0), loss(1 / level))
        assert float(divergence.conjugate(t)) == pytest.approx(best, abs=1e-6)
    assert divergence.conjugate(torch.tensor(1.01 * level)) == math.inf


@each
def test_dual_equals_primal_at_the_step_critic(level, distributions):
    """Its own dual: T = λ where λp >= q. A step, so that it has no gradient and is not used to train."""
    p, q = distributions(3)
    divergence = pr(level)
    step = level * (level * p >= q).double()
    dual = (p * step).sum() - (q * divergence.conjugate(step)).sum()
    assert torch.isclose(dual, divergence.primal(p, q), rtol=1e-12)


@pytest.mark.parametrize("auxiliary", ["kl", "pearson", "reverse_kl", "jensen_shannon"])
@pytest.mark.parametrize("symmetrised", [False, True])
@each
def test_the_primal_estimate_is_exact_at_the_auxiliarys_optimal_critic(
    level, auxiliary, symmetrised, distributions
):
    divergence = pr(level, auxiliary=auxiliary, symmetrised=symmetrised)
    p, q = (
        torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64),
        torch.tensor([0.3, 0.3, 0.3, 0.1], dtype=torch.float64),
    )
    logits = divergence.optimal_logits((p / q).log())
    at_p, at_q = (
        logits.repeat_interleave((10 * p).round().long()),
        logits.repeat_interleave((10 * q).round().long()),
    )
    assert torch.isclose(divergence.value(at_p, at_q), divergence.primal(p, q), rtol=1e-9, atol=1e-12)
    auxiliary_value = DIVERGENCES.make(auxiliary).primal(p, q)
    assert torch.isclose(divergence.critic_value(at_p, at_q), auxiliary_value, rtol=1e-9)


def test_the_model_gets_a_gradient_where_it_has_too_much():
    """Through the ratio: only where λr < 1, the points that cost precision."""
    divergence = pr(2.0)
    log_ratio = torch.tensor([-2.0, 1.0], dtype=torch.float64, requires_grad=True)
    logits = divergence.optimal_logits(log_ratio)
    (slope,) = torch.autograd.grad(divergence.value(logits.detach(), logits), log_ratio)
    assert slope[0] < 0 and slope[1] == 0


@pytest.mark.parametrize("key", ["kl", "reverse_kl", "pearson"])
def test_every_f_divergence_is_a_weighted_mixture(key, distributions):
    """D_f = ∫ λ⁻³ f''(1/λ) D_λ dλ, here in m = 1/λ: ∫ f''(m) m D_{1/m} dm."""
    p, q = distributions(4)
    curvature = {"kl": lambda m: 1 / m, "reverse_kl": lambda m: 1 / m**2, "pearson": lambda m: 2.0}[key]
    low, high = float((p / q).min()), float((p / q).max())

    def integrand(m):
        return curvature(m) * m * float(pr(1 / m).primal(p, q))

    # outside the range of the ratio the divergence is zero
    kinks = sorted({1.0, *(p / q).tolist()})
    total = sum(
        quad(integrand, a, b, epsabs=1e-13)[0]
        for a, b in zip(kinks[:-1], kinks[1:], strict=True)
        if low <= a and b <= high
    )
    assert total == pytest.approx(float(DIVERGENCES.make(key).primal(p, q)), rel=1e-9)


@pytest.mark.parametrize("key", ["kl", "pearson", "reverse_kl"])
def test_the_gap_is_a_bregman_divergence_of_the_ratios(key, distributions):
    """D_g - dual = E_q[g(r*) - g(r) - g'(r)(r* - r)]: why the critic's ratio can be trusted."""
    divergence, (p, q) = DIVERGENCES.make(key), distributions(5)
    noise = 0.3 * torch.randn(len(p), dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    logits = divergence.optimal_logits((p / q).log() + noise)
    gap = divergence.primal(p, q) - (p * divergence.gain(logits)).sum() + (q * divergence.cost(logits)).sum()
    true, estimate = p / q, divergence.ratio(logits)
    bregman = (
        divergence.generator(true)
        - divergence.generator(estimate)
        - divergence.gain(logits) * (true - estimate)
    )
    assert torch.isclose(gap, (q * bregman).sum(), atol=1e-12)
    if key == "pearson":  # 2-strongly convex
        assert (q * (true - estimate) ** 2).sum() <= gap * (1 + 1e-9)


def test_away_from_one_it_vanishes_for_unequal_distributions_and_has_no_pinsker_constant():
    p, q = torch.tensor([0.5, 0.5], dtype=torch.float64), torch.tensor([0.4, 0.6], dtype=torch.float64)
    assert float(pr(3.0).primal(p, q)) == pytest.approx(0, abs=1e-15) and pr(3.0).pinsker is None
    assert "no Pinsker" in pr(3.0).pinsker_reason and pr(1.0).pinsker == 1.0


def test_large_trade_offs_see_stray_samples_and_small_ones_missed_modes():
    data = torch.tensor([0.25, 0.25, 0.25, 0.25, 0.0], dtype=torch.float64)
    misses = torch.tensor([0.5, 0.5, 0.0, 0.0, 0.0], dtype=torch.float64)
    strays = torch.tensor([0.15, 0.15, 0.15, 0.15, 0.4], dtype=torch.float64)
    precise, complete = pr(20.0), pr(0.05)
    assert precise.primal(data, misses) < 1e-12 < 0.3 < precise.primal(data, strays)
    # at small λ the whole scale is λ
    assert complete.primal(data, strays) < 1e-12 < 0.3 * 0.05 < complete.primal(data, misses)


@each
def test_monte_carlo_form_is_unbiased(level, distributions):
    p, q = distributions(6)
    for both_sides in (False, True):
        divergence = pr(level, symmetrised=both_sides)
        a, b = p.log(), q.log()
        mean = sum(
            p[i]
            * q[j]
            * divergence.from_log_densities(a[i : i + 1], b[i : i + 1], a[j : j + 1], b[j : j + 1])
            for i in range(len(p))
            for j in range(len(q))
        )
        assert torch.isclose(mean, divergence.primal(p, q), rtol=1e-10)


def test_a_trade_off_of_zero_is_refused():
    with pytest.raises(SpecError):
        pr(0.0)
