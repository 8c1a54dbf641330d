"""Exact copies of rows on one side of every split, and values that are equal by chance."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import workbench as wb
from workbench.core.errors import DataWarning
from workbench.core.variable import Variable
from workbench.problems.base import Samples
from workbench.training.atoms import atom_notes
from workbench.training.copies import copies, in_order_of_appearance, kept_together

PLAIN = [Variable("a"), Variable("b")]
WHOLE = [Variable("a", levels=-1), Variable("b", levels=-1)]


def pairs(columns: np.ndarray) -> Samples:
    values = torch.from_numpy(np.asarray(columns, dtype=np.float64))
    return Samples(values[:, :1], values[:, 1:])


def table(rows: int = 300, times: int = 4) -> pd.DataFrame:
    random = np.random.default_rng(0)
    y = random.normal(size=(rows, 2))
    frame = pd.DataFrame({"a": y[:, 0] + 0.5 * random.normal(size=rows), "b": y[:, 0], "c": y[:, 1]})
    return pd.concat([frame] * times, ignore_index=True).sample(frac=1, random_state=1)


def run_of(frame: pd.DataFrame, **settings) -> wb.Run:
    problem = wb.TableProblem(frame, x=["a"], y=["b", "c"])
    experiment = wb.Experiment.recommended(problem)
    for name, value in settings.items():
        experiment = experiment.with_setting(name, value)
    with pytest.warns(DataWarning, match="exact copies"):
        return wb.Run(experiment, device="cpu")


def test_no_copy_stands_on_both_sides_of_the_split_nor_of_the_folds():
    run = run_of(table(), members=4, folds=4)
    train, held_out = (
        {tuple(row) for row in torch.cat([part.x, part.y], 1).tolist()}
        for part in (run.data.train, run.data.held_out_pairs)
    )
    assert train and held_out and not train & held_out
    assert len(run.data.train) + len(run.data.held_out_pairs) == 1200
    out = run.model._leaves_out(torch.arange(len(run.data.train)))
    labels = run.data.together
    for label in labels.unique().tolist():
        assert len(out[:, labels == label].T.unique(dim=0)) == 1
    assert (out.sum(0) == 1).all() and (out.sum(1) > 0.15 * len(labels)).all()


def test_copies_are_told_with_their_share_and_the_recipe_is_that_of_the_distinct_rows():
    run = run_of(table(rows=1500))
    sentence = next(e["message"] for e in run.events if "exact copies" in e["message"])
    assert "4,500 of 6,000 rows (75 %)" in sentence and "1,500 are distinct" in sentence
    assert run.settings.samples == 6000
    distinct = wb.Experiment.recommended(wb.TableProblem(table(1500, 1), x=["a"], y=["b", "c"]))
    assert run.experiment.architecture == distinct.architecture and run.experiment.steps == distinct.steps


def test_the_test_of_unusual_observations_is_that_of_the_distinct_rows():
    run = run_of(table(times=12))
    assert run.fitted.concerns([0.3, -0.2]) == ()  # with copies among the neighbours everything is far away
    assert run.fitted.concerns([40.0, 0.0]) != ()


@pytest.mark.parametrize(
    ("columns", "variables", "grouped"),
    [
        (np.random.default_rng(0).integers(0, 3, (500, 2)), PLAIN, False),  # few values, by chance
        (np.random.default_rng(0).poisson(30, (900, 2)), WHOLE, False),
        (np.repeat(np.random.default_rng(0).normal(size=(100, 2)), 3, 0), PLAIN, True),
        (np.tile(np.random.default_rng(0).integers(0, 10_000, (200, 2)), (3, 1)), PLAIN, True),
        (np.tile(np.random.default_rng(0).integers(0, 90, (200, 2)), (3, 1)), PLAIN, True),  # thrice each
        (np.random.default_rng(0).normal(size=(200, 2)), PLAIN, False),
        (np.c_[np.arange(300) % 2, np.random.default_rng(0).normal(size=300)], PLAIN, False),
    ],
)  # fmt: skip
def test_equal_rows_are_copies_where_they_cannot_agree_by_chance(columns, variables, grouped):
    labels = copies(pairs(columns), variables)
    assert (labels is not None) == grouped
    if grouped:
        assert len(labels.unique()) == len(np.unique(columns, axis=0))


def test_copies_and_groups_are_joined():
    x = torch.tensor([[0.1], [0.2], [0.1], [0.3], [0.4]])
    samples = Samples(x, x, torch.tensor([0, 0, 1, 1, 2]))
    groups = kept_together(samples, torch.tensor([0, 1, 0, 2, 3])).groups
    assert groups[0] == groups[1] == groups[2] == groups[3] != groups[4]
    assert in_order_of_appearance(torch.tensor([7, 3, 7, 5])).tolist() == [0, 1, 0, 2]


def test_a_value_that_many_rows_have_is_told_by_name():
    random = torch.Generator().manual_seed(0)
    rain = torch.rand(1000, generator=random, dtype=torch.float64).mul(9) + 1
    plain = torch.rand(1000, generator=random, dtype=torch.float64)
    at_edge, inside = rain.clone(), rain.clone()
    at_edge[:200], inside[:200] = 0.0, 5.0
    variables = [Variable("rain", unit="mm"), Variable("other"), Variable("wind")]
    notes = atom_notes(torch.stack([at_edge, plain, inside], 1), variables)
    assert len(notes) == 2
    assert "'rain' is 0 mm in 20 % of the rows, at its edge" in notes[0]
    assert "'wind' is 5 in 20 % of the rows, among its other values" in notes[1]
    counts = torch.poisson(torch.full((1000, 1), 30.0), generator=random).double()
    assert atom_notes(counts, [Variable("count")]) == ()
