"""Gradients of the model: with the optimal critic, the exact one is that of the divergence, and the
non-saturating one that of another divergence, which is known."""

import math

import pytest
import torch

from tests.objectives.analytic import Affine, AnalyticCritic, context, normal_batch
from workbench.divergences import DIVERGENCES, FDivergence
from workbench.objectives import OBJECTIVES

F_DIVERGENCES = [d.key for d in DIVERGENCES if issubclass(d, FDivergence)]
GRID = torch.linspace(-12, 12, 48_001, dtype=torch.float64)[:, None]
CELL = float(GRID[1] - GRID[0])


def log_data(u):
    return -0.5 * u.square() - 0.5 * math.log(2 * math.pi)


def log_model(u, model, frozen=False):
    mean, scale = (p.detach() if frozen else p for p in (model.mean, model.scale))
    return -0.5 * ((u - mean) / scale).square() - scale.log() - 0.5 * math.log(2 * math.pi)


def model_gradient(**settings):
    """Gradient in (m, s) of the model's loss, with the optimal critic."""
    model, objective = Affine(), OBJECTIVES.make("variational", **settings)
    loss = objective.build(model, context())
    sign = 1 if objective.order == "data_first" else -1
    loss.critic = AnalyticCritic(
        lambda u: loss.divergence.optimal_logits(sign * (log_data(u) - log_model(u, model, frozen=True)))
    )
    parts = loss.parts(model, normal_batch(), torch.Generator().manual_seed(0))
    total = loss.total({k: v for k, v in parts.items() if k != "negative_log_likelihood"}, 1.0)
    return torch.stack(torch.autograd.grad(total, [model.mean, model.scale])), parts


def by_quadrature(function):
    """Gradient in (m, s) of the integral of ``function(p, q)``, p the data's density, q the model's."""
    model = Affine()
    value = (function(log_data(GRID).exp(), log_model(GRID, model).exp()) * CELL).sum()
    return torch.stack(torch.autograd.grad(value, [model.mean, model.scale])), float(value.detach())


def assert_close(gradient, reference, tolerance=2e-2):
    assert torch.allclose(gradient, reference, rtol=tolerance, atol=tolerance), f"{gradient}, {reference}"


@pytest.mark.parametrize("key", [k for k in F_DIVERGENCES if k != "total_variation"])
@pytest.mark.parametrize("order", ["data_first", "model_first"])
def test_the_exact_gradient_is_that_of_the_divergence(key, order):
    divergence = DIVERGENCES.make(key)
    gradient, parts = model_gradient(divergence=key, order=order)

    def integrand(p, q):
        p, q = (p, q) if order == "data_first" else (q, p)
        return q * divergence.generator(p / q)

    reference, value = by_quadrature(integrand)
    assert_close(gradient, reference)
    assert float(parts[key].detach()) == pytest.approx(value, abs=2e-2)


@pytest.mark.parametrize(
    "key, another",
    [
        ("kl", lambda p, q: q * (q / p).log()),
        ("reverse_kl", lambda p, q: 0.5 * (q - p).square() / p),
        ("pearson", lambda p, q: 2 * p * (p / q).log()),
        ("jensen_shannon", lambda p, q: q * (q / p).log() - twice_jensen_shannon(p, q)),
        ("gan", lambda p, q: q * (q / p).log() - twice_jensen_shannon(p, q)),
        ("squared_hellinger", lambda p, q: p * (2 / 3 * (q / p) ** 1.5 - q / p + 1 / 3)),
    ],
)
def test_the_non_saturating_gradient_is_that_of_another_divergence(key, another):
    gradient, parts = model_gradient(divergence=key, generator_gradient="non_saturating")
    reference, _ = by_quadrature(another)
    assert_close(gradient, reference)
    exact, _ = model_gradient(divergence=key)
    assert not torch.allclose(gradient, exact, rtol=0.05, atol=0.0), "the two forms would be the same"
    assert DIVERGENCES[key].non_saturating_descends and {key, "non_saturating"} <= parts.keys()


def twice_jensen_shannon(p, q):
    middle = 0.5 * (p + q)
    return p * (p / middle).log() + q * (q / middle).log()


@pytest.mark.parametrize("key", ["kl", "jensen_shannon", "squared_hellinger"])
def test_the_non_saturating_gradient_with_the_model_first_has_its_own_divergence(key):
    """∫ q k(p/q) with k'(u) = u f'(u) - f(u), the model p first, the data q second."""
    divergence = DIVERGENCES.make(key)
    gradient, _ = model_gradient(divergence=key, order="model_first", generator_gradient="non_saturating")
    model = Affine()
    data = log_data(GRID).exp()
    ratio = (log_model(GRID, model, frozen=True).exp() / data).requires_grad_()
    (slope,) = torch.autograd.grad(divergence.generator(ratio).sum(), ratio)
    rate = (ratio * slope - divergence.generator(ratio)).detach()
    value = (rate * log_model(GRID, model).exp() * CELL).sum()
    assert_close(gradient, torch.stack(torch.autograd.grad(value, [model.mean, model.scale])))


def test_exchanged_arguments_turn_kl_into_reverse_kl():
    one, parts = model_gradient(divergence="kl", order="model_first")
    other, others = model_gradient(divergence="reverse_kl")
    assert_close(one, other)
    exact = 0.5 * (0.9**2 + 0.3**2 - 1) - math.log(0.9)  # KL(N(0.3, 0.9²) || N(0, 1))
    assert float(parts["kl"].detach()) == pytest.approx(exact, abs=5e-3)
    assert float(others["reverse_kl"].detach()) == pytest.approx(exact, abs=5e-3)


def test_the_hybrid_adds_the_gradient_of_the_likelihood():
    model, batch = Affine(), normal_batch(500)
    likelihood = OBJECTIVES.make("maximum_likelihood").build(model, context())

    def slope(loss, weights):
        total = loss.total(loss.parts(model, batch, torch.Generator().manual_seed(0)), weights)
        return torch.stack(torch.autograd.grad(total, [model.mean, model.scale]))

    def of(**values):
        torch.manual_seed(3)
        return slope(OBJECTIVES.make("variational", **values).build(model, context()).to(torch.float64), 1.0)

    alone = of(weight_divergence=0.0, weight_likelihood=1.0)
    assert torch.allclose(alone, slope(likelihood, 1.0))
    assert torch.allclose(of(weight_likelihood=0.7), of() + 0.7 * alone)


def test_with_all_weights_at_zero_the_gradient_is_zero():
    model = Affine()
    loss = OBJECTIVES.make("variational", weight_divergence=0.0).build(model, context()).to(torch.float64)
    parts = loss.parts(model, normal_batch(50), torch.Generator().manual_seed(0))
    assert not any(torch.autograd.grad(loss.total(parts, 1.0), [model.mean, model.scale]))


def test_weights_rise_and_fall_over_the_run():
    objective = OBJECTIVES.make(
        "variational", weight_divergence=2.0, ramp=0.5, weight_likelihood=3.0, fade_likelihood=0.25
    )
    weights = objective.build(Affine(), context()).weights
    rise = [weights(p)["jensen_shannon"] for p in (0.0, 0.25, 0.5, 1.0)]
    fall = [weights(p)["negative_log_likelihood"] for p in (0.0, 0.125, 0.25, 1.0)]
    assert 0 < rise[0] < 0.05 and rise[1:] == [1.0, 2.0, 2.0] and fall == [3.0, 1.5, 0.0, 0.0]
