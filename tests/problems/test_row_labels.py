"""Pairs whose rows have labels: they are matched by label, or refused, and never paired in silence."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

import workbench as wb
from workbench.core.errors import DataError

N = 80
VALUES = np.random.default_rng(0).normal(size=N)
ORDER = np.random.default_rng(1).permutation(N)


def pairs(problem) -> np.ndarray:
    """All pairs (n, 2) of a problem, sorted by x."""
    samples = problem.draw(N, torch.Generator().manual_seed(0))
    rows = torch.cat([samples.x, samples.y], 1).numpy()
    return rows[np.argsort(rows[:, 0])]


def assert_matched(problem) -> None:
    rows = pairs(problem)
    np.testing.assert_array_equal(rows[:, 0], np.sort(VALUES))
    np.testing.assert_array_equal(rows[:, 1], 3 * rows[:, 0])


def frame(name: str, factor: float, index=None) -> pd.DataFrame:
    return pd.DataFrame({name: factor * VALUES}, index=index)


TEXTS = [f"station {i}" for i in range(N)]
DATES = pd.date_range("2024-01-01", periods=N, tz="Europe/Berlin")


@pytest.mark.parametrize("index", [None, TEXTS, DATES, pd.MultiIndex.from_arrays([TEXTS, range(N)])])
def test_tables_are_matched_by_their_index(index):
    problem = wb.SimulationsProblem(frame("a", 1, index), frame("b", 3, index).iloc[ORDER])
    assert_matched(problem)
    assert any("by their labels" in note for note in problem.warnings())


def test_the_note_reaches_the_run():
    problem = wb.SimulationsProblem(frame("a", 1), frame("b", 3).iloc[ORDER])
    notes = wb.SimulationsProblem(frame("a", 1), frame("b", 3)).warnings()
    run = wb.Run(wb.Experiment(problem=problem, architecture="realnvp", steps=1))
    assert any("by their labels" in event["message"] for event in run.events)
    assert not any("by their labels" in note for note in notes)


@pytest.mark.parametrize("names", ["series", "mapping"])
def test_series_are_matched_by_their_index(names):
    x, y = pd.Series(VALUES, name="a"), pd.Series(3 * VALUES, name="b").iloc[ORDER]
    if names == "series":
        return assert_matched(wb.SimulationsProblem(x, y))
    assert_matched(wb.SimulationsProblem({"a": x, "b": y}, x=["a"], y=["b"]))
    assert_matched(wb.SimulationsProblem({"a": x}, {"b": y}))


def array(factor: float, labels=None, dims=("sample",)) -> xr.DataArray:
    coords = {} if labels is None else {"sample": labels}
    return xr.DataArray(factor * VALUES, dims=dims, coords=coords)


def test_arrays_are_matched_by_the_coordinate_of_their_common_dimension():
    later = array(3, TEXTS).isel(sample=ORDER)
    assert_matched(wb.SimulationsProblem(array(1, TEXTS), later))
    assert_matched(wb.SimulationsProblem(array(1, TEXTS).to_dataset(name="a"), later.to_dataset(name="b")))
    assert_matched(wb.SimulationsProblem(frame("a", 1, TEXTS), later))


def test_the_common_dimension_need_not_be_the_first():
    profile = xr.DataArray(np.stack([3 * VALUES] * N), dims=("z", "sample"), coords={"sample": TEXTS})
    problem = wb.SimulationsProblem(array(1, TEXTS), profile.isel(sample=ORDER))
    samples = problem.draw(N, torch.Generator().manual_seed(0))
    assert samples.y.shape == (N, N)
    np.testing.assert_array_equal(samples.y.numpy(), 3 * samples.x.numpy() * np.ones(N))


def test_without_labels_rows_are_taken_in_order():
    assert_matched(wb.SimulationsProblem(array(1), array(3)))
    assert_matched(wb.SimulationsProblem(array(1, TEXTS), 3 * VALUES))
    assert_matched(wb.SimulationsProblem(frame("a", 1, TEXTS), torch.from_numpy(3 * VALUES)))
    twice = [0, *range(N - 1)]
    assert_matched(wb.SimulationsProblem(frame("a", 1, twice), frame("b", 3, twice)))


@pytest.mark.parametrize(
    ("x", "y", "text"),
    [
        (frame("a", 1), frame("b", 3, TEXTS), "no row 0"),
        (frame("a", 1), frame("b", 3, range(1, N + 1)), "no row 0"),
        (frame("a", 1, [0, *range(N - 1)]), frame("b", 3, [*range(N - 1), 0]), "0 more than once"),
        (array(1, TEXTS), array(3, range(N)), "no row 'station 0'"),
        ({"a": pd.Series(VALUES)}, {"b": pd.Series(VALUES, index=TEXTS)}, "no row 0"),
    ],
)
def test_other_labels_are_refused(x, y, text):
    with pytest.raises(DataError, match=text) as error:
        wb.SimulationsProblem(x, y)
    assert "to_numpy" in str(error.value)


def test_a_simulator_that_sorts_its_table_is_refused():
    def simulate(x, ordered=True):
        table = pd.DataFrame({"y": x[:, 0].numpy() + 0.1 * np.random.standard_normal(len(x))})
        return table if ordered else table.sort_values("y")

    prior = {"a": torch.distributions.Normal(0.0, 1.0)}
    assert wb.SimulatorProblem(prior, simulate).draw(20, torch.Generator().manual_seed(0)).x.shape == (20, 1)
    with pytest.raises(DataError, match="another order"):
        wb.SimulatorProblem(prior, lambda x: simulate(x, ordered=False))
