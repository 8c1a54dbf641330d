"""Exports of variables with bounds, whole numbers, cycles and categories give what the model gives."""

from __future__ import annotations

from functools import cache

import pytest
import torch

import workbench as wb
from workbench.core.variable import OPEN_LEVELS, Variable
from workbench.export import export

X = [
    Variable("rate", scale="log"),
    Variable("share", low=0.0, high=1.0),
    Variable("mass", low=0.0),
    Variable("count", low=0, levels=OPEN_LEVELS),
    Variable("angle", period=360.0),
    Variable("epoch"),
]
Y = [Variable("flux", scale="log"), Variable("phase", period=1.0), Variable("class", categories=3)]


def prior(n: int, generator: torch.Generator) -> torch.Tensor:
    u = torch.rand(n, 6, generator=generator, dtype=torch.float64)
    columns = [10 ** (6 * u[:, 0] - 3), u[:, 1], -u[:, 2].log(), (20 * u[:, 3]).floor(), 360 * u[:, 4]]
    return torch.stack([*columns, 2.46e6 + 10 * u[:, 5]], 1)


def simulate(x: torch.Tensor) -> torch.Tensor:
    return torch.stack([x[:, 0] * (1 + x[:, 1]), x[:, 4] / 360, (3 * x[:, 1]).floor().clamp(max=2)], 1)


@cache
def fitted():
    problem = wb.SimulatorProblem(prior, simulate, x=X, y=Y)
    training = {"samples": 400, "batch_size": 64}
    architecture = {"key": "realnvp", "settings": {"transforms": 2, "width": 8}}
    run = wb.Run(wb.Experiment(problem, architecture, "maximum_likelihood", training, steps=20), device="cpu")
    for _ in run:
        pass
    return run.fitted


def points() -> tuple[torch.Tensor, torch.Tensor]:
    """Return draws of the model and their observations, one in three with an unknown outside its bounds."""
    y = torch.tensor([[0.5, 0.99, 2.0], [3.0, 0.2, 0.0], [0.01, 0.5, 1.0]], dtype=torch.float64)
    x = fitted().sample(3, y)
    x[1, 1] = 1.5
    return x, y


def test_draws_have_the_values_of_their_variables():
    draws = fitted().sample(5000, [[0.5, 0.99, 2.0]])
    assert (draws[:, 0] > 0).all() and (draws[:, 2] >= 0).all()
    assert ((draws[:, 1] >= 0) & (draws[:, 1] <= 1)).all()
    assert (draws[:, 3] >= 0).all() and torch.equal(draws[:, 3], draws[:, 3].round())
    assert ((draws[:, 4] >= 0) & (draws[:, 4] < 360)).all()
    assert len(draws[:, 5].unique()) > 4000  # a Julian date keeps its digits


def test_weights_come_back(tmp_path):
    x, y = points()
    wb.save(fitted(), tmp_path / "model.zip")
    model = wb.load(tmp_path / "model.zip")
    assert model.x == tuple(X) and model.y == tuple(Y)
    assert torch.equal(model.log_prob(x, y), fitted().log_prob(x, y))
    assert torch.equal(model.sample(50, y[:1]), fitted().sample(50, y[:1]))
    assert model.log_prob(x, y).isinf().tolist() == [False, True, False]


@pytest.mark.parametrize("function", ["inverse", "log_prob"])
def test_graphs_are_in_double_precision(tmp_path, function):
    path = tmp_path / "model.pt2"
    export(fitted(), "graph", path, function=function)
    program = torch.export.load(path).module()
    compare(lambda *values: program(*values), function)


@pytest.mark.parametrize("function", ["inverse", "log_prob"])
def test_onnx_is_in_double_precision(tmp_path, function):
    runtime = pytest.importorskip("onnxruntime")
    path = tmp_path / "model.onnx"
    export(fitted(), "onnx", path, function=function)
    session = runtime.InferenceSession(path)
    names = [entry.name for entry in session.get_inputs()]

    def run(*values: torch.Tensor) -> torch.Tensor:
        feed = dict(zip(names, (v.numpy() for v in values), strict=True))
        return torch.from_numpy(session.run(None, feed)[0])

    compare(run, function)


def compare(run, function: str) -> None:
    x, y = points()
    if function == "log_prob":
        torch.testing.assert_close(run(x, y), fitted().log_prob(x, y).detach(), rtol=1e-4, atol=1e-3)
        return
    z = torch.randn(3, fitted().model.latent_features, dtype=torch.float64)
    draws, (exact, _) = run(z, y), fitted().inverse(z, y)
    units = fitted().standardisation
    torch.testing.assert_close(
        units.x_in(draws)[:, 5], units.x_in(exact.detach())[:, 5], rtol=1e-4, atol=1e-4
    )
    assert torch.equal(draws[:, 3], draws[:, 3].round())
    torch.testing.assert_close(draws[:, :3], exact[:, :3].detach(), rtol=1e-3, atol=1e-6)
