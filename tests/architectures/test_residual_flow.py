"""The residual flow: bounds that hold, a series within its error, unbiased estimates, gradients."""

from __future__ import annotations

import math

import pytest
import torch

from tests.architectures.properties import batch, build_model
from workbench.architectures import ARCHITECTURES
from workbench.bijections.residual import Residual
from workbench.core.shapes import Shapes
from workbench.nn.contraction import operator_norm
from workbench.nn.log_det_series import basis_probes, power_series, roulette_weights, truncation_bound
from workbench.nn.smooth_network import CONTRACTIVE, SMOOTH


def with_large_weights(shapes, **settings):
    """A flow whose raw weights are far beyond every bound."""
    model = build_model("residual_flow", shapes, transforms=3, width=12, **settings)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(30.0)
    return model


def jacobians(function, points):
    one = lambda p: function(p[None])[0]  # noqa: E731
    return torch.stack([torch.autograd.functional.jacobian(one, p) for p in points])


def exact_log_det(block, x, y):
    """By automatic differentiation, with a graph behind it."""
    rows = [
        torch.autograd.functional.jacobian(
            lambda p, n=n: block(None if y is None else y[n : n + 1])(p[None])[0], x[n], create_graph=True
        )
        for n in range(len(x))
    ]
    return torch.linalg.slogdet(torch.stack(rows))[1]


@pytest.mark.parametrize("shapes", [Shapes(2, 0), Shapes(3, 2)], ids=str)
@pytest.mark.parametrize("settings", [{}, {"lipschitz": 0.5, "depth": 1}, {"bounded": True}], ids=str)
def test_measured_lipschitz_constants_stay_below_the_declared(shapes, settings):
    model, (x, y) = with_large_weights(shapes, **settings), batch(shapes, 64)
    one = None if y is None else y[:1]
    spread = 0.3 * x
    for layer in model.layers:
        steps = jacobians(lambda p, layer=layer: layer(one)(p) - p, spread)
        constant = torch.linalg.matrix_norm(steps, ord=2).max()
        assert constant < layer.network.lipschitz
        for matrix in layer.network.bounded_weights()[0]:
            assert torch.linalg.matrix_norm(matrix, ord=2) < layer.network.norm_bound
    whole = torch.linalg.svdvals(jacobians(lambda p: model.latent(p, one)[0], spread))
    assert whole.max() < model.lipschitz
    assert 1 / whole.min() < model.lipschitz_inverse
    contraction = settings.get("lipschitz", 0.9)
    assert model.lipschitz == pytest.approx((1 + contraction) ** 3)
    assert model.lipschitz_inverse == pytest.approx((1 - contraction) ** -3)


def test_the_bound_is_reached():
    """A bound that nothing comes near would forbid more than it has to."""
    torch.manual_seed(0)
    assert CONTRACTIVE["elu"](torch.ones(1))[1] == 1
    matrix = torch.randn(12, 7, dtype=torch.float64)
    for shape in (matrix, matrix.mT):
        assert operator_norm(shape) == pytest.approx(float(torch.linalg.svdvals(matrix)[0]), rel=1e-12)
    model = with_large_weights(Shapes(2, 0))
    for matrix in model.layers[0].network.bounded_weights()[0]:
        assert torch.linalg.matrix_norm(matrix, ord=2) > model.layers[0].network.norm_bound * (1 - 1e-4)


@pytest.mark.parametrize("name", [*CONTRACTIVE, "silu"])
def test_slopes_of_activations(name):
    function = (CONTRACTIVE | SMOOTH)[name]
    h = torch.linspace(-6, 6, 2001, dtype=torch.float64, requires_grad=True)
    value, slope = function(h)
    assert torch.allclose(torch.autograd.grad(value.sum(), h)[0], slope, atol=1e-12)
    assert bool(slope.abs().max() <= 1) is (name in CONTRACTIVE)


