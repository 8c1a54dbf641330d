"""Divergences against closed forms and discrete laws."""

import math

import pytest
import torch

from workbench.core.errors import SpecError
from workbench.critics import CRITICS
from workbench.divergences import DIVERGENCES, VariationalDivergence, mmd_squared
from workbench.divergences.maximum_mean_discrepancy import kernel

VARIATIONAL = [d for d in DIVERGENCES if issubclass(d, VariationalDivergence)]
PRIMAL = {"jensen_shannon": lambda p, q: (p * (2 * p / (p + q)).log() + q * (2 * q / (p + q)).log()).sum()}


def discrete(seed=0, n=7):
    generator = torch.Generator().manual_seed(seed)
    p, q = torch.rand(2, n, generator=generator, dtype=torch.float64) + 0.05
    return p / p.sum(), q / q.sum()


@pytest.mark.parametrize("divergence", VARIATIONAL, ids=lambda d: d.key)
def test_dual_equals_primal_at_the_optimal_critic_and_is_below_it_elsewhere(divergence):
    made = divergence()
    for seed in range(20):
        p, q = discrete(seed)
        best = made.optimal_logits((p / q).log())
        dual = (p * made.gain(best)).sum() - (q * made.cost(best)).sum()
        primal = PRIMAL[made.key](p, q)
        assert torch.isclose(dual, primal, rtol=1e-12)
        for shift in (-1.0, 0.3, 2.0):
            other = best + shift * torch.randn(
                len(p), dtype=torch.float64, generator=torch.Generator().manual_seed(3)
            )
            assert (p * made.gain(other)).sum() - (q * made.cost(other)).sum() < primal


@pytest.mark.parametrize("divergence", VARIATIONAL, ids=lambda d: d.key)
def test_the_models_gradient_is_that_of_the_divergence(divergence):
    """Gradient matching: the derivative of -E_q[f*(T)] at the fixed optimal critic equals that of D(p ||
    q_theta)."""
    made, (p, q) = divergence(), discrete(5)
    theta = q.log().clone().requires_grad_()
    (primal,) = torch.autograd.grad(PRIMAL[made.key](p, theta.softmax(0)), theta)
    logits = made.optimal_logits((p / q).log())
    (dual,) = torch.autograd.grad(-(theta.softmax(0) * made.cost(logits)).sum(), theta)
    assert torch.allclose(primal, dual, atol=1e-12)


def test_logit_forms_stay_finite_far_out():
    logits = torch.tensor([-1e4, -50.0, 0.0, 50.0, 1e4])
    for divergence in VARIATIONAL:
        assert (
            torch.isfinite(divergence().gain(logits)).all()
            and torch.isfinite(divergence().cost(logits)).all()
        )


def test_the_conjugate_printed_in_the_paper_has_no_finite_supremum():
    """With log(1 + e^t) - log 2 the bound grows with the critic's height; ours does not."""
    p, q = torch.tensor([0.9, 0.1]), torch.tensor([0.1, 0.9])
    printed = [
        float((p * g).sum() - (q * ((1 + g.exp()).log() - math.log(2))).sum())
        for g in (torch.tensor([h, -h]) for h in (1.0, 10.0, 80.0))
    ]
    assert printed[0] < printed[1] < printed[2] and printed[2] > 2 * math.log(2)
    js = DIVERGENCES.make("jensen_shannon")
    ours = [
        float((p * js.gain(v)).sum() - (q * js.cost(v)).sum())
        for v in (torch.tensor([h, -h]) for h in (1.0, 10.0))
    ]
    assert max(ours) < 2 * math.log(2)


@pytest.mark.parametrize("name", ["multiscale", "forward", "backward"])
def test_mmd_of_point_masses_is_the_kernels_closed_form(name):
    a, b = torch.zeros(1, 1, dtype=torch.float64), torch.full((1, 1), 1.5, dtype=torch.float64)
    k = kernel(torch.tensor([0.0, 2.25], dtype=torch.float64), name)
    assert torch.isclose(mmd_squared(a, b, kernel_name=name), 2 * (k[0] - k[1]))


def test_unbiased_mmd_is_centred_at_zero_for_equal_laws_and_the_biased_one_is_not():
    generator = torch.Generator().manual_seed(0)
    draws = [torch.randn(60, 2, 2, generator=generator, dtype=torch.float64) for _ in range(200)]
    unbiased = torch.stack([mmd_squared(d[:, 0], d[:, 1], unbiased=True) for d in draws])
    biased = torch.stack([mmd_squared(d[:, 0], d[:, 1]) for d in draws])
    assert unbiased.mean().abs() < 4 * unbiased.std() / 200**0.5
    assert biased.mean() > 10 * biased.std() / 200**0.5 and biased.min() >= 0


def test_mmd_sees_a_shift_and_a_missing_mode():
    generator = torch.Generator().manual_seed(1)
    p = torch.randn(500, 1, generator=generator, dtype=torch.float64)
    modes = torch.where(torch.rand(500, 1, generator=generator, dtype=torch.float64) < 0.5, -3.0, 3.0)
    assert mmd_squared(p, p + 0.5, unbiased=True) > 0.01
    assert mmd_squared(modes + 0.1 * p, 3 + 0.1 * p, unbiased=True) > 0.5


def test_mmd_gives_a_gradient_on_disjoint_supports():
    p = torch.linspace(0, 1, 50, dtype=torch.float64)[:, None]
    shift = torch.tensor(20.0, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(mmd_squared(p, p + shift), shift)
    assert slope > 0


@pytest.mark.parametrize(
    "p, q", [(torch.zeros(3, 2), torch.zeros(3, 1)), (torch.zeros(3), torch.zeros(3, 1))]
)
def test_mmd_refuses_samples_that_do_not_match(p, q):
    with pytest.raises(SpecError, match="same dimension"):
        mmd_squared(p, q)


@pytest.mark.parametrize("critic", list(CRITICS), ids=lambda c: c.key)
def test_every_critic_gives_one_logit_and_a_gradient_to_every_weight(critic):
    torch.manual_seed(0)
    module = critic().build(3)
    out = module(torch.randn(50, 3))
    assert out.shape == (50, 1)
    out.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in module.parameters())


def test_a_trained_critic_approaches_the_divergence_of_two_gaussians_from_below():
    """JS between N(0,1) and N(1.5,1): the MLP's held-out value comes close and does not exceed it."""
    x = torch.linspace(-9, 11, 20001, dtype=torch.float64)
    p, q = (-((x - m) ** 2) / 2 for m in (0.0, 1.5))
    p, q = (v.exp() / math.sqrt(2 * math.pi) for v in (p, q))
    middle = (p + q) / 2
    truth = float(torch.trapezoid(torch.special.xlogy(p, p / middle) + torch.special.xlogy(q, q / middle), x))
    torch.manual_seed(0)
    js, critic = DIVERGENCES.make("jensen_shannon"), CRITICS.make("mlp", width=32).build(1)
    optimiser = torch.optim.Adam(critic.parameters(), lr=5e-3)
    for _ in range(400):
        optimiser.zero_grad()
        (-js.value(critic(torch.randn(512, 1)), critic(torch.randn(512, 1) + 1.5))).backward()
        optimiser.step()
    with torch.no_grad():
        value = float(js.value(critic(torch.randn(100_000, 1)), critic(torch.randn(100_000, 1) + 1.5)))
    assert 0.93 * truth < value < truth + 0.01
