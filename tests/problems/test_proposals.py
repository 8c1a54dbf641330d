"""What tables of other people suggest: periods, dates with the year last, and empty files."""

import warnings

import numpy as np
import pandas as pd
import pytest

import workbench as wb
from workbench.cli import main
from workbench.core.errors import DataError
from workbench.problems.user.kinds import described
from workbench.problems.user.numbers import read_column

NUMBERS = np.random.default_rng(0)
TURN = NUMBERS.uniform(0, 1, 300)


@pytest.mark.parametrize(
    ("heading", "values", "period"),
    [
        ("angle_deg", 360 * TURN, 360.0),
        ("wind_dir", 360 * TURN, 360.0),
        ("Winkel [°]", 360 * TURN, 360.0),
        ("lon", 360 * TURN - 180, 360.0),
        ("phase [rad]", 2 * np.pi * TURN, 2 * np.pi),
        ("theta_rad", 2 * np.pi * TURN - np.pi, 2 * np.pi),
        ("hour", np.floor(24 * TURN), 24.0),
        ("hour_of_day", 24 * TURN, 24.0),
        ("angle_deg", 90 * TURN, 0.0),
        ("angle_deg", 720 * TURN, 0.0),
        ("temperature [deg]", 360 * TURN, 0.0),
        ("theta", 2 * np.pi * TURN, 0.0),
        ("hours_worked", 60 * TURN, 0.0),
        ("radius", 360 * TURN, 0.0),
        ("direct_cost", 360 * TURN, 0.0),
    ],
)
def test_a_period_is_proposed_for_angles_and_hours_that_fill_it(heading, values, period):
    column = described(pd.DataFrame({heading: values}))[0][0]
    assert column.period == pytest.approx(period)
    assert (column.kind == "period") == (period > 0)


def test_a_proposed_period_is_never_applied_by_itself():
    frame = pd.DataFrame({"angle_deg": 360 * TURN, "y": TURN + NUMBERS.normal(size=300)})
    assert wb.TableProblem(frame, x=["angle_deg"], y=["y"]).x[0].period == 0


def test_a_period_far_below_the_spread_is_doubted():
    frame = pd.DataFrame({"t": 1000 * TURN, "y": NUMBERS.normal(size=300)})
    with pytest.warns(wb.core.errors.DataWarning, match="over 2000 of its periods|over 19.. of its periods"):
        wb.TableProblem(frame, x=["y"], y=["t"], period={"t": 0.5})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        wb.TableProblem(frame, x=["y"], y=["t"], period={"t": 360})


@pytest.mark.parametrize(
    ("texts", "days"),
    [
        (["01.02.2020", "31.12.2019", None], [18293, 18261, np.nan]),
        (["1.2.2020", "31.12.2019"], [18293, 18261]),
        (["01/02/2020", "31/12/2019"], [18293, 18261]),
        (["02/01/2020", "12/31/2019"], [18293, 18261]),
        (["01.02.2020 12:00", "31.12.2019 6:00:00"], [18293.5, 18261.25]),
    ],
)
def test_dates_with_the_year_last_are_read_where_a_row_tells_the_day(texts, days):
    numbers = read_column(pd.Series(texts, dtype="string"), "day")
    assert numbers.kind == "dates" and numbers.unit == "days since 1970-01-01"
    np.testing.assert_array_equal(numbers.values, days)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["01.02.2020", "03.04.2020"], "two ways.*'01.02.2020'.*2020-02-01.*2020-01-02"),
        (["31.12.2020", "12.31.2020"], "written in two ways.*'31.12.2020' in row 1.*'12.31.2020' in row 2"),
        (["31.12.2020", "30.02.2020"], "does not exist.*'30.02.2020' in row 2"),
    ],
)
def test_dates_that_no_row_tells_are_refused_with_both_readings(texts, message):
    with pytest.raises(DataError, match=message):
        read_column(pd.Series(texts, dtype="string"), "day")
    column = described(pd.DataFrame({"day": texts * 30}))[0][0]
    assert column.kind == "none" and column.refusal


@pytest.mark.parametrize("arrays", [{}, {"a": np.array(3.0)}])
def test_an_archive_without_rows_is_refused(arrays, tmp_path, capsys):
    np.savez(tmp_path / "empty.npz", **arrays)
    assert main(["table", str(tmp_path / "empty.npz")]) == 2
    assert "The table is empty" in capsys.readouterr().err
