"""Blocks of our own: actnorm, the LU map, roots, linear tails, Gaussianization, the circle, the field."""

from __future__ import annotations

import copy

import pytest
import torch
from zuko.flows.neural import MNN

import workbench as wb
from tests.architectures.properties import batch, build_model, directions, log_det_error, round_trip_error
from workbench.architectures import ARCHITECTURES
from workbench.architectures.couplings import SEARCHED_FORMATS
from workbench.architectures.neural_autoregressive import standardise
from workbench.bijections.actnorm import ActNorm
from workbench.bijections.gaussianization import GaussianizationTransform
from workbench.bijections.linear_tails import LinearTailsTransform
from workbench.bijections.lu_linear import LULinear
from workbench.core.shapes import Shapes
from workbench.nn.normal_quantile import log_quantile
from workbench.nn.root import search
from workbench.nn.triangular import solve_triangular

SKEW = torch.tensor([[3.0, -0.5, 20.0]], dtype=torch.float64)


def skewed(rows=200, seed=0):
    normal = torch.randn(rows, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return SKEW + normal * torch.tensor([5.0, 0.01, 2.0], dtype=torch.float64)


# ---- actnorm
@pytest.mark.parametrize("backwards", [False, True])
def test_the_first_batch_leaves_with_mean_zero_and_variance_one(backwards):
    layer = ActNorm(3).double()
    transform = layer().inv if backwards else layer()
    image = transform(skewed())
    assert torch.allclose(image.mean(0), torch.zeros(3, dtype=torch.float64), atol=1e-10)
    assert torch.allclose(image.var(0, correction=0), torch.ones(3, dtype=torch.float64), atol=1e-10)


def test_only_the_first_training_batch_counts():
    layer = ActNorm(3).double()
    layer.eval()
    assert torch.equal(layer()(skewed()), skewed()) and not layer.started
    layer.train()
    layer()(skewed(1))
    assert not layer.started  # one row has no spread
    layer()(skewed() * torch.nan)
    assert not layer.started
    layer()(skewed())
    state = copy.deepcopy(layer.state_dict())
    assert bool(state["started"])
    layer()(skewed(seed=1) * 7)
    assert all(torch.equal(value, state[name]) for name, value in layer.state_dict().items())
    other = ActNorm(3).double()
    other.load_state_dict(state)
    other()(skewed(seed=2) * 7)
    assert all(torch.equal(value, state[name]) for name, value in other.state_dict().items())


def test_a_column_that_does_not_vary_keeps_its_scale():
    layer = ActNorm(2).double()
    image = layer()(torch.tensor([[5.0, 1.0], [5.0, 3.0]], dtype=torch.float64))
    assert torch.equal(image, torch.tensor([[0.0, -1.0], [0.0, 1.0]], dtype=torch.float64))


def test_every_actnorm_of_glow_starts_with_the_first_batch():
    shapes = Shapes(3, 2)
    torch.manual_seed(0)
    model = ARCHITECTURES.make("glow", transforms=3, width=8).build(shapes).double()
    u, y = skewed(32), batch(shapes)[1]
    for layer in model.layers:
        u = layer(y)(u)
        if isinstance(layer, ActNorm):
            assert torch.allclose(u.mean(0), torch.zeros(3, dtype=u.dtype), atol=1e-10)
            assert torch.allclose(u.var(0, correction=0), torch.ones(3, dtype=u.dtype), atol=1e-10)


@pytest.mark.parametrize(("key", "settings"), [("glow", {}), ("residual_flow", {"log_det": "unbiased"})])
@pytest.mark.parametrize("stop_at", [0, 3])
def test_a_run_that_is_resumed_goes_on_bit_for_bit(key, settings, stop_at, tmp_path):
    experiment = wb.Experiment(
        "two_moons",
        {"key": key, "settings": {"transforms": 2, "width": 8, "depth": 1} | settings},
        training={"samples": 128, "batch_size": 32, "validate_every": 2},
        steps=6,
    )
    straight, interruption = wb.Run(experiment), wb.Run(experiment, folder=tmp_path / "run")
    list(straight)
    for _ in range(stop_at):
        interruption.step()
    interruption.save()
    continuation = wb.Run.resume(tmp_path / "run")
    list(continuation)
    mine, theirs = continuation.model.state_dict(), straight.model.state_dict()
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)
    assert [r.parts for r in continuation.history] == [r.parts for r in straight.history]


