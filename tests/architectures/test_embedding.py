"""Embeddings of y: the equations of each kind, and the properties of the network that reads it."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn

from tests.architectures.properties import (
    batch,
    build_model,
    directions,
    log_det_error,
    round_trip_error,
    unreached,
)
from tests.architectures.test_export_formats import Call
from workbench.architectures import ARCHITECTURES
from workbench.core.errors import IncompatibleError
from workbench.core.model import standard_normal_log_density
from workbench.core.shapes import Shapes
from workbench.nn.embedding import (
    Convolution1d,
    DeepSet,
    GatedNetwork,
    PhaseFree,
    embedding_network,
)
from workbench.problems import PROBLEMS

NETWORK = {"hidden_features": [8, 6], "activation": nn.SiLU}
EMBEDDED = [
    key for key in ARCHITECTURES.keys() if "embedding" in {s.name for s in ARCHITECTURES[key].settings()}
]


@pytest.mark.parametrize("kind", ["mlp", "convolution_1d", "deep_set", "phase_free"])
def test_the_conditional_inn_is_a_bijection_with_an_embedding(kind):
    shapes = Shapes(3, 4)
    model, (x, y) = (
        build_model("conditional_inn", shapes, embedding=kind, embedding_channels=2),
        batch(shapes, 6),
    )
    there, back, _ = directions(model, y)
    assert max(round_trip_error(there, back, x), round_trip_error(back, there, x)) < 1e-9
    one, other, _ = directions(model, y[:1])
    assert max(log_det_error(one, x), log_det_error(other, x)) < 1e-9
    z, log_det = there(x)
    assert unreached(model, (standard_normal_log_density(z) + log_det).sum()) == []


@pytest.mark.parametrize("kind", ["mlp", "convolution_1d", "deep_set"])
def test_only_the_deep_set_is_invariant_to_the_order_of_y(kind):
    torch.manual_seed(0)
    embedding = embedding_network(kind, 6, channels=2, features=3, network=NETWORK).double()
    y = torch.randn(5, 6, dtype=torch.float64)
    assert embedding(y).shape == (5, 3)
    elements = y[:, [2, 3, 4, 5, 0, 1]]
    within = y[:, [1, 0, 2, 3, 4, 5]]
    assert torch.allclose(embedding(y), embedding(elements), atol=1e-12) is (kind == "deep_set")
    assert not torch.allclose(embedding(y), embedding(within), atol=1e-6)


def test_the_set_is_its_equation():
    torch.manual_seed(0)
    embedding, y = DeepSet(2, 3, NETWORK).double(), torch.randn(4, 6, dtype=torch.float64)
    elements = torch.stack([embedding.element(y[:, i : i + 2]) for i in (0, 2, 4)])
    assert torch.allclose(embedding(y), embedding.whole(elements.mean(0)), atol=1e-12)


def test_the_convolution_is_its_sum_over_neighbours():
    torch.manual_seed(0)
    embedding = Convolution1d(4, 2, 3, {"hidden_features": [5], "activation": nn.Tanh}).double()
    y = torch.randn(2, 8, dtype=torch.float64)
    weight, bias = embedding.layers[0].weight, embedding.layers[0].bias  # (5, 2, 3)
    series = nn.functional.pad(y.reshape(2, 4, 2), (0, 0, 1, 1))
    sums = [sum(series[:, t + k] @ weight[:, :, k].mT for k in range(3)) + bias for t in range(4)]
    units = torch.tanh(torch.stack(sums, -1)).reshape(2, -1)
    assert torch.allclose(embedding(y), embedding.last(units), atol=1e-12)


@pytest.mark.parametrize("length", [1, 7, 9, 100])
def test_a_series_of_any_length_is_read_to_its_end(length):
    torch.manual_seed(0)
    embedding = Convolution1d(length, 1, 2, NETWORK).double()
    y = torch.randn(1, length, dtype=torch.float64)
    slopes = torch.autograd.functional.jacobian(embedding, y)
    assert (slopes.abs().amax((0, 1, 2)) > 0).all()
    assert embedding.last.in_features <= 6 * max(8, -(-length // 4))


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


def vectors(rows: int, length: int, channels: int, seed: int = 0) -> torch.Tensor:
    """Correlated complex vectors of random phases (rows, length, channels)."""
    generator = torch.Generator().manual_seed(seed)
    parts = torch.randn(rows, length, channels, 2, generator=generator, dtype=torch.float64)
    mixing = torch.randn(length, channels, channels, 2, generator=generator, dtype=torch.float64)
    return torch.einsum("nlj,ljk->nlk", torch.view_as_complex(parts), torch.view_as_complex(mixing))


def numbers(y: torch.Tensor) -> torch.Tensor:
    return torch.view_as_real(y).flatten(1)


def test_products_of_coefficients_are_their_equation_and_invariant_to_the_phase():
    torch.manual_seed(0)
    embedding, y = PhaseFree(2, 3, 3, NETWORK).double(), vectors(50, 2, 3)
    embedding.prepare(numbers(y))
    c = torch.einsum("nlk,lkr->nlr", y, torch.complex(*embedding.reading))
    outer = c[..., :, None] * c[..., None, :].conj()
    assert torch.allclose(embedding.products(numbers(y)), (outer.real + outer.imag).flatten(1), atol=1e-12)
    rotation = y * torch.exp(torch.tensor([[0.3j, -2.0j]], dtype=torch.complex128))[..., None]
    assert torch.allclose(embedding(numbers(rotation)), embedding(numbers(y)), atol=1e-10)
    other = numbers(y * torch.tensor([1j, 1.0, 1.0]))
    assert not torch.allclose(embedding(other), embedding(numbers(y)), atol=1e-4)


def test_coefficients_are_principal_components_and_products_are_standardised():
    torch.manual_seed(0)
    y = vectors(400, 2, 15)
    embedding = PhaseFree(2, 15, 3, NETWORK).double()
    embedding.prepare(numbers(y))
    w = torch.complex(*embedding.reading)
    assert torch.allclose(w.mH @ w, torch.eye(15, dtype=w.dtype).expand(2, 15, 15), atol=1e-10)
    # the strongest readings keep as much as any projection on as many directions (Eckart and Young)
    strength = torch.einsum("nlk,lkr->nlr", y, w).abs().square().sum(0)
    best = torch.linalg.svdvals(y.movedim(1, 0)).square()
    assert torch.allclose(strength.flip(-1), best, rtol=1e-10)
    standard = (embedding.products(numbers(y)) - embedding.shift) / embedding.scale
    assert standard.mean(0).abs().max() < 1e-10
    assert torch.allclose(standard.std(0, unbiased=False), torch.ones(392, dtype=torch.float64))


def test_products_of_the_strongest_coefficients_are_selected():
    torch.manual_seed(0)
    y = vectors(400, 2, 15)
    y[:, 0] = y[:, 0, :3] @ vectors(3, 1, 15, seed=2)[:, 0] + 1e-6 * y[:, 0]  # three strong directions
    embedding = PhaseFree(2, 15, 3, NETWORK).double()
    embedding.prepare(numbers(y))
    vector, row, column = embedding.kept // 225, embedding.kept % 225 // 15, embedding.kept % 15
    assert embedding.kept.unique().numel() == 392
    assert int((vector == 1).sum()) == 225 and int((vector == 0).sum()) == 392 - 225
    strongest = set(zip(row[vector == 0].tolist(), column[vector == 0].tolist(), strict=True))
    assert {(i, j) for i in (12, 13, 14) for j in (12, 13, 14)} <= strongest
    w, c = torch.complex(*embedding.reading), numbers(y)
    readings = torch.einsum("nlk,lkr->nlr", y, w)[torch.arange(400)[:, None], vector]
    first, second = (readings.gather(2, k.expand(400, -1)[..., None])[..., 0] for k in (row, column))
    product = first * second.conj()
    assert torch.allclose(embedding.products(c), product.real + product.imag, atol=1e-9)


def test_the_gated_network_is_its_equation_and_passes_gradients():
    torch.manual_seed(0)
    network = GatedNetwork(4, 3, {"hidden_features": [5, 5], "activation": nn.Tanh}).double()
    v = torch.randn(6, 4, dtype=torch.float64, requires_grad=True)

    def layer(linear, values):
        return values @ linear.weight.mT + linear.bias

    u = layer(network.first, v)
    for norm, gate, linear, block in zip(
        network.norms, network.gates, network.filters, network.blocks, strict=True
    ):
        deviation = u - u.mean(1, keepdim=True)
        unit = deviation / (deviation.square().mean(1, keepdim=True) + norm.eps).sqrt()
        u = u + layer(block, layer(gate, torch.tanh(unit)) * layer(linear, v))
    assert torch.allclose(network(v), layer(network.last, torch.tanh(u)), atol=1e-12)
    assert torch.autograd.gradcheck(network, v)


def test_the_phase_free_embedding_has_the_right_gradient():
    torch.manual_seed(0)
    embedding, y = PhaseFree(1, 2, 2, NETWORK).double(), numbers(vectors(5, 1, 2))
    embedding.prepare(y)
    assert torch.autograd.gradcheck(embedding, y.requires_grad_())


def test_a_run_prepares_the_embedding_and_standardisation_keeps_the_phase(tmp_path):
    """Through problem, standardisation, embedding and a saved file: turning a tone changes nothing."""
    import workbench as wb
    from workbench.export import load, save

    problem = PROBLEMS.make("geoacoustic", tier="swx_4", signal_to_noise=5.0)
    settings = {"embedding": "phase_free", "embedding_channels": 21, "embedding_features": 4}
    run = wb.Run(
        wb.Experiment(
            problem,
            {"key": "neural_spline_autoregressive", "settings": {"width": 8, "affine": True} | settings},
            "maximum_likelihood",
            {"samples": 300, "batch_size": 64, "fresh_noise": True},
            steps=2,
            seed=1,
        )
    )
    for _ in run:
        pass
    pairs = problem.draw(20, torch.Generator().manual_seed(3))
    y = torch.view_as_complex(pairs.y.reshape(20, 3, 21, 2).contiguous())
    rotation = numbers(y * torch.exp(torch.tensor([2.0j, -0.7j, 1.1j], dtype=torch.complex128))[:, None])
    network = run.fitted
    assert network.model.embedding.scale.std() > 0.1  # no longer ones: it was prepared
    first = network.log_prob(pairs.x, pairs.y)
    assert torch.allclose(network.log_prob(pairs.x, rotation), first, atol=1e-3)
    other = numbers(y.roll(1, -1))
    assert (network.log_prob(pairs.x, other) - first).abs().max() > 0.02
    save(run, tmp_path / "network.zip")
    assert torch.allclose(load(tmp_path / "network.zip").log_prob(pairs.x, rotation), first, atol=1e-3)


@pytest.mark.parametrize("key", EMBEDDED)
def test_complex_vectors_must_divide_y(key):
    for channels, size in ((1, 3), (2, 6)):
        spec = ARCHITECTURES.make(key, embedding="phase_free", embedding_channels=channels)
        with pytest.raises(IncompatibleError, match="complex numbers.*do not divide"):
            spec.build(Shapes(2, size))
    spec = ARCHITECTURES.make(key, embedding="phase_free", embedding_channels=2)
    assert spec.build(Shapes(2, 4)).context == 4


@pytest.mark.parametrize("call", ["log_prob", pytest.param("inverse", marks=pytest.mark.slow)])
def test_products_and_the_affine_layer_can_be_traced(call):
    torch.manual_seed(0)
    model = (
        ARCHITECTURES.make(
            "neural_spline_autoregressive",
            transforms=2,
            width=8,
            depth=1,
            affine=True,
            embedding="phase_free",
            embedding_channels=2,
        )
        .build(Shapes(2, 4))
        .eval()
    )
    x, y = torch.randn(30, 2), torch.randn(30, 4)
    model.prepare(x, y, None)
    program = torch.export.export(Call(model, call), (x, y))
    for mine, theirs in zip(Call(model, call)(x, y), program.module()(x, y), strict=True):
        assert torch.allclose(mine, theirs, atol=1e-6)


@pytest.mark.slow
def test_products_and_the_affine_layer_can_be_exported_to_onnx(tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    torch.manual_seed(0)
    model = (
        ARCHITECTURES.make(
            "neural_spline_autoregressive",
            transforms=2,
            width=8,
            depth=1,
            affine=True,
            embedding="phase_free",
            embedding_channels=2,
        )
        .build(Shapes(2, 4))
        .eval()
    )
    x, y = torch.randn(30, 2), torch.randn(30, 4)
    model.prepare(x, y, None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(Call(model, "log_prob"), (x, y), str(tmp_path / "f.onnx"), dynamo=True)
    session = runtime.InferenceSession(str(tmp_path / "f.onnx"))
    names = [v.name for v in session.get_inputs()]
    (theirs,) = session.run(None, dict(zip(names, (x.numpy(), y.numpy()), strict=True)))
    assert torch.allclose(model.log_prob(x, y), torch.from_numpy(theirs), atol=1e-4)


@pytest.mark.parametrize("key", EMBEDDED)
@pytest.mark.parametrize("kind", ["none", "mlp", "deep_set"])
def test_unused_settings_change_nothing_and_the_others_do(key, kind):
    shapes, other = Shapes(3, 4), {"embedding_features": 7, "embedding_channels": 2, "embedding_width": 9,
                                   "embedding_depth": 5}  # fmt: skip

    def sizes(**more):
        architecture = ARCHITECTURES.make(key, embedding=kind, **more)
        return architecture.unused(shapes), [p.shape for p in architecture.build(shapes).parameters()]

    without_effect, usual = sizes()
    for name, value in other.items():
        assert (sizes(**{name: value})[1] == usual) is (name in without_effect), name
    assert "embedding" not in without_effect and ARCHITECTURES.make(key).unused(Shapes(3, 0)) >= {
        "embedding",
        *other,
    }
