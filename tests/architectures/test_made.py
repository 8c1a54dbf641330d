"""MADE: its masks are strict, its factors are a product, and its variants are averaged."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import workbench as wb
from tests.architectures.properties import batch, build_model
from workbench.architectures import ARCHITECTURES, MadeModel
from workbench.core.capability import Capability
from workbench.core.errors import DataError, DataWarning
from workbench.core.shapes import Shapes
from workbench.nn.masked_network import Categories, MaskedNetwork, NormalMixture
from workbench.objectives import OBJECTIVES
from workbench.training import refusals

DENSITY = frozenset({Capability.DENSITY})


def build_network(features=5, outputs=3, context=0, **settings):
    torch.manual_seed(0)
    return MaskedNetwork(features, outputs, context, [17, 13], nn.Tanh, **settings).double()


def jacobian(network, variant, x, c=None):
    """|∂ output d / ∂ input e| (D, D), over all parameters of d."""
    slopes = torch.autograd.functional.jacobian(lambda p: network(p[None], c, variant)[0], x)
    return slopes.abs().amax(1)


@pytest.mark.parametrize(
    "settings", [{}, {"orders": 3}, {"connectivities": 3}, {"orders": 2, "connectivities": 2}], ids=str
)
@pytest.mark.parametrize("context", [0, 2])
def test_an_output_sees_what_is_before_it_and_nothing_else(settings, context):
    network = build_network(context=context, **settings)
    c = torch.randn(1, context, dtype=torch.float64) if context else None
    assert network.variants == settings.get("orders", 1) * settings.get("connectivities", 1)
    for variant in range(network.variants):
        slopes = jacobian(network, variant, torch.randn(5, dtype=torch.float64), c)
        order = network.places[variant].argsort()
        sorted_slopes = slopes[order][:, order]
        assert sorted_slopes.triu().abs().max() == 0  # strict: not even itself
        assert (sorted_slopes.tril(-1)[1:].amax(1) > 0).all()  # and every later one sees something
        assert list(network.sequence(variant)) == order.tolist()
    if context:
        context_slopes = torch.autograd.functional.jacobian(
            lambda q: network(torch.zeros(1, 5).double(), q, 0)[0], c
        )
        assert (context_slopes.abs().amax((1, 2, 3)) > 0).all()  # the first one as well


def test_a_mask_that_is_not_strict_is_seen():
    network = build_network()
    degrees = (network.places[0] + 1).repeat_interleave(3)
    network.mask_2 |= (degrees[:, None] >= network._degrees(13, 1, random=False)[None])[None]
    assert jacobian(network, 0, torch.randn(5, dtype=torch.float64)).diagonal().max() > 0


def test_random_orders_and_connections_differ():
    network = build_network(orders=4, connectivities=2)
    assert len({tuple(p.tolist()) for p in network.places}) > 1
    assert torch.equal(network.places[0], network.places[1])
    assert not torch.equal(network.mask_1[0], network.mask_1[1])


@pytest.mark.parametrize("components", [1, 3])
def test_a_component_is_its_mixture_of_normals(components):
    distribution = NormalMixture(components)
    torch.manual_seed(0)
    parameters = torch.randn(7, distribution.outputs, dtype=torch.float64)
    x = torch.linspace(-40, 40, 200_001, dtype=torch.float64)
    for row in parameters:
        density = distribution.log_prob(row.expand(len(x), -1), x).exp()
        assert float(density.sum() * (x[1] - x[0])) == pytest.approx(1.0, abs=1e-6)
    z = torch.randn(
        50_000, distribution.numbers, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    samples = distribution.draw(parameters[:1].expand(50_000, -1), z)
    mean = float(
        (x * distribution.log_prob(parameters[:1].expand(len(x), -1), x).exp()).sum() * (x[1] - x[0])
    )
    assert float(samples.mean()) == pytest.approx(mean, abs=5 * float(samples.std()) / 50_000**0.5)


@pytest.mark.parametrize("categories", [2, 3])
@pytest.mark.parametrize("orders", [1, 2])
def test_whole_numbers_have_probabilities_that_sum_to_one(categories, orders):
    distribution = Categories(categories)
    network = build_network(features=4, outputs=distribution.outputs, context=1, orders=orders)
    model = MadeModel(Shapes(4, 1), network, distribution, DENSITY).eval()
    every = torch.tensor(list(itertools.product(range(categories), repeat=4)), dtype=torch.float64)
    y = torch.full((len(every), 1), 0.3, dtype=torch.float64)
    probabilities = model.log_prob(every, y).exp()
    assert float(probabilities.detach().sum()) == pytest.approx(1.0, abs=1e-12)
    z = torch.randn(20_000, model.latent_features, generator=torch.Generator().manual_seed(2)).double()
    samples = model.inverse(z, y[:1].expand(20_000, 1))[0]
    place = (samples * categories ** torch.arange(3, -1, -1)).sum(-1).long()
    share = torch.bincount(place, minlength=len(every)) / 20_000
    assert (share - probabilities.detach()).abs().max() < 5 * 0.5 / 20_000**0.5


def coins(folder):
    """Three columns: a fair coin, its copy in 9 of 10 cases, and their sum in three categories."""
    random = np.random.default_rng(0)
    first = random.integers(0, 2, 3000)
    second = np.where(random.random(3000) < 0.9, first, 1 - first)
    rows = pd.DataFrame({"first": first, "second": second, "sum": first + second})
    rows.to_csv(folder / "coins.csv", index=False)
    return str(folder / "coins.csv")


def test_probabilities_of_binary_data_are_learned(tmp_path):
    problem = wb.TableProblem(coins(tmp_path), x=["first", "second"], categories=["first", "second"])
    assert [v.categories for v in problem.x] == [2, 2]
    architecture = {"key": "made", "settings": {"outputs": "binary", "width": 16, "orders": 2}}
    run = wb.Run(
        wb.Experiment(problem, architecture, steps=150, training={"learning_rate": 0.02, "measured": []})
    )
    for _ in run:
        pass
    every = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]]).float()
    with torch.no_grad():
        probabilities = run.fitted.log_prob(every).exp()
        assert run.fitted.log_prob(torch.tensor([[0.5, 1.0], [2.0, 0.0]])).isneginf().all()
    assert float(probabilities.sum()) == pytest.approx(1.0, abs=1e-5)
    assert probabilities.tolist() == pytest.approx([0.45, 0.05, 0.05, 0.45], abs=0.05)
    samples = run.sample(4000)
    counts = [((samples["first"] == a) & (samples["second"] == b)).mean() for a, b in every.tolist()]
    assert [float(c) for c in counts] == pytest.approx(probabilities.tolist(), abs=0.04)
    run.snapshot()  # the views, the grid of the density among them, can be looked at


def test_categories_and_outputs_must_fit(tmp_path):
    names = ["first", "second", "sum"]
    problem = wb.TableProblem(coins(tmp_path), x=names, categories=names)
    likelihood = OBJECTIVES.make("maximum_likelihood")

    def said(problem, key, **settings):
        return refusals(problem, ARCHITECTURES.make(key, **settings), likelihood)

    assert "up to 3 categories" in said(problem, "made", outputs="binary")[0]
    assert said(problem, "made", outputs="categorical", categories=3) == []
    assert "first, second, sum are categories; choose MADE" in said(problem, "realnvp")[0]
    with pytest.warns(DataWarning, match="categories="):
        plain = wb.TableProblem(coins(tmp_path), x=names)
    assert "are quantities; choose gaussian or mixture" in said(plain, "made", outputs="binary")[0]
    assert said(plain, "made") == said(plain, "realnvp") == []
    with pytest.raises(DataError, match="whole numbers"):
        pd.DataFrame({"a": np.linspace(0, 1, 60), "b": np.arange(60) % 2}).to_csv(tmp_path / "c.csv")
        wb.TableProblem(str(tmp_path / "c.csv"), x=["a", "b"], categories=["a"])
    with pytest.raises(DataError, match="a column of x"):
        wb.TableProblem(coins(tmp_path), x=["first"], categories=["second"])


def test_the_product_of_the_factors_by_hand():
    model, (x, y) = build_model("made", Shapes(3, 1), outputs="gaussian"), batch(Shapes(3, 1), 6)
    parameters = model.network(x, y, 0)
    mean, scale = parameters[..., 0], (6 * torch.tanh(parameters[..., 1] / 6)).exp()
    reference = torch.distributions.Normal(mean, scale).log_prob(x).sum(-1)
    assert torch.allclose(model.log_prob(x, y), reference, atol=1e-12)
    z = torch.randn(6, 3, dtype=torch.float64)
    samples, _ = model.inverse(z, y)
    again = model.network(samples, y, 0)
    white = (samples - again[..., 0]) * (-6 * torch.tanh(again[..., 1] / 6)).exp()
    assert torch.allclose(white, z, atol=1e-10)


def test_training_goes_through_the_variants_and_the_density_is_their_mean():
    shapes = Shapes(3, 1)
    model, (x, y) = build_model("made", shapes, orders=2, connectivities=2), batch(shapes, 6)
    each = [model.variant_log_prob(x, y, variant) for variant in range(4)]
    model.turn.zero_()
    for turn in range(6):
        assert torch.equal(model.log_prob(x, y), each[turn % 4])
    assert torch.allclose(model.eval().log_prob(x, y), torch.logsumexp(torch.stack(each), 0) - math.log(4))
    assert int(model.turn) == 6  # looking does not move it
    assert model.latent_features == 3 * 2 + 1
