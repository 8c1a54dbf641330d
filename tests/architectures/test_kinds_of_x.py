"""Every architecture gives categories and whole numbers in x as what they are, or says which one does."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import workbench as wb
from workbench.architectures import ARCHITECTURES
from workbench.core.capability import Capability
from workbench.core.errors import IncompatibleError, WorkbenchError
from workbench.core.shapes import Shapes
from workbench.objectives import OBJECTIVES
from workbench.training.compatibility import refusals

FAST = {"measured": [], "samples": 300, "validate_every": 100}


def frame(rows: int = 300) -> pd.DataFrame:
    random = np.random.default_rng(0)
    girth = random.normal(size=rows)
    kinds = np.array(["ash", "birch", "oak"])[
        (girth + random.normal(size=rows) > 0).astype(int) + (random.random(rows) > 0.5)
    ]
    return pd.DataFrame(
        {
            "kind": kinds,
            "height": girth + 0.3 * random.normal(size=rows),
            "leaves": random.poisson(3 + girth.clip(-2, 2)),
            "girth": girth,
            "wet": girth + random.normal(size=rows) > 0,
        }
    )


def problem(x: list[str], *, observed: bool) -> wb.TableProblem:
    y = ["girth"] if observed else []
    kinds = [name for name in ("kind", "wet") if name in x]
    return wb.TableProblem(frame(), x=x, y=y, categories=kinds, whole=[n for n in ("leaves",) if n in x])


def observed_of(member) -> bool:
    return Capability.CONDITIONAL in member.capabilities


def objective_for(task, member):
    """Return the first objective that trains an architecture on a problem; None where none does."""
    fitting = (o for o in OBJECTIVES if not refusals(task, member, o()))
    return next((o.key for o in fitting), None)


@pytest.mark.parametrize("key", ARCHITECTURES.keys())
@pytest.mark.parametrize("names", [["kind", "wet"], ["kind", "height"]], ids=["categories", "mixed"])
def test_categories_are_drawn_as_categories_or_refused_with_a_way_out(key, names):
    if ARCHITECTURES[key].unavailable() if hasattr(ARCHITECTURES[key], "unavailable") else "":
        pytest.skip("not installed")
    member = ARCHITECTURES.make(key)
    task = problem(names, observed=observed_of(member))
    objective = objective_for(task, member)
    if objective is None:
        with pytest.raises(
            IncompatibleError, match=r"learns continuous numbers, and kind.*choose MADE, which gives"
        ):
            wb.Experiment(task, member).check()
        other = wb.Experiment(task, "made")  # the hint is true
        assert other.refusals() == []
        return
    run = wb.Run(wb.Experiment(task, member, objective, FAST, steps=3), device="cpu")
    run.step()
    draws = run.fitted.sample(500, [0.2] if task.y else None)
    for i, variable in enumerate(task.x):
        if variable.categories:
            assert set(draws[:, i].tolist()) <= set(range(variable.categories))
            between = draws[:4].clone()
            between[:, i] += 0.5
            assert run.fitted.log_prob(between, [0.2] if task.y else None).isneginf().all()


@pytest.mark.parametrize("key", ARCHITECTURES.keys())
def test_whole_numbers_are_drawn_whole_and_within_their_bounds(key):
    member = ARCHITECTURES.make(key)
    task = problem(["leaves", "height"], observed=observed_of(member))
    objective = objective_for(task, member)
    if objective is None:
        pytest.skip("no objective trains it on this problem")
    run = wb.Run(wb.Experiment(task, member, objective, FAST, steps=3), device="cpu")
    run.step()
    draws = run.fitted.sample(500, [0.2] if task.y else None)
    assert torch.equal(draws[:, 0], draws[:, 0].round()) and (draws[:, 0] >= 0).all()
    assert len(draws[:, 1].unique()) > 100


def test_categories_of_columns_with_different_numbers_have_their_own_probabilities():
    outputs = {"outputs": "categorical"}
    model = ARCHITECTURES.make("made", **outputs).build(Shapes(2, 1, categories=(2, 3))).double().eval()
    y = torch.full((6, 1), 0.4, dtype=torch.float64)
    every = torch.tensor([[a, b] for a in range(2) for b in range(3)], dtype=torch.float64)
    with torch.no_grad():
        assert float(model.log_prob(every, y).exp().sum()) == pytest.approx(1.0, abs=1e-12)
        assert model.log_prob(torch.tensor([[2.0, 0.0], [0.0, 3.0]]).double(), y[:2]).isneginf().all()
        z = torch.randn(4000, model.latent_features, generator=torch.Generator().manual_seed(0)).double()
        draws = model.draw(z, y[:1])
        shares = [float((draws == row).all(1).double().mean()) for row in every]
        exact = model.log_prob(every, y).exp().tolist()
    assert shares == pytest.approx(exact, abs=0.03)


def test_a_mixed_density_is_normalised_and_that_of_the_draws():
    torch.manual_seed(0)
    model = ARCHITECTURES.make("made", orders=2).build(Shapes(2, 0, categories=(3, 0))).double().eval()
    grid = torch.linspace(-60, 60, 8001, dtype=torch.float64)
    with torch.no_grad():
        masses = []
        for number in range(3):
            points = torch.stack([torch.full_like(grid, float(number)), grid], 1)
            masses.append(float(model.log_prob(points, None).exp().sum() * (grid[1] - grid[0])))
        z = torch.randn(4000, model.latent_features, generator=torch.Generator().manual_seed(0)).double()
        draws = model.draw(z, None)
    assert sum(masses) == pytest.approx(1.0, abs=1e-4)
    assert [float((draws[:, 0] == k).double().mean()) for k in range(3)] == pytest.approx(masses, abs=0.035)


def oaks(rows: int = 1200) -> wb.TableProblem:
    random = np.random.default_rng(0)
    size = random.normal(size=rows)
    oak = 1 / (1 + np.exp(-2 * size))
    table = pd.DataFrame({"kind": np.where(random.random(rows) < oak, "oak", "ash"), "size": size})
    return wb.TableProblem(table, x=["kind"], y=["size"], categories=["kind"])


def test_the_recommended_experiment_of_categories_works_and_answers_with_labels():
    experiment = wb.Experiment.recommended(oaks())
    assert experiment.refusals() == [] and experiment.training.samples == 1200
    run = wb.Run(experiment.replace(steps=2), device="cpu").train(progress=False)
    posterior = run.posterior([1.5])
    best = posterior.map()
    assert best["kind"].item() in ("ash", "oak")
    assert float(posterior.log_prob(best)) == pytest.approx(best.log_prob, abs=1e-6)
    table = posterior.summary()
    assert list(table.index) == ["kind[ash]", "kind[oak]"]
    assert table["mean"].sum() == pytest.approx(1.0) and table["mean"].max() >= 0.5
    both = run.posterior([[1.5], [-1.5]])
    assert both.map()["kind"].shape == (2,) and len(both.summary()) == 4


@pytest.mark.slow
def test_the_recommended_experiment_of_categories_learns_their_probabilities():
    run = wb.Run(wb.Experiment.recommended(oaks()), device="cpu").train(progress=False)
    points = np.linspace(-1.5, 1.5, 7)
    share = run.posterior(points[:, None]).log_prob([[1.0]]).exp()[:, 0].numpy()
    np.testing.assert_allclose(share, 1 / (1 + np.exp(-2 * points)), atol=0.1)
    assert run.posterior([1.5]).map()["kind"].item() == "oak"


@pytest.mark.parametrize("rows", [49, 50, 63, 64])
def test_a_table_that_is_accepted_has_a_recommended_experiment(rows):
    data = frame(rows)
    if rows < 50:
        with pytest.raises(WorkbenchError, match="at least 50"):
            wb.TableProblem(data, x=["height"], y=["girth"])
        return
    task = wb.TableProblem(data, x=["height"], y=["girth"])
    for simulations in (rows, 10_000):
        experiment = wb.Experiment.recommended(task, simulations)
        assert experiment.training.samples == rows and experiment.architecture.folds == 10
    with pytest.raises(WorkbenchError, match="whole number from 50 to"):
        wb.Experiment.recommended(task, 49)