# ---- LU
@pytest.mark.parametrize("features", [2, 5])
def test_the_linear_map_starts_as_a_rotation_and_stays_invertible(features):
    torch.manual_seed(0)
    layer, identity = LULinear(features).double(), torch.eye(features, dtype=torch.float64)
    matrix = layer()(identity).mT
    assert torch.allclose(matrix @ matrix.mT, identity, atol=1e-6)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(3 * torch.randn_like(parameter))
    matrix, log_det = layer().call_and_ladj(identity)
    assert torch.allclose(torch.linalg.slogdet(matrix)[1], log_det[0], atol=1e-6)
    assert round_trip_error(layer().call_and_ladj, layer().inv.call_and_ladj, identity) < 1e-6


@pytest.mark.parametrize("upper", [False, True])
def test_the_substitution_that_is_exported_is_that_of_the_solver(upper, monkeypatch):
    torch.manual_seed(0)
    matrix, rows = torch.randn(4, 4, dtype=torch.float64), torch.randn(6, 4, dtype=torch.float64)
    reference = solve_triangular(matrix, rows, upper=upper)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert torch.allclose(solve_triangular(matrix, rows, upper=upper), reference, atol=1e-8)


# ---- monotone maps
def test_a_root_is_found_wherever_it_is():
    v = torch.linspace(-50, 50, 401, dtype=torch.float64)
    for function in (
        lambda u: (u**3 + 0.01 * u, (3 * u**2 + 0.01).log()),
        lambda u: (torch.sinh(3 * u), (3 * torch.cosh(3 * u)).log()),
        lambda u: (10 * torch.tanh(20 * u) + u, (200 / torch.cosh(20 * u) ** 2 + 1).log()),
    ):
        root = search(function, v, torch.full_like(v, -60.0), torch.full_like(v, 60.0))
        assert (root - v).isfinite().all()
        assert ((function(root)[0] - v).abs() < 1e-3 * (1 + function(root)[1].exp())).all()


@pytest.mark.parametrize("key", [m.key for m in ARCHITECTURES if m.formats == SEARCHED_FORMATS])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_no_latent_and_no_outlier_is_lost(key, dtype):
    """zuko's own classes clamp silently: a point at 50 comes back as 10."""
    model = build_model(key, Shapes(2, 0)).to(dtype)
    far = torch.tensor([[50.0, -50.0], [8.0, 12.0], [-30.0, 0.0]], dtype=dtype)
    there, back, _ = directions(model, None)
    bound = 1e-8 if dtype == torch.float64 else 1e-2
    assert (back(there(far)[0])[0] / far.clamp(min=1.0) - far / far.clamp(min=1.0)).abs().max() < bound * 50
    assert there(far)[1].isfinite().all()
    assert round_trip_error(back, there, far) < 50 * bound


def test_tails_are_straight_and_join_smoothly():
    torch.manual_seed(0)
    network = MNN(signal=4, stack=1, hidden_features=[8]).double()
    transform = LinearTailsTransform(network(torch.randn(1, 4, dtype=torch.float64)), 2.0)
    u = torch.tensor([[-2.0], [-1.999999], [2.0], [3.0], [4.0], [5.0]], dtype=torch.float64)
    v, log_slope = transform.call_and_ladj(u)
    assert torch.allclose(v[3:].diff(dim=0), log_slope[2].exp().expand(2, 1))
    assert torch.allclose(log_slope[0], log_slope[1], atol=1e-4)
    assert torch.allclose(transform.inv(v), u, atol=1e-9)


