"""Draws as tables of labels, dates and whole numbers, and numbers with the digits that their spread needs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import workbench as wb
from workbench.cli.text import print_summary
from workbench.core.kinds_of_values import spread_text, value_text
from workbench.core.variable import Variable
from workbench.ui.numbers import numbers

DATES = Variable("when", unit="days since 2020-01-01")


@pytest.fixture(scope="module")
def posterior():
    generator = np.random.default_rng(0)
    days = generator.integers(0, 1000, 400)
    frame = pd.DataFrame(
        {
            "when": pd.Timestamp("2020-01-01") + pd.to_timedelta(days, unit="D"),
            "kind": np.where(generator.random(400) < 0.5, "red", "blue"),
            "count": generator.poisson(3, 400),
            "size": days / 100 + 0.1 * generator.normal(size=400),
        }
    )
    problem = wb.TableProblem(
        frame, x=["when", "kind", "count"], y=["size"], categories=["kind"], whole=["count"]
    )
    run = wb.Run(wb.Experiment(problem, "made", training={"measured": []}, steps=20))
    run.train()
    return run.posterior([[3.0], [5.0]])


def test_a_dataframe_has_the_draws_of_the_dataset_as_dates_labels_and_whole_numbers(posterior):
    dataset, frame = posterior.sample(50, seed=3), posterior.sample(50, seed=3, as_="dataframe")
    assert list(frame.columns) == ["when", "kind", "count"] and frame.index.names == ["observation", "draw"]
    assert list(frame.dtypes.map(str))[1:] == ["category", "int64"]
    codes = np.array(dataset["kind"].attrs["labels"])[dataset["kind"].values.astype(int)]
    assert (frame["kind"] == codes.reshape(-1)).all() and set(codes.flat) == {"red", "blue"}
    assert (frame["count"] == dataset["count"].values.reshape(-1)).all()
    dates = xr.decode_cf(dataset)["when"].values.reshape(-1)
    assert np.abs(frame["when"].values - dates).max() <= np.timedelta64(1, "ms")
    one = posterior[0].sample(20, as_="dataframe")
    assert one.index.name == "draw" and len(one) == 20


def test_dates_beyond_the_range_of_pandas_stay_numbers():
    from workbench.inference.dataframe import as_column

    values = np.array([0.0, 1e12])
    assert np.array_equal(as_column(values, DATES), values)
    assert as_column(np.array([0.0, np.nan]), Variable("k", categories=2, labels=("a", "b"))).dtype == float


@pytest.mark.parametrize(
    ("variable", "value", "spread", "text"),
    [
        (Variable("JD", unit="d"), 2459000.3217, 0.05, "2459000.322 d"),
        (Variable("JD", unit="d"), 2459000.3217, 20.0, "2459000 d"),
        (Variable("x"), 1.23456, 0.5, "1.235"),
        (Variable("x"), 1.23456, 0.0, "1.235"),
        (Variable("x"), 1e20, 1e-20, "1e+20"),
        (DATES, 31.25, 0.01, "2020-02-01T06:00"),
        (DATES, 31.25, 9.0, "2020-02-01"),
    ],
)
def test_values_have_the_digits_that_their_spread_needs(variable, value, spread, text):
    assert value_text(variable, value, spread=spread) == text


def test_the_command_line_and_the_explorers_table_show_dates_and_offsets(capsys):
    row = {"unit": DATES.unit, "mean": 40.0, "sd": 8.1, "q05": 25.0, "median": 39.6, "q95": 55.0}
    offset = {
        "unit": "d",
        "mean": 2459000.25,
        "sd": 0.1,
        "q05": 2459000.1,
        "median": 2459000.2,
        "q95": 2459000.4,
    }
    print_summary({"when": row, "JD": offset}, None)
    output = capsys.readouterr().out
    assert "2020-02-10 ± 8.1 days  (5 % 2020-01-26, median 2020-02-09, 95 % 2020-02-25)" in output
    assert "2459000.25 ± 0.1 d  (5 % 2459000.1, median 2459000.2" in output
    assert spread_text(Variable("t", unit="days since noon"), 1.0) == "1 days since noon"
    quantiles = [[10.0, 20.0, 30.0, 40.0, 50.0], 2459000 + np.array([0.1, 0.15, 0.2, 0.3, 0.4])]
    histograms = xr.Dataset({"quantile": (("variable", "level"), quantiles), "sd": ("variable", [9.0, 0.1])})
    table = numbers(histograms, variables=(DATES, Variable("JD", unit="d")))
    assert "2020-01-31" in table and "2459000.15 to 2459000.3" in table
