"""Splines with an analytic backward pass against zuko's transform and automatic differentiation."""

from __future__ import annotations

import pytest
import torch
from zuko.transforms import MonotonicRQSTransform

from workbench.architectures import ARCHITECTURES
from workbench.bijections.layer_inverse import forward_and_log_det
from workbench.bijections.spline_layer import SplineLayer, evaluate_splines, spline_layer, splines
from workbench.core.shapes import Shapes

BINS, BOUND, SLOPE = 5, 5.0, 1e-2
PLAN = SplineLayer(BINS, BOUND, 2.302585092994046)
KEYS = ("neural_spline_coupling", "neural_spline_autoregressive")


def material(n=60, dtype=torch.float64, spread=4.0):
    generator = torch.Generator().manual_seed(0)
    x = 3 * torch.randn(n, 3, generator=generator, dtype=torch.float64)
    x[0, 0], x[1, 1], x[2, 2], x[3, 0] = 7.0, -9.0, 4.999, -4.999  # outside, and next to the ends
    parameters = spread * torch.randn(n, 3, 3 * BINS - 1, generator=generator, dtype=torch.float64)
    return x.to(dtype).requires_grad_(True), parameters.to(dtype).requires_grad_(True)


def zukos(x, parameters):
    parts = parameters.split((BINS, BINS, BINS - 1), -1)
    return MonotonicRQSTransform(*parts, bound=BOUND, slope=SLOPE).call_and_ladj(x)


@pytest.mark.parametrize("spread", [0.0, 1.0, 4.0, 100.0])
def test_values_and_gradients_equal_zukos(spread):
    x, parameters = material(spread=spread)
    results = []
    for value, log_slope in (splines(PLAN, x, parameters), zukos(x, parameters)):
        total = (value.sin() * log_slope.exp() + value.square()).sum()
        results.append((value, log_slope, *torch.autograd.grad(total, (x, parameters))))
    for ours, theirs in zip(*results, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-8, atol=1e-9)


def test_single_precision_is_as_good_as_zukos():
    exact = zukos(*material())
    x, parameters = material(dtype=torch.float32)
    errors = [
        [(a - b).abs().max() for a, b in zip(values, exact, strict=True)]
        for values in (splines(PLAN, x, parameters), zukos(x, parameters))
    ]
    assert errors[0][0] <= max(1.5 * errors[1][0], 1e-5) and errors[0][1] <= max(1.5 * errors[1][1], 1e-4)


def test_first_and_second_derivatives_pass_gradcheck():
    x, parameters = material(n=5, spread=1.0)
    assert torch.autograd.gradcheck(lambda a, b: splines(PLAN, a, b), (x, parameters))
    assert torch.autograd.gradgradcheck(lambda a, b: splines(PLAN, a, b), (x, parameters))


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("context", [0, 2])
def test_layers_equal_zukos(key, context):
    torch.manual_seed(0)
    network = ARCHITECTURES.make(key, transforms=2, width=16).build(Shapes(4, context)).double()
    x = 2 * torch.randn(9, 4, dtype=torch.float64)
    y = torch.randn(9, context, dtype=torch.float64) if context else None
    x.requires_grad_(True)
    for layer in network.layers:
        plan = spline_layer(layer)
        assert plan is not None
        results = []
        for v, log_det in (evaluate_splines(layer, plan, x, y), forward_and_log_det(layer(y), x)):
            tensors = [x, *layer.parameters()]
            results.append((v, log_det, *torch.autograd.grad(v.sin().sum() + log_det.sum(), tensors)))
        for ours, theirs in zip(*results, strict=True):
            assert torch.allclose(ours, theirs, rtol=1e-9, atol=1e-10)


def test_vmap_and_fullgraph_give_the_same_numbers():
    torch.manual_seed(0)
    network = (
        ARCHITECTURES.make("neural_spline_coupling", transforms=2, width=16).build(Shapes(4, 0)).double()
    )
    x = torch.randn(9, 4, dtype=torch.float64)
    reference = network.log_prob(x, None).detach()
    graph = torch.compile(lambda u: network.log_prob(u, None), fullgraph=True, backend="eager")
    assert torch.allclose(graph(x), reference, rtol=1e-12, atol=1e-12)
    with torch.no_grad():
        rows = torch.func.vmap(lambda u: network.log_prob(u, None))(torch.stack([x, -x]))
        assert torch.allclose(rows[1], network.log_prob(-x, None), rtol=1e-12, atol=1e-12)
    slope = torch.func.jacrev(lambda u: network.log_prob(u, None).sum())(x)
    x.requires_grad_(True)
    assert torch.allclose(slope, torch.autograd.grad(network.log_prob(x, None).sum(), x)[0])


def test_layers_of_other_kinds_are_left_to_zuko():
    for key in ("realnvp", "maf", "nice", "neural_circular_spline"):
        network = ARCHITECTURES.make(key, transforms=2).build(Shapes(4, 0))
        assert not any(spline_layer(layer) for layer in network.layers)