@pytest.mark.parametrize("bias_bound", [0.1, 2.0])
def test_the_bounded_class_moves_no_point_further_than_it_says(bias_bound):
    model = with_large_weights(Shapes(2, 1), bounded=True, bias_bound=bias_bound, lipschitz=0.81)
    x, y = batch(Shapes(2, 1), 200)
    x, y = 20 * x, 20 * y
    assert model.displacement == pytest.approx(3 * (0.9 * math.sqrt(12) + bias_bound))
    for there in (model.latent, model.inverse):
        distance = torch.linalg.vector_norm(there(x, y)[0] - x, dim=-1).max()
        assert 0.05 < distance <= model.displacement
    for layer in model.layers:
        assert all(
            torch.linalg.vector_norm(b) <= bias_bound * (1 + 1e-12)
            for b in layer.network.bounded_weights()[1]
        )
        assert len(layer.network.matrices) == 2
    assert build_model("residual_flow", Shapes(2, 1)).displacement == math.inf


@pytest.mark.parametrize("lipschitz", [0.5, 0.8, 0.97])
def test_the_series_errs_within_its_bound(lipschitz):
    shapes = Shapes(4, 0)
    block = with_large_weights(shapes, lipschitz=lipschitz).layers[0]
    transform, x = block(), 0.2 * batch(shapes, 40)[0]
    slope = transform._linearise(x)[1]
    exact = torch.linalg.slogdet(torch.eye(4, dtype=x.dtype) + slope.matrix())[1]
    before = math.inf
    for terms in (1, 5, 10, 20):
        estimate = power_series(slope.product, basis_probes(40, 4, x), [1.0] * terms)
        worst, bound = (estimate - exact).abs().max(), truncation_bound(lipschitz, terms, 4)
        assert worst < bound < before
        before = bound
    if lipschitz < 0.9:
        assert worst < 1e-2


@pytest.mark.parametrize(
    ("lipschitz", "terms", "bound"),
    [(0.5, 1, 0.77), (0.5, 5, 0.018), (0.8, 10, 0.12), (0.9, 20, 0.16), (0.97, 5, 5.5)],
)
def test_the_bound_of_the_series_in_numbers(lipschitz, terms, bound):
    assert truncation_bound(lipschitz, terms, 4) == pytest.approx(bound, rel=0.05)


@pytest.mark.parametrize("shapes", [Shapes(3, 0), Shapes(3, 2)], ids=str)
def test_the_exact_log_det_has_the_gradient_of_autograds(shapes):
    model, (x, y) = build_model("residual_flow", shapes, activation="tanh"), batch(shapes, 4)
    for block in model.layers:
        parameters = list(block.parameters())
        mine = torch.autograd.grad(block(y).call_and_ladj(x)[1].sum(), parameters, allow_unused=True)
        reference = torch.autograd.grad(exact_log_det(block, x, y).sum(), parameters, allow_unused=True)
        for one, other in zip(mine, reference, strict=True):
            assert (one is None or not one.abs().max() > 0) == (other is None or not other.abs().max() > 0)
            if other is not None:
                assert torch.allclose(one, other, atol=1e-10)
        assert sum(float(g.abs().max()) for g in mine if g is not None) > 1e-3


@pytest.mark.parametrize("probes", [1, 4])
def test_the_unbiased_log_det_and_its_gradient_have_the_right_mean(probes):
    """Over many draws, to within five standard errors; the truncated series of one term does not pass."""
    shapes = Shapes(3, 0)
    model = build_model("residual_flow", shapes, log_det="unbiased", terms=1, probes=probes, lipschitz=0.7)
    block, x = model.layers[0], batch(shapes, 1)[0]
    weight = block.network.matrices[0]
    exact = exact_log_det(block, x, None)[0]
    reference = torch.cat((exact[None], torch.autograd.grad(exact, weight)[0].reshape(-1))).detach()
    estimates = []
    for _ in range(600):
        estimate = block().call_and_ladj(x.expand(8, -1))[1].mean()
        gradient = torch.autograd.grad(estimate, weight)[0]
        estimates.append(torch.cat((estimate.detach()[None], gradient.reshape(-1))))
    estimates = torch.stack(estimates)
    error = estimates.std(0) / math.sqrt(len(estimates))
    assert ((estimates.mean(0) - reference).abs() < 5 * error + 1e-9).all()
    one_term = power_series(block()._linearise(x)[1].product, basis_probes(1, 3, x), [1.0])[0]
    assert (one_term - exact).abs() > 5 * error[0]


