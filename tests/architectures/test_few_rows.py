"""Few rows and many columns: the fit at the start predicts as ridge does, and knows how badly."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import workbench as wb
from workbench.architectures import ARCHITECTURES
from workbench.core.shapes import Shapes
from workbench.nn.ridge import PENALTIES, fit_ridge


def few_rows(rows=60, columns=40, seed=0):
    generator = torch.Generator().manual_seed(seed)
    c = torch.randn(rows, columns, generator=generator, dtype=torch.float64)
    u = c[:, :2] + torch.randn(rows, 2, generator=generator, dtype=torch.float64)
    return c, u


def plain_ridge(c, u, penalty):
    """Solve the normal equations of the definition, with a constant that has no penalty."""
    design = torch.cat([c, torch.ones(len(c), 1).to(c)], 1)
    weight = len(u) * penalty * torch.eye(design.shape[1]).to(c)
    weight[-1, -1] = 0.0
    solution = torch.linalg.solve(design.T @ design + weight, design.T @ u)
    return solution[:-1].T, solution[-1]


@pytest.mark.parametrize("columns", [3, 40, 90])
@pytest.mark.parametrize("together", [False, True])
def test_the_closed_form_is_that_of_fits_without_each_row(columns, together):
    c, u = few_rows(columns=max(columns, 2))
    labels = torch.arange(60) // 3 if together else None
    fit = fit_ridge(c, u, labels)
    # unseen rows: refit without them, with the penalty (times n) of the fit to all rows
    for d in range(2):
        slopes = [plain_ridge(c, u[:, d : d + 1], penalty)[0] for penalty in PENALTIES]
        distance = [float((slope[0] - fit.slope[d]).abs().max()) for slope in slopes]
        number = int(np.argmin(distance))
        assert distance[number] < 1e-6
        parts = [[i] for i in range(60)] if labels is None else [labels % 10 == k for k in range(10)]
        for part in parts:
            rest = torch.ones(60, dtype=torch.bool)
            rest[part] = False
            penalty = PENALTIES[number] * 60 / int(rest.sum())
            slope, offset = plain_ridge(c[rest], u[rest, d : d + 1], penalty)
            torch.testing.assert_close(
                fit.unseen[~rest, d], c[~rest] @ slope[0] + offset[0], atol=1e-4, rtol=1e-4
            )


def test_the_fit_predicts_new_rows_as_well_as_the_best_ridge_and_knows_its_error():
    ratios = []
    for seed in range(5):
        c, u = few_rows(160, 100, seed)
        train, new = slice(0, 80), slice(80, None)
        fit = fit_ridge(c[train], u[train])
        error = (u[new] - c[new] @ fit.slope.T - fit.offset).square().mean()
        best = min(
            float((u[new] - c[new] @ slope.T - offset).square().mean())
            for slope, offset in (plain_ridge(c[train], u[train], penalty) for penalty in PENALTIES)
        )
        assert float(error) < 1.1 * best
        ratios.append(float((u[train] - fit.unseen).square().mean() / error))
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.2)


def test_without_features_a_row_is_predicted_by_the_mean_of_the_others():
    u = torch.randn(7, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    fit = fit_ridge(None, u)
    for i in range(7):
        torch.testing.assert_close(fit.unseen[i], u[torch.arange(7) != i].mean(0))


def test_the_order_of_many_columns_is_not_given_up_for_lack_of_rows():
    """A few hundred rows cannot tell apart hundreds of columns, each of them weakly related to x."""
    generator = torch.Generator().manual_seed(1)
    slopes, x = 0.3 * torch.randn(60, generator=generator), torch.randn(300, 1, generator=generator)
    y = x * slopes + torch.randn(300, 60, generator=generator)
    bounds = torch.tensor([[-torch.inf], [torch.inf]])
    network = ARCHITECTURES.make("regressed_mixtures", members=2, width=8).build(Shapes(1, 60))
    network.prepare(x, y, bounds)
    assert network.arrangement.layout is None
    # blocks that are exchangeable are still recognised
    y = x + torch.randn(300, 6, generator=generator)
    network = ARCHITECTURES.make("regressed_mixtures", members=2, width=8).build(Shapes(1, 6))
    network.prepare(x, y, bounds)
    assert network.arrangement.layout is not None


@pytest.mark.slow
@pytest.mark.parametrize("rows", [400, 600])
def test_intervals_hold_as_often_as_they_say_with_as_many_columns_as_rows(rows):
    generator = np.random.default_rng(1)
    slopes, x = 0.3 * generator.normal(size=300), generator.normal(size=rows + 500)
    y = x[:, None] * slopes + 3 * generator.normal(size=(rows + 500, 300))
    names = [f"y{i}" for i in range(300)]
    frame = pd.DataFrame(y[:rows], columns=names).assign(x=x[:rows])
    run = wb.Run(wb.Experiment.recommended(wb.TableProblem(frame, x=["x"], y=names)), device="cpu")
    for _ in run:
        pass
    network, inside, error = run.fitted, [], []
    for i in range(rows, rows + 500):
        draws = network.sample(400, y[i], torch.Generator().manual_seed(i))[:, 0].numpy()
        low, high = np.quantile(draws, [0.05, 0.95])
        inside.append(low <= x[i] <= high)
        error.append(draws.mean() - x[i])
    assert 0.85 < np.mean(inside) < 0.95
    train, new = torch.from_numpy(y[:rows]), torch.from_numpy(y[rows:])
    best = min(
        float(((new @ slope.T + offset)[:, 0].numpy() - x[rows:]).std())
        for slope, offset in (plain_ridge(train, torch.from_numpy(x[:rows, None]), 9 * p) for p in PENALTIES)
    )
    assert np.sqrt(np.mean(np.square(error))) < 1.05 * best
