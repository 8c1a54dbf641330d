"""Embeddings of y: what each kind reads, and that the network behind it keeps its laws."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.architectures.laws import (
    batch,
    built,
    directions,
    log_det_error,
    round_trip_error,
    unreached,
)
from workbench.architectures import ARCHITECTURES
from workbench.bijections.embedding import Convolution1d, DeepSet, PhaseFree, embedding_network
from workbench.core.errors import IncompatibleError
from workbench.core.model import standard_normal_log_density
from workbench.core.shapes import Shapes

NETWORK = {"hidden_features": [8, 6], "activation": nn.SiLU}
EMBEDDED = [key for key in ARCHITECTURES.keys() if "embedding" in {s.name for s in
                                                                   ARCHITECTURES[key].settings()}]


@pytest.mark.parametrize("kind", ["mlp", "convolution_1d", "deep_set", "phase_free"])
def test_the_conditional_inn_keeps_its_laws_behind_an_embedding(kind):
    shapes = Shapes(3, 4)
    model, (x, y) = built("conditional_inn", shapes, embedding=kind, embedding_channels=2), batch(shapes, 6)
    there, back, _ = directions(model, y)
    assert max(round_trip_error(there, back, x), round_trip_error(back, there, x)) < 1e-9
    one, other, _ = directions(model, y[:1])
    assert max(log_det_error(one, x), log_det_error(other, x)) < 1e-9
    z, log_det = there(x)
    assert unreached(model, (standard_normal_log_density(z) + log_det).sum()) == []


@pytest.mark.parametrize("kind", ["mlp", "convolution_1d", "deep_set"])
def test_only_the_set_forgets_the_order_of_y(kind):
    torch.manual_seed(0)
    made = embedding_network(kind, 6, channels=2, features=3, network=NETWORK).double()
    y = torch.randn(5, 6, dtype=torch.float64)
    assert made(y).shape == (5, 3)
    elements = y[:, [2, 3, 4, 5, 0, 1]]
    within = y[:, [1, 0, 2, 3, 4, 5]]
    assert torch.allclose(made(y), made(elements), atol=1e-12) is (kind == "deep_set")
    assert not torch.allclose(made(y), made(within), atol=1e-6)


def test_the_set_is_its_equation():
    torch.manual_seed(0)
    made, y = DeepSet(2, 3, NETWORK).double(), torch.randn(4, 6, dtype=torch.float64)
    elements = torch.stack([made.element(y[:, i:i + 2]) for i in (0, 2, 4)])
    assert torch.allclose(made(y), made.whole(elements.mean(0)), atol=1e-12)


def test_the_convolution_is_its_sum_over_neighbours():
    torch.manual_seed(0)
    made = Convolution1d(4, 2, 3, {"hidden_features": [5], "activation": nn.Tanh}).double()
    y = torch.randn(2, 8, dtype=torch.float64)
    weight, bias = made.layers[0].weight, made.layers[0].bias   # (5, 2, 3)
    series = nn.functional.pad(y.reshape(2, 4, 2), (0, 0, 1, 1))
    sums = [sum(series[:, t + k] @ weight[:, :, k].mT for k in range(3)) + bias for t in range(4)]
    hidden = torch.tanh(torch.stack(sums, -1)).reshape(2, -1)
    assert torch.allclose(made(y), made.last(hidden), atol=1e-12)


@pytest.mark.parametrize("length", [1, 7, 9, 100])
def test_a_series_of_any_length_is_read_to_its_end(length):
    torch.manual_seed(0)
    made = Convolution1d(length, 1, 2, NETWORK).double()
    y = torch.randn(1, length, dtype=torch.float64)
    slopes = torch.autograd.functional.jacobian(made, y)
    assert (slopes.abs().amax((0, 1, 2)) > 0).all()
    assert made.last.in_features <= 6 * max(8, -(-length // 4))


@pytest.mark.parametrize("key", EMBEDDED)
def test_groups_that_do_not_divide_y_are_refused(key):
    spec = ARCHITECTURES.make(key, embedding="deep_set", embedding_channels=2)
    with pytest.raises(IncompatibleError, match="do not divide its 3.*choose"):
        spec.build(Shapes(2, 3))
    assert spec.build(Shapes(2, 4)).context == 4
    assert ARCHITECTURES.make(key, embedding="mlp", embedding_channels=2).refusals(Shapes(2, 3)) == []
    with pytest.raises(ValueError, match="cannot be read as elements of 2"):
        embedding_network("deep_set", 3, channels=2, features=2, network=NETWORK)


def test_without_a_context_there_is_nothing_to_embed():
    assert embedding_network("mlp", 0, channels=1, features=2, network=NETWORK) is None
    assert embedding_network("none", 3, channels=1, features=2, network=NETWORK) is None
    assert len(EMBEDDED) >= 1


def test_products_of_complex_readings_are_their_equation_and_do_not_know_a_phase():
    torch.manual_seed(0)
    made = PhaseFree(2, 3, 3, NETWORK).double()
    y = torch.randn(5, 12, dtype=torch.float64)
    vectors = torch.view_as_complex(y.reshape(5, 2, 3, 2))
    c = torch.einsum("nlk,lkr->nlr", vectors, torch.complex(*made.reading))
    outer = c[..., :, None] * c[..., None, :].conj()
    assert torch.allclose(made.products(y), (outer.real + outer.imag).flatten(1), atol=1e-12)
    turned = vectors * torch.exp(torch.tensor([[0.3j, -2.0j]], dtype=torch.complex128))[..., None]
    assert torch.allclose(made(torch.view_as_real(turned).flatten(1)), made(y), atol=1e-10)
    other = torch.view_as_real(vectors * torch.tensor([1j, 1.0, 1.0])).flatten(1)
    assert not torch.allclose(made(other), made(y), atol=1e-4)


@pytest.mark.parametrize("key", EMBEDDED)
def test_complex_vectors_must_divide_y(key):
    for channels, size in ((1, 3), (2, 6)):
        spec = ARCHITECTURES.make(key, embedding="phase_free", embedding_channels=channels)
        with pytest.raises(IncompatibleError, match="complex numbers.*do not divide"):
            spec.build(Shapes(2, size))
    spec = ARCHITECTURES.make(key, embedding="phase_free", embedding_channels=2)
    assert spec.build(Shapes(2, 4)).context == 4