def test_roulette_weights_make_every_term_count_once():
    generator = torch.Generator().manual_seed(0)
    draws = [roulette_weights(2, 0.6, generator) for _ in range(4000)]
    assert all(w[:2] == [1.0, 1.0] for w in draws)
    for term in (2, 3, 5):
        mean = sum(w[term] if len(w) > term else 0.0 for w in draws) / len(draws)
        assert mean == pytest.approx(1.0, abs=0.25)


def test_evaluation_is_exact_whatever_training_sees():
    shapes = Shapes(3, 0)
    estimator = build_model("residual_flow", shapes, log_det="unbiased")
    exact = build_model("residual_flow", shapes, log_det="exact")
    exact.load_state_dict(estimator.state_dict())
    x = batch(shapes)[0]
    assert not torch.equal(estimator.log_prob(x, None), estimator.log_prob(x, None))
    assert torch.equal(estimator.eval().log_prob(x, None), exact.eval().log_prob(x, None))


def test_draws_of_an_estimate_continue_after_loading():
    shapes = Shapes(3, 0)
    model, other = (build_model("residual_flow", shapes, log_det="unbiased", seed=s) for s in (0, 5))
    x = batch(shapes)[0]
    model.log_prob(x, None)
    before = torch.get_rng_state()
    other.load_state_dict(model.state_dict())
    assert torch.equal(model.log_prob(x, None), other.log_prob(x, None))
    assert torch.equal(before, torch.get_rng_state())


def test_automatic_is_exact_up_to_four_components():
    for features, exact in ((4, True), (5, False)):
        model = ARCHITECTURES.make("residual_flow", transforms=2, width=8).build(Shapes(features, 0))
        assert all(layer.exact is exact for layer in model.layers)
        assert all(layer.exact for layer in model.eval().layers)


@pytest.mark.parametrize("tolerance", [1e-3, 1e-9])
@pytest.mark.parametrize("lipschitz", [0.5, 0.95])
def test_the_fixed_point_meets_its_tolerance_in_the_iterations_it_reports(lipschitz, tolerance):
    shapes = Shapes(3, 0)
    model = with_large_weights(shapes, lipschitz=lipschitz, tolerance=tolerance)
    x = batch(shapes)[0]
    z = model.latent(x, None)[0]
    assert (model.inverse(z, None)[0] - x).abs().max() < max(1e-9, 100 * tolerance**2 / (1 - lipschitz) ** 2)
    assert len(model.iterations) == 3
    for layer, iterations in zip(model.layers, model.iterations, strict=True):
        assert isinstance(layer, Residual) and 1 < iterations <= layer.most_iterations
    contraction = lipschitz ** model.layers[0].most_iterations / (1 - lipschitz)
    assert contraction <= tolerance


def test_the_inverse_has_the_gradient_of_the_implicit_function():
    shapes = Shapes(3, 2)
    model, (z, y) = build_model("residual_flow", shapes, activation="tanh"), batch(shapes, 3)
    block = model.layers[0]
    z.requires_grad_()
    y.requires_grad_()
    x = block(y).inv(z)
    weight = block.network.matrices[1]
    direction = torch.randn_like(x)
    gradients = torch.autograd.grad((x * direction).sum(), (z, y, weight))
    # x + g(x, y; w) = z: multiply the direction by the inverse of I + J from the left, then differentiate g
    at = x.detach()
    system = jacobians_each(block, at, y.detach())
    adjoint = torch.linalg.solve(system.mT, direction[..., None])[..., 0]
    step = block(y)(at) - at
    implicit = torch.autograd.grad(-(step * adjoint).sum(), (y, weight))
    for one, other in zip(gradients, (adjoint, *implicit), strict=True):
        assert torch.allclose(one, other, atol=1e-7)


def jacobians_each(block, x, y):
    return torch.stack(
        [jacobians(lambda p, n=n: block(y[n : n + 1])(p), x[n : n + 1])[0] for n in range(len(x))]
    )