@pytest.mark.parametrize("width, depth", [(4, 1), (8, 1), (64, 2)])
def test_an_untrained_neural_autoregressive_flow_neither_squeezes_nor_stretches(width, depth):
    """Whatever the width: its samples have the size of standardised data (untouched, deviations of 100)."""
    torch.manual_seed(0)
    architecture = ARCHITECTURES.make("neural_autoregressive", width=width, depth=depth)
    model = architecture.build(Shapes(3, 1)).double()
    rows = torch.randn(200, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    y = rows[:, :1].flip(0)
    for there in (model.latent, model.inverse):
        deviation = there(rows, y)[0].std(0)
        assert (deviation > 0.3).all() and (deviation < 3).all()
    network = standardise(MNN(signal=4, stack=3, hidden_features=[width]).double(), 4)
    ends = torch.tensor([[-1.0], [1.0]], dtype=torch.float64).expand(2, 3)
    assert torch.allclose(network.f(ends.new_zeros(2, 3, 4), ends), ends)


def test_the_normal_quantile_from_logarithms():
    z = -torch.logspace(-6, 2, 200, dtype=torch.float64)
    log_p = torch.special.log_ndtr(z)
    assert torch.allclose(log_quantile(log_p), z, rtol=1e-6)
    assert torch.allclose(log_quantile(log_p.float()), z.float(), rtol=1e-3, atol=1e-6)


def test_gaussianization_of_one_normal_is_affine():
    shift, log_scale = torch.tensor([[0.7]], dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64)
    u = torch.linspace(-40, 40, 9, dtype=torch.float64)[:, None]
    v, log_slope = GaussianizationTransform(shift, log_scale).call_and_ladj(u)
    assert torch.allclose(v, u + 0.7, atol=1e-6) and torch.allclose(log_slope, torch.zeros_like(u), atol=1e-4)


# ---- autoregressive the other way, circle, field
def test_iaf_samples_in_one_pass_and_maf_evaluates_in_one(monkeypatch):
    shapes, passes = Shapes(4, 0), []
    for key in ("maf", "iaf"):
        model = build_model(key, shapes)
        hyper = (model.layers[0] if key == "maf" else model.layers[0].transform).hyper
        hyper.register_forward_hook(lambda *_: passes.append(1))
        x = batch(shapes)[0]
        counts = []
        for call in (model.latent, model.inverse):
            passes.clear()
            call(x, None)
            counts.append(len(passes))
        assert counts == ([1, 4] if key == "maf" else [4, 1])


def test_the_circular_flow_is_the_logistic_approximation_before_it_has_learned():
    """Laid on the circle, and opened where it was closed: two half turns are a whole one."""
    model = build_model("neural_circular_spline", Shapes(2, 0), transforms=2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    x = batch(Shapes(2, 0), 200)[0]
    distance = (model.latent(x, None)[0] - x).abs()
    assert distance[x.abs() < 2].max() < 0.3 and distance.max() < 1.0


def test_a_finer_tolerance_makes_the_continuous_flow_closer():
    shapes = Shapes(2, 1)
    errors = []
    for tolerance in (1e-3, 1e-7):
        model, (x, y) = build_model("continuous", shapes, tolerance=tolerance), batch(shapes, 1)
        there, back, _ = directions(model, y)
        errors.append((round_trip_error(there, back, x), log_det_error(there, x)))
    assert errors[1][0] < 1e-6 < errors[0][0] and errors[1][1] < 1e-5


@pytest.mark.parametrize(
    "settings",
    [{}, {"order": "random"}, {"affine": True}, {"depth": 1, "width": 5}, {"depth": 3, "activation": "tanh"}],
)
@pytest.mark.parametrize("shapes", [Shapes(4, 3), Shapes(3, 0)])
def test_draws_component_by_component_are_the_inverse(settings, shapes):
    torch.manual_seed(0)
    spec = ARCHITECTURES.make("neural_spline_autoregressive", **{"transforms": 2, "width": 12} | settings)
    model = spec.build(shapes).double()
    z = torch.randn(20, shapes.x, dtype=torch.float64, requires_grad=True)
    y = torch.randn(20, shapes.y, dtype=torch.float64) if shapes.y else None
    there, _ = model.inverse(z, y)
    assert torch.allclose(model.draw(z, y), there, atol=1e-11)
    slopes = [torch.autograd.grad(x.square().sum(), z)[0] for x in (model.draw(z, y), there)]
    assert torch.allclose(*slopes, atol=1e-9)
    if y is not None:
        common = model.inverse(z, y[:1].expand(20, -1))[0]
        assert torch.allclose(model.draw(z, y[:1]), common, atol=1e-11)


def test_the_affine_layer_moves_and_stretches_before_the_splines():
    torch.manual_seed(0)
    spec = ARCHITECTURES.make("neural_spline_autoregressive", transforms=2, width=8, affine=True)
    model = spec.build(Shapes(3, 2)).double()
    assert len(model.layers) == 3
    x, y = torch.randn(5, 3, dtype=torch.float64), torch.randn(5, 2, dtype=torch.float64)
    first = model.layers[0](y)
    u, log_det = first.call_and_ladj(x)
    # the last component comes first: it is scaled by what y says alone
    image = first(x + torch.tensor([0.0, 0.0, 0.5]))
    scale = (image - u)[:, 2] / 0.5
    assert torch.allclose(first(x + torch.tensor([0.0, 0.0, 1.0]))[:, 2], u[:, 2] + scale)
    jacobian = torch.autograd.functional.jacobian(lambda v: first(v).sum(0), x).movedim(1, 0)
    assert torch.allclose(torch.linalg.slogdet(jacobian)[1], log_det)
