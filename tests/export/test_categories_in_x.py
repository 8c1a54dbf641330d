"""Exports of a network with a category among its unknowns give the network's probabilities and densities."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import workbench as wb
from workbench.export import export


@pytest.fixture(scope="module")
def fitted():
    numbers = np.random.default_rng(0)
    species = numbers.integers(3, size=400)
    table = pd.DataFrame(
        {
            "species": np.array(["elm", "fir", "oak"])[species],
            "height": numbers.normal(size=400) + species,
            "width": species + 0.3 * numbers.normal(size=400),
        }
    )
    problem = wb.TableProblem(table, x=["species", "height"], y=["width"], categories=["species"])
    run = wb.Run(wb.Experiment(problem, "made", steps=20), device="cpu")
    for _ in run:
        pass
    return run.fitted


def runner(fitted, path, form: str, function: str):
    """Return the exported program as a function of tensors."""
    export(fitted, form, path, function=function)
    if form == "graph":
        return torch.export.load(path).module()
    session = pytest.importorskip("onnxruntime").InferenceSession(path)
    names = [entry.name for entry in session.get_inputs()]
    return lambda *values: torch.from_numpy(
        session.run(None, dict(zip(names, (v.numpy() for v in values), strict=True)))[0]
    )


@pytest.mark.parametrize(("form", "ending"), [("graph", "pt2"), ("onnx", "onnx")])
def test_densities_and_draws_are_those_of_the_network(fitted, tmp_path, form, ending):
    heights = torch.linspace(-12, 14, 2601, dtype=torch.float64)
    y, total = torch.full((2601, 1), 1.2, dtype=torch.float64), 0.0
    log_prob = runner(fitted, tmp_path / f"density.{ending}", form, "log_prob")
    for code in range(3):
        x = torch.stack([torch.full_like(heights, code), heights], 1)
        density = log_prob(x, y).detach()
        torch.testing.assert_close(density, fitted.log_prob(x, y).detach(), rtol=1e-5, atol=1e-5)
        total += float(torch.trapezoid(density.exp(), heights))
    assert total == pytest.approx(1.0, abs=2e-3)  # the sum over the species of the integral over the height
    z = torch.randn(500, fitted.model.latent_features, dtype=torch.float64)
    draws = runner(fitted, tmp_path / f"draws.{ending}", form, "inverse")(z, y[:500]).detach()
    exact = fitted.inverse(z, y[:500])[0].detach()
    assert torch.equal(draws[:, 0], exact[:, 0]) and len(draws[:, 0].unique()) == 3
    torch.testing.assert_close(draws[:, 1], exact[:, 1], rtol=1e-5, atol=1e-5)
