"""Properties of single members: NICE keeps volume, MAF is triangular, splines end at their bound."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from zuko.transforms import MonotonicRQSTransform

from tests.architectures.properties import batch, build_model, directions, log_det_error, round_trip_error
from workbench.architectures.splines import LEAST_SLOPE
from workbench.bijections.layer_inverse import inverse_and_log_det
from workbench.core.shapes import Shapes


def layer_jacobian(layer, y, point):
    return torch.autograd.functional.jacobian(lambda p: layer(y)(p[None])[0], point)


@pytest.mark.parametrize("mixing", ["none", "permutation", "rotation"])
def test_nice_preserves_volume_before_its_scale(mixing):
    shapes = Shapes(4, 2)
    model, (x, y) = build_model("nice", shapes, mixing=mixing), batch(shapes, 3)
    scale = model.layers[-1]
    assert torch.allclose(model.latent(x, y)[1], scale.log_scale.sum().expand(3))
    del model.layers[-1]
    there, _, _ = directions(model, y)
    assert torch.allclose(model.latent(x, y)[1], torch.zeros(3, dtype=x.dtype), atol=1e-12)
    assert log_det_error(there, x) < 1e-10  # autograd agrees that the volume stays


def test_realnvp_does_not_preserve_volume():
    shapes = Shapes(4, 2)
    assert build_model("realnvp", shapes).latent(*batch(shapes, 3))[1].abs().min() > 1e-3


@pytest.mark.parametrize("order", ["reversed", "random"])
def test_maf_is_triangular_in_the_order_of_each_layer(order):
    shapes = Shapes(4, 2)
    model, (x, y) = build_model("maf", shapes, order=order), batch(shapes, 1)
    orders = []
    for layer in model.layers:
        jacobian = layer_jacobian(layer, y, x[0])
        sequence = layer.order.argsort()
        sorted_jacobian = jacobian[sequence][:, sequence]
        assert sorted_jacobian.triu(diagonal=1).abs().max() == 0
        assert (sorted_jacobian.diagonal() > 0).all()
        assert sorted_jacobian.tril(diagonal=-1).abs().max() > 0
        orders.append(tuple(layer.order.tolist()))
    assert len(set(orders)) > 1


@pytest.mark.parametrize("key", ["nice", "realnvp", "neural_spline_coupling"])
def test_couplings_keep_one_half_and_alternate(key):
    shapes = Shapes(4, 2)
    model, (x, y) = build_model(key, shapes), batch(shapes, 1)
    first, second = ((layer(y)(x) == x)[0] for layer in model.layers[:2])
    assert first.tolist() == [True, False, True, False]
    assert second.tolist() == [False, True, False, True]


@pytest.mark.parametrize("bound", [5.0, 2.0])
def test_splines_are_the_identity_outside_their_bound(bound):
    shapes = Shapes(2, 0)
    model = build_model("neural_spline_coupling", shapes, bound=bound)
    outside = bound * torch.tensor([[1.01, -1.5], [-4.0, 30.0], [2.0, 2.0]], dtype=torch.float64)
    for z, log_det in (model.latent(outside, None), model.inverse(outside, None)):
        assert torch.equal(z, outside)
        assert torch.equal(log_det, torch.zeros(3, dtype=torch.float64))
    inside = 0.5 * bound * torch.ones(3, 2, dtype=torch.float64)
    assert (model.latent(inside, None)[0] - inside).abs().max() > 1e-3


@pytest.mark.parametrize(("slope", "holds"), [(LEAST_SLOPE, True), (1e-3, False)])
def test_steep_splines_invert_in_single_precision(slope, holds):
    """Why the slopes are limited: with zuko's own limit the same splines cannot be inverted."""
    torch.manual_seed(0)
    parameters = [10 * torch.randn(20_000, size) for size in (8, 8, 7)]
    spline = MonotonicRQSTransform(*parameters, bound=5.0, slope=slope)
    x = 10 * torch.rand(20_000) - 5
    error = (spline.inv(spline(x)) - x).abs().nan_to_num(torch.inf).max()
    assert bool(error < 0.2) is holds


def test_splines_keep_their_bound():
    model = build_model("neural_spline_coupling", Shapes(2, 0))
    x = 5 * (2 * torch.rand(500, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1)
    assert model.latent(x, None)[0].abs().max() <= 5


@pytest.mark.parametrize("key", ["realnvp", "maf"])
def test_a_layer_stretches_by_its_clamp_at_most(key):
    shapes, clamp = Shapes(2, 0), 0.5
    model, (x, y) = build_model(key, shapes, clamp=clamp), batch(shapes)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(50.0)
    largest = [layer(y).call_and_ladj(x)[1].abs().max() for layer in model.layers]
    assert 0.4 < max(largest) <= shapes.x * clamp


@pytest.mark.parametrize("mixing", ["none", "permutation", "rotation", "linear"])
@pytest.mark.parametrize("key", ["realnvp", "neural_spline_coupling"])
def test_every_mixing_is_a_bijection_with_correct_log_dets(key, mixing):
    shapes = Shapes(4, 2)
    model, (x, y) = build_model(key, shapes, mixing=mixing, transforms=3), batch(shapes, 4)
    there, back, _ = directions(model, y)
    assert len(model.layers) == (3 if mixing == "none" else 5)
    assert round_trip_error(there, back, x) < 1e-9
    assert log_det_error(there, x) < 1e-9
    assert log_det_error(back, x) < 1e-9


@pytest.mark.parametrize("key", ["nice", "realnvp", "neural_spline_coupling", "maf"])
def test_the_cheap_inverse_agrees_with_zukos(key):
    shapes = Shapes(3, 2)
    model, (x, y) = build_model(key, shapes), batch(shapes)
    for layer in model.layers:
        u, log_det = inverse_and_log_det(layer(y), x)
        same, reference = layer(y).inv.call_and_ladj(x)
        assert torch.allclose(u, same, atol=1e-12)
        assert torch.allclose(log_det, reference if reference.dim() == 1 else reference.sum(-1), atol=1e-10)


def test_maf_of_one_component_is_affine():
    model = build_model("maf", Shapes(1, 0))
    x = torch.linspace(-3, 3, 7, dtype=torch.float64)[:, None]
    z = model.latent(x, None)[0][:, 0]
    assert torch.allclose(z.diff(n=2), torch.zeros(5, dtype=torch.float64), atol=1e-12)


def test_zuko_switches_off_the_argument_checks_of_torch():
    """A fact to live with: inputs must be validated here, also the priors that users make with torch."""
    code = (
        "import torch; before = torch.distributions.Distribution._validate_args\n"
        "import zuko; after = torch.distributions.Distribution._validate_args\n"
        "torch.distributions.Normal(0.0, -1.0); print(before, after)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert result.stdout.split() == ["True", "False"]
