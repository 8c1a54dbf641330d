"""Properties of the networks that are no chain of invertible layers: mixtures and flow matching."""

from __future__ import annotations

import math

import pytest
import torch

from tests.architectures.properties import batch, build_model, loss_of, unreached
from workbench.architectures import ARCHITECTURES
from workbench.core.errors import IncompatibleError
from workbench.core.shapes import Shapes
from workbench.objectives import OBJECTIVES, Batch
from workbench.problems import PROBLEMS
from workbench.training import refusals


# ---- mixtures
def test_the_mixture_is_its_sum_of_normals():
    model, (x, y) = build_model("mixture_density_network", Shapes(3, 2), components=4), batch(Shapes(3, 2), 6)
    log_weights, mean, factor = model.components(y, 6)
    assert torch.allclose(log_weights.exp().sum(-1), torch.ones(6, dtype=torch.float64))
    normal = torch.distributions.MultivariateNormal(mean, factor @ factor.mT)
    reference = (log_weights.exp() * normal.log_prob(x[:, None]).exp()).sum(-1).log()
    assert torch.allclose(model.log_prob(x, y), reference, atol=1e-9)
    assert (factor.diagonal(dim1=-2, dim2=-1) > 0).all() and factor.triu(1).abs().max() == 0
    assert (factor[..., 1, 0].abs() > 1e-4).all()  # full covariances, not diagonal ones


def test_the_first_number_selects_the_component_by_its_weight():
    model, (_, y) = build_model("mixture_density_network", Shapes(2, 1), components=3), batch(Shapes(2, 1), 1)
    log_weights, mean, factor = model.components(y, 1)
    edges = log_weights.detach().exp()[0].cumsum(0)
    for k, (low, high) in enumerate(zip([0.0, *edges[:-1]], edges, strict=True)):
        inside = torch.tensor(0.5 * (float(low) + float(high)), dtype=torch.float64)
        z = torch.tensor([[torch.special.ndtri(inside), 0.3, -1.0]], dtype=torch.float64)
        x, log_det = model.inverse(z, y)
        assert log_det is None
        assert torch.allclose(x, mean[:, k] + (factor[:, k] @ z[:, 1:, None])[..., 0], atol=1e-12)


@pytest.mark.parametrize("far", [-40.0, 40.0])
def test_no_first_number_is_too_far_out(far):
    model = build_model("mixture_density_network", Shapes(2, 0))
    assert model.inverse(torch.full((3, 3), far, dtype=torch.float64), None)[0].isfinite().all()


def test_components_start_apart():
    torch.manual_seed(0)
    model = ARCHITECTURES.make("mixture_density_network").build(Shapes(2, 1))
    mean = model.components(torch.zeros(1, 1), 1)[1][0]
    assert torch.pdist(mean).min() > 0.05 and mean.std() > 0.5


def test_a_mixture_has_no_latent_and_says_so():
    model, (x, y) = build_model("mixture_density_network", Shapes(2, 1)), batch(Shapes(2, 1))
    with pytest.raises(IncompatibleError, match="has a latent code of its data"):
        model.latent(x, y)


# ---- flow matching
def test_the_regression_is_its_equation():
    shapes = Shapes(2, 1)
    model, (x, y) = build_model("flow_matching", shapes), batch(shapes, 16)
    misfit = loss_of("flow_matching", model, shapes).parts(
        model, Batch(x, y), torch.Generator().manual_seed(3)
    )["velocity_misfit"]
    generator = torch.Generator().manual_seed(3)
    z = torch.randn(16, 2, generator=generator, dtype=torch.float64)
    t = torch.rand(16, generator=generator, dtype=torch.float64)
    each = [
        (
            model.velocity(t[i : i + 1], (1 - t[i]) * z[i : i + 1] + t[i] * x[i : i + 1], y[i : i + 1])
            - (x[i] - z[i])
        )
        .square()
        .sum()
        for i in range(16)
    ]
    assert torch.allclose(misfit, torch.stack(each).mean(), atol=1e-12)
    assert unreached(model, misfit) == []


@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("midpoint", 2), ("rk4", 4)])
def test_steps_err_with_the_order_of_their_rule(solver, order):
    """Halving the step divides what a draw misses by two to the power of the order."""
    shapes = Shapes(2, 1)
    z, y = batch(shapes, 64, seed=3)
    exact = build_model("flow_matching", shapes, solver="rk4", steps=200).inverse(z, y)[0]
    off = [
        build_model("flow_matching", shapes, solver=solver, steps=steps).inverse(z, y)[0] - exact
        for steps in (8, 16)
    ]
    errors = [d.detach().abs().max().item() for d in off]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.35)


def test_the_density_is_that_of_the_map_that_it_integrates():
    """With fine steps: N(z) |det ∂z/∂x| by automatic differentiation through the solver."""
    shapes = Shapes(3, 1)
    model, (x, y) = build_model("flow_matching", shapes, solver="rk4", steps=60), batch(shapes, 3)
    for row in range(3):
        one = lambda p, row=row: model.latent(p[None], y[row : row + 1])[0][0]  # noqa: E731
        jacobian = torch.autograd.functional.jacobian(one, x[row])
        normal = torch.distributions.Normal(0.0, 1.0).log_prob(one(x[row])).sum()
        reference = normal + torch.linalg.slogdet(jacobian)[1]
        assert torch.allclose(model.log_prob(x[row : row + 1], y[row : row + 1])[0], reference, atol=1e-6)


def test_the_stages_are_the_path_of_the_points():
    model, (z, y) = build_model("flow_matching", Shapes(2, 1), steps=5), batch(Shapes(2, 1), 4)
    stages = model.stages(z, y)
    assert len(stages) == 6
    half = torch.full((4,), 0.1, dtype=torch.float64)
    first = model.velocity(torch.zeros(4, dtype=torch.float64), z, y)
    assert torch.allclose(stages[1], z + 0.2 * model.velocity(half, z + 0.1 * first, y), atol=1e-12)


def test_flow_matching_is_trained_by_its_own_objective():
    parts = [PROBLEMS.make("two_moons"), ARCHITECTURES.make("flow_matching")]
    assert refusals(*parts, OBJECTIVES.make("flow_matching")) == []
    (reason,) = refusals(*parts, OBJECTIVES.make("maximum_likelihood"))
    assert "choose flow matching" in reason
    (reason,) = refusals(parts[0], ARCHITECTURES.make("realnvp"), OBJECTIVES.make("flow_matching"))
    assert "velocity field" in reason and "RealNVP" in reason
