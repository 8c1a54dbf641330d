"""Affine layers with their own backward pass against zuko's layers and automatic differentiation."""

from __future__ import annotations

import copy

import pytest
import torch

from workbench.architectures import ARCHITECTURES
from workbench.bijections.affine_layer import affine_layer, evaluate
from workbench.bijections.layer_inverse import forward_and_log_det
from workbench.core.shapes import Shapes

KEYS = ("realnvp", "maf")


def model(key, features=5, context=2, **settings):
    torch.manual_seed(0)
    member = ARCHITECTURES.make(key, transforms=3, width=16, **settings)
    return member.build(Shapes(features, context)).double()


def batch(features=5, context=2, n=7):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(n, features, generator=generator, dtype=torch.float64)
    y = torch.randn(n, context, generator=generator, dtype=torch.float64) if context else None
    return 2 * x, y


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("context", [0, 2])
@pytest.mark.parametrize("activation", ["relu", "tanh", "silu", "elu"])
def test_values_and_gradients_equal_zukos(key, context, activation):
    network = model(key, context=context, activation=activation)
    x, y = batch(context=context)
    inputs = [x.requires_grad_(True), *([y.requires_grad_(True)] if context else [])]
    for layer in network.layers:
        plan = affine_layer(layer)
        assert plan is not None
        tensors = [*inputs, *layer.parameters()]
        results = []
        for v, log_det in (evaluate(plan, x, y), forward_and_log_det(layer(y), x)):
            value = (v.sin().sum(1) * log_det.exp()).sum()
            results.append((v, log_det, torch.autograd.grad(value, tensors)))
        for ours, theirs in zip(results[0][:2], results[1][:2], strict=True):
            assert torch.allclose(ours, theirs, rtol=1e-13, atol=1e-13)
        for ours, theirs in zip(results[0][2], results[1][2], strict=True):
            assert torch.allclose(ours, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("key", KEYS)
def test_first_and_second_derivatives_pass_gradcheck(key):
    network = model(key, features=3, activation="tanh")
    x, y = batch(features=3, n=3)
    plan = affine_layer(network.layers[1])
    inputs = (x.requires_grad_(True), y.requires_grad_(True))
    assert torch.autograd.gradcheck(lambda a, b: evaluate(plan, a, b), inputs)
    assert torch.autograd.gradgradcheck(lambda a, b: evaluate(plan, a, b), inputs)


@pytest.mark.parametrize("key", KEYS)
def test_gradients_of_a_few_weights_alone(key):
    network = model(key)
    x, y = batch()
    whole = torch.autograd.grad(network.log_prob(x, y).sum(), list(network.parameters()))
    place = 3
    for number, parameter in enumerate(network.parameters()):
        parameter.requires_grad_(number == place)
    network.log_prob(x, y).sum().backward()
    gradients = [p.grad for p in network.parameters()]
    assert torch.allclose(gradients[place], whole[place]) and gradients.count(None) == len(gradients) - 1


@pytest.mark.parametrize("key", KEYS)
def test_copies_vmap_and_compiled_graphs_give_the_same_numbers(key):
    network = model(key)
    x, y = batch()
    reference = network.log_prob(x, y).detach()
    other = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(0.5)
    assert torch.equal(other.log_prob(x, y).detach(), reference)  # a copy has weights of its own
    assert not torch.equal(network.log_prob(x, y).detach(), reference)
    states = [dict(m.named_parameters()) for m in (network, other)]
    stack = {name: torch.stack([s[name].detach() for s in states]) for name in states[0]}

    def log_prob(parameters):
        names = {f"module.{name}": value for name, value in parameters.items()}
        with torch.no_grad():
            return torch.func.functional_call(_LogProb(network), names, (x, y))

    members = torch.func.vmap(log_prob)(stack)
    assert torch.allclose(members[1], reference, rtol=1e-12, atol=1e-12)
    assert torch.allclose(members[0], network.log_prob(x, y).detach(), rtol=1e-12, atol=1e-12)
    graph = torch.compile(_LogProb(other), fullgraph=True, backend="eager")
    assert torch.allclose(graph(x, y), reference, rtol=1e-12, atol=1e-12)


class _LogProb(torch.nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x, y):
        return self.module.log_prob(x, y)


def test_layers_of_other_kinds_are_left_to_zuko():
    for key in ("neural_spline_coupling", "neural_spline_autoregressive", "nice"):
        assert not any(affine_layer(layer) for layer in model(key).layers)


@pytest.mark.parametrize("key", [*KEYS, "neural_spline_coupling"])
def test_a_training_step_has_no_operation_that_waits_for_the_device(key):
    from torch.utils._python_dispatch import TorchDispatchMode

    names = []

    class Record(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, arguments=(), options=None):
            names.append(str(function))
            return function(*arguments, **(options or {}))

    network, (x, y) = model(key), batch()
    with Record():
        (-network.log_prob(x, y).mean()).backward()
    assert not [
        n
        for n in names
        if any(w in n for w in ("nonzero", "_local_scalar_dense", "argsort", "masked_select"))
    ]
    assert len(names) < {"realnvp": 200, "maf": 200, "neural_spline_coupling": 800}[key]
