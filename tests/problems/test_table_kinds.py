"""Kinds of columns: declared, checked, proposed; heavy tails, far values, groups and rows left unused."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch

from workbench.core.errors import DataError, DataWarning, SpecError
from workbench.core.spec import parse_setting
from workbench.core.variable import OPEN_LEVELS, Variable
from workbench.problems import TableProblem, describe
from workbench.problems.ocean.geoacoustic import SHARING, GeoacousticInversion
from workbench.problems.user.columns import HEAVY, column_warnings

ROWS = 400


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "a": rng.normal(size=ROWS),
            "flux": 10 ** rng.uniform(-3, 3, ROWS),
            "count": rng.poisson(3, ROWS),
            "angle [deg]": rng.uniform(0, 360, ROWS),
            "colour": rng.choice(["red", "green", "blue"], ROWS),
            "flag": rng.choice([True, False], ROWS),
            "station": np.arange(ROWS) // 8,
        }
    )


KINDS = {
    "log": ["flux"],
    "whole": ["count"],
    "period": {"angle": 360},
    "categories": ["colour", "flag"],
    "low": {"a": -10},
    "high": {"a": 10.0},
}


def problem_of(frame: pd.DataFrame, **settings) -> TableProblem:
    return TableProblem(frame, x=["a", "flux", "colour"], y=["count", "angle", "flag"], **KINDS | settings)


def test_kinds_are_those_of_the_variables_and_travel(frame, tmp_path):
    problem = problem_of(frame)
    assert problem.x == (
        Variable("a", low=-10, high=10),
        Variable("flux", scale="log"),
        Variable("colour", categories=3, labels=("blue", "green", "red")),
    )
    assert problem.y == (
        Variable("count", levels=OPEN_LEVELS, low=0),
        Variable("angle", unit="deg", period=360),
        Variable("flag", categories=2, labels=("false", "true")),
    )
    problem.save_data(tmp_path)
    values = json.loads(json.dumps(problem.values()))
    again = TableProblem.from_values(values, folder=tmp_path)
    assert again.x == problem.x and again.y == problem.y and again.values() == problem.values()
    assert Variable.from_dict(json.loads(json.dumps(problem.x[2].to_dict()))) == problem.x[2]
    first, second = (p.draw(50, torch.Generator().manual_seed(0)) for p in (problem, again))
    assert torch.equal(first.x, second.x) and torch.equal(first.y, second.y)
    codes = frame["colour"].map({"blue": 0, "green": 1, "red": 2})
    assert np.bincount(problem._rows().values[:, 2].astype(int)).tolist() == np.bincount(codes).tolist()


def test_cyclic_values_are_moved_by_whole_periods(frame):
    frame["turn"] = frame["angle [deg]"] + 720
    frame["half"] = frame["angle [deg]"] - 180
    frame["angle"] = frame.pop("angle [deg]")
    problem = TableProblem(
        frame, x=["a"], y=["turn", "half", "angle"], period=dict.fromkeys(["turn", "half", "angle"], 360)
    )
    values = problem._rows().values
    np.testing.assert_allclose(values[:, 1], values[:, 3], atol=1e-9)
    assert problem.y[1].low == -180 and np.array_equal(values[:, 2], frame["half"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"log": ["a"]}, "'a' is to be learned by its logarithm.*positive.*in row .*robust=\\['a'\\]"),
        ({"whole": ["flux"], "log": []}, "'flux' is to hold whole numbers"),
        ({"low": {"a": 0}}, "'a' leaves its bounds.*in row"),
        ({"robust": ["flux"]}, "two kinds.*log and robust"),
        ({"log": ["fluxx"]}, "'fluxx' is to have the setting 'log'"),
        ({"period": {"angle": -1}}, "period.*positive"),
        ({"low": {"a": "zero"}}, "'low' of the column 'a'.*a number.*'zero'"),
        ({"group": "colour"}, "at least 4 groups.*3"),
    ],
)
def test_a_kind_that_does_not_fit_is_refused(frame, settings, message):
    with pytest.raises(DataError, match=f"(?s){message}"):
        problem_of(frame, **settings)


def test_kinds_on_the_command_line():
    assert parse_setting(TableProblem, "period", 'angle:360,"a, b":24') == {"angle": 360.0, "a, b": 24.0}
    assert parse_setting(TableProblem, "log", '"flux (mJy, 3 GHz)",b') == ["flux (mJy, 3 GHz)", "b"]
    for text in ("angle", "24", "hour=24", ":24"):
        with pytest.raises(SpecError, match="Expected: NAME:NUMBER, such as hour:24"):
            parse_setting(TableProblem, "period", text)
    with pytest.raises(SpecError, match="period={'column': 24}"):
        TableProblem(pd.DataFrame(), x=["a"], period="hour:24")


def test_what_each_column_suggests(frame):
    frame["same"], frame["id"] = 2.0, [f"object {i}" for i in range(ROWS)]
    frame["day"] = pd.date_range("2024-01-01", periods=ROWS).strftime("%Y-%m-%d")
    kinds = {c.name: c.kind for c in describe(frame)}
    assert kinds == {
        "a": "number",
        "flux": "log",
        "count": "whole",
        "angle": "period",
        "colour": "categories",
        "flag": "categories",
        "station": "whole",
        "same": "constant",
        "id": "constant",
        "day": "number",
    }
    assert {c.name: c.period for c in describe(frame) if c.period} == {"angle": 360.0}


def test_rows_that_belong_together_have_one_label(frame, tmp_path):
    frame["station"] = "S" + frame["station"].astype(str)
    problem = TableProblem(frame, x=["a"], y=["flux"], group="station")
    samples = problem.draw(ROWS, torch.Generator().manual_seed(0))
    stations = dict(zip(frame["a"], frame["station"], strict=True))
    pairs = {(int(g), stations[float(x)]) for g, x in zip(samples.groups, samples.x[:, 0], strict=True)}
    assert len(pairs) == len({g for g, _ in pairs}) == len({s for _, s in pairs}) == 50
    problem.save_data(tmp_path)
    again = TableProblem.from_values(problem.values(), folder=tmp_path)
    assert torch.equal(again.draw(ROWS, torch.Generator().manual_seed(0)).groups, samples.groups)
    assert TableProblem(frame, x=["a"]).draw(9, torch.Generator().manual_seed(0)).groups is None


def test_repeats_of_a_sediment_have_one_label():
    assert GeoacousticInversion(tier="swx_2").signal_groups(11) is None
    problem = GeoacousticInversion(tier="swx_9")
    groups = problem.signal_groups(11)
    x, _ = problem.signal_draws(11, torch.Generator().manual_seed(0))
    assert groups.tolist() == [i // SHARING for i in range(11)]
    equal = x[:, None, :] == x[None, :, :]
    same = groups[:, None] == groups[None, :]
    columns = equal[same].all(0)
    assert columns.any() and not equal[~same][:, columns].any()


def far(values, variable: Variable | None = None) -> list[str]:
    return column_warnings(np.asarray(values, dtype=float)[:, None], [variable or Variable("v")])


def test_far_values_are_named_and_ordinary_columns_are_not():
    rng = np.random.default_rng(0)
    for ordinary in (
        rng.normal(size=3000),
        rng.exponential(size=3000),
        rng.uniform(size=3000),
        rng.lognormal(size=3000),
        rng.poisson(0.05, 3000),
        rng.standard_t(4, 3000),
        1e45 * rng.normal(size=99),
    ):
        assert far(ordinary) == []
    counts = rng.poisson(5, 3000).astype(float)
    counts[[10, 20]] = 1e6, 2e6
    (sentence,) = far(counts)
    assert "'v'" in sentence and "2e+06 in row 21, 1e+06 in row 11" in sentence and "robust=['v']" in sentence
    (sentence,) = far(10 ** rng.normal(0, 2, 3000))
    assert "log=['v']" in sentence
    assert far(10 ** rng.normal(0, 2, 3000), Variable("v", scale="log")) == []
    assert far(counts, Variable("v", scale="robust")) == [] and HEAVY == 10


def test_single_cells_and_magnitudes(frame):
    frame.loc[6, "a"] = 1e30
    with pytest.raises(DataError, match="'a'.*too far from the others.*1e\\+30 in row 7.*robust"):
        TableProblem(frame, x=["a"], y=["flux"])
    assert TableProblem(frame, x=["a"], y=["flux"], robust=["a"], log=["flux"]).x[0].scale == "robust"
    frame.loc[6, "a"] = 1e4
    with pytest.warns(DataWarning, match="'a' has far values: 1e\\+04 in row 7"):
        TableProblem(frame, x=["a"], y=["count"])
    big = pd.DataFrame(1e300 * np.random.default_rng(0).normal(size=(ROWS, 2)), columns=["p", "q"])
    with pytest.raises(DataError, match="'p' are too large.*e\\+300 in row"):
        TableProblem(big, x=["p"], y=["q"])
    assert TableProblem(big * 1e-270, x=["p"], y=["q"]).rows == ROWS
    noise = 333333.33 + 5.8e-11 * np.random.default_rng(0).integers(0, 2, ROWS)
    with pytest.raises(DataError, match="constant.*rounding"):
        TableProblem(frame.assign(a=noise), x=["a"])


def test_rows_that_are_not_used_are_said():
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(20_100, 2)), columns=["a", "b"])
    problem = TableProblem(table, x=["a"], y=["b"])
    assert problem.warnings() == problem.warnings(20_100) == []
    assert "20,100 usable rows, and 20,000 of them" in problem.warnings(20_000)[0]
    assert "samples=20100" in problem.warnings(20_000)[0]
    with pytest.warns(DataWarning, match="20,000 of them"):
        problem.record_draw(20_000, 0)
