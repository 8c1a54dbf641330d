"""Moments with a time zone: tables remember that they had one, and what is assumed of others is said."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

import workbench as wb
from workbench.core.errors import DataError
from workbench.core.kinds_of_values import TimeZoneWarning, calendar, has_zone, value_text
from workbench.core.observation import checked_rows, checked_values
from workbench.core.variable import Variable
from workbench.training import RunFolder

LOCAL = pd.date_range("2024-07-01", periods=100, freq="h", tz="Europe/Berlin")
NOISE = np.random.default_rng(0).normal(size=100)
AWARE = Variable("time", unit="days since 1970-01-01 UTC")
NAIVE = Variable("time", unit="days since 1970-01-01")


def problem(times, x=("value",), y=("time",)) -> wb.TableProblem:
    frame = pd.DataFrame({"time": times, "value": np.arange(100) + NOISE})
    return wb.TableProblem(frame, x=list(x), y=list(y))


COLUMNS = {
    "of pandas": (LOCAL, True),
    "of pandas, naive": (LOCAL.tz_localize(None), False),
    "texts": ([t.isoformat() for t in LOCAL], True),
    "texts with Z": ([f"{t.tz_convert(None).isoformat()}Z" for t in LOCAL], True),
    "naive texts": ([t.tz_localize(None).isoformat() for t in LOCAL], False),
    "days": ([str(d.date()) for d in pd.date_range("2024-07-01", periods=100)], False),
    "objects": (pd.Series(list(LOCAL.to_pydatetime()), dtype=object), True),
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_a_table_remembers_whether_its_times_had_a_zone(kind):
    times, aware = COLUMNS[kind]
    variable = problem(times).y[0]
    assert has_zone(variable) == aware
    assert calendar(variable) == calendar(NAIVE)
    assert ("UTC" in variable.unit) == aware


@pytest.mark.parametrize("dtype", [str, object])
def test_a_column_with_and_without_zones_is_refused(dtype):
    times = [t.isoformat() for t in LOCAL] if dtype is str else list(LOCAL.to_pydatetime())
    times[7] = "2024-07-01T12:00" if dtype is str else datetime(2024, 7, 1, 12)  # noqa: DTZ001
    with pytest.raises(DataError, match=r"have a time zone, and others have none.*row 1 and .*row 8"):
        problem(pd.Series(times, dtype=object))


NOON = datetime(2024, 7, 1, 12, tzinfo=UTC).timestamp() / 86400


@pytest.mark.parametrize(
    "value",
    [
        "2024-07-01T12:00",
        "2024-07-01 12:00:00",
        np.datetime64("2024-07-01T12:00"),
        pd.Timestamp("2024-07-01 12:00"),
    ],
)
def test_a_time_without_a_zone_is_taken_for_universal_time_and_this_is_said(value):
    with pytest.warns(TimeZoneWarning, match=r"2024-07-01.12:00.* is taken for universal time \(UTC\)"):
        assert checked_values({"time": value}, [AWARE]) == (NOON,)
    with pytest.warns(TimeZoneWarning):
        rows, _ = checked_rows(pd.DataFrame({"time": [value, value]}), [AWARE])
    assert (rows == NOON).all()


@pytest.mark.parametrize(
    "value",
    [
        "2024-07-01T14:00+02:00",
        "2024-07-01T12:00Z",
        pd.Timestamp("2024-07-01 14:00", tz="Europe/Berlin"),
        NOON,
    ],
)
def test_a_time_with_a_zone_is_right_and_quiet(value):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert checked_values({"time": value}, [AWARE]) == (NOON,)
        assert checked_values(pd.DataFrame({"time": [value]}), [AWARE]) == (NOON,)


def test_without_zones_nothing_is_said():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for value in ("2024-07-01T12:00", "2024-07-01T12:00Z", pd.Timestamp("2024-07-01 12:00")):
            assert checked_values({"time": value}, [NAIVE]) == (NOON,)


def test_texts_of_times_with_a_zone_are_read_back_without_a_question():
    assert value_text(AWARE, NOON) == "2024-07-01T12:00Z"
    assert value_text(NAIVE, NOON) == "2024-07-01T12:00"


@pytest.mark.parametrize("aware", [True, False])
def test_draws_say_that_they_are_in_universal_time(aware, tmp_path):
    times = LOCAL if aware else LOCAL.tz_localize(None)
    settings = {"samples": 100, "batch_size": 50}
    own = problem(times, x=["time"], y=["value"])
    run = wb.Run(wb.Experiment(own, "realnvp", training=settings, steps=3), folder=tmp_path / "run").train()
    wb.save(run, tmp_path / "model.zip")
    for fitted in (run.fitted, RunFolder(tmp_path / "run").fitted(), wb.load(tmp_path / "model.zip")):
        posterior = fitted.posterior([3.0])
        draws = posterior.sample(20, seed=0)
        assert ("UTC" in draws["time"].attrs["units"]) == aware
        frame = posterior.sample(20, seed=0, as_="dataframe")
        assert str(frame["time"].dtype.tz if aware else frame["time"].dt.tz) == ("UTC" if aware else "None")
        with warnings.catch_warnings():
            warnings.simplefilter("error", TimeZoneWarning)
            np.testing.assert_allclose(posterior.log_prob(frame), posterior.log_prob(draws), atol=1e-3)
