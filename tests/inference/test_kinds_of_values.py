"""Observations and answers of dates, labels and whole numbers, as people write and read them."""

from __future__ import annotations

import datetime
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

import workbench as wb
from workbench.core.errors import DataWarning, SpecError
from workbench.core.kinds_of_values import calendar, value_text
from workbench.core.observation import checked_rows, parse_observation
from workbench.core.variable import Variable
from workbench.export.posterior import summary
from workbench.inference.out_of_distribution import UnusualObservationWarning

TIME = Variable("time", unit="days since 1970-01-01")
KIND = Variable("kind", categories=3, labels=("ash", "birch", "oak"))
COUNT = Variable("count", levels=-1, low=0)
DAY = 16801.0  # 2016-01-01


@pytest.fixture(scope="module")
def run():
    random = np.random.default_rng(0)
    days = random.integers(0, 2000, 400)
    frame = pd.DataFrame(
        {
            "m/s": random.normal(size=400) + days / 500,
            "time": pd.Timestamp("2015-01-01") + pd.to_timedelta(days, unit="D"),
            "kind": np.array(["ash", "birch", "oak"])[random.integers(0, 3, 400)],
            "count": random.poisson(4, 400),
        }
    )
    task = wb.TableProblem(
        frame, x=["m/s"], y=["time", "kind", "count"], categories=["kind"], whole=["count"]
    )
    experiment = wb.Experiment(task, "mixture_density_network", training={"measured": []}, steps=10)
    return wb.Run(experiment, device="cpu").train(progress=False)


FORMS = {
    "timestamps": [pd.Timestamp("2016-01-01"), "oak", 3],
    "dates": (datetime.date(2016, 1, 1), "oak", 3),
    "date and time": (datetime.datetime(2016, 1, 1), "oak", 3),
    "another zone": (pd.Timestamp("2016-01-01T02:00:00+02:00"), "oak", 3),
    "NumPy": [np.datetime64("2016-01-01"), "oak", np.int64(3)],
    "texts": ["2016-01-01", "oak", 3],
    "numbers": [DAY, 2, 3],
    "mapping": {"kind": "oak", "time": "2016-01-01", "count": 3},
    "series": pd.Series({"kind": "oak", "time": pd.Timestamp("2016-01-01"), "count": 3}),
    "frame": pd.DataFrame(
        {"time": [pd.Timestamp("2016-01-01")], "kind": ["oak"], "count": [3], "more": [1.0]}
    ),
    "categorical": pd.DataFrame({"time": ["2016-01-01"], "kind": pd.Categorical(["oak"]), "count": [3]}),
    "dataset": xr.Dataset({"time": np.datetime64("2016-01-01", "ns"), "kind": "oak", "count": 3}),
    "one row": [["2016-01-01", "oak", 3]],
}


@pytest.mark.parametrize("form", FORMS)
def test_an_observation_is_accepted_as_people_write_it(run, form):
    assert run.posterior(FORMS[form]).observation == (DAY, 2.0, 3.0)


def test_many_observations_with_labels_and_dates():
    variables = (TIME, KIND, COUNT)
    both = [[DAY, 2.0, 3.0], [DAY + 1, 0.0, 4.0]]
    frame = pd.DataFrame(
        {"time": pd.to_datetime(["2016-01-01", "2016-01-02"]), "kind": ["oak", "ash"], "count": [3, 4]}
    )
    for rows in (
        [["2016-01-01", "oak", 3], ["2016-01-02", "ash", 4]],
        frame,
        frame.to_numpy(),
        frame.to_dict("records"),
        {name: frame[name].tolist() for name in frame},
    ):
        values, many = checked_rows(rows, variables)
        assert many and values.tolist() == both
    assert checked_rows([["oak"], ["ash"]], [KIND])[0].tolist() == [[2.0], [0.0]]


@pytest.mark.parametrize("one", ["oak", ["oak"], np.str_("oak"), np.array(["oak"]), {"kind": "oak"}, 2, [2]])
def test_a_single_label_is_an_observation(one):
    values, many = checked_rows(one, [KIND])
    assert values.tolist() == [[2.0]] and not many


@pytest.mark.parametrize(
    "one",
    ["2016-01-01", np.datetime64("2016-01-01"), pd.Timestamp("2016-01-01"), datetime.date(2016, 1, 1), DAY],
)
def test_a_single_date_is_an_observation(one):
    assert checked_rows(one, [TIME])[0].tolist() == [[DAY]]


@pytest.mark.parametrize(
    ("values", "variables", "message"),
    [
        (["2016-01-01", "pine", 3], (TIME, KIND, COUNT), "no category 'pine'. Expected: ash, birch, oak"),
        (["2016-13-01", "oak", 3], (TIME, KIND, COUNT), "a date such as 2016-01-31, or a number of days"),
        (["oak", "2016-01-01", 3], (TIME, KIND, COUNT), "'time' that cannot be read.*Found: time = 'oak'"),
        ([pd.NaT, "oak", 3], (TIME, KIND, COUNT), "not finite. Expected: a number for time"),
        ([None, "oak", 3], (TIME, KIND, COUNT), "'time' that cannot be read"),
        ([np.datetime64("2016-01-01")], [Variable("depth", unit="m")], "a date for 'depth', which"),
        ([np.timedelta64(3, "h")], [Variable("depth", unit="m")], "a duration for 'depth', which is no time"),
        (["2016-01-01", True, 3], (TIME, KIND, COUNT), "a truth value for 'kind'"),
        ([1], [Variable("grade", categories=3, labels=("1", "2", "x"))], "1 is the label of a category"),
        (["oak", "ash"], [KIND], "the wrong number of values|not made of numbers"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(values, variables, message):
    with pytest.raises(SpecError, match=message):
        checked_rows(values, variables)


@pytest.mark.parametrize(("count", "found"), [(2.5, "2.5"), (-3, "-3")])
def test_a_whole_number_is_whole_and_within_its_bounds(run, count, found):
    with pytest.raises(SpecError, match=f"a whole number from 0 for count. Found: {found}"):
        run.posterior({"time": DAY, "kind": "oak", "count": count})


def test_other_calendars_and_units_of_time_are_kept():
    hours = Variable("t", unit="hours since 2016-01-01")
    assert checked_rows(["2016-01-02T12:00:00"], [hours])[0].tolist() == [[36.0]]
    assert checked_rows(np.array(["2016-01-02"], "M8[D]"), [hours])[0].tolist() == [[24.0]]
    assert checked_rows([np.timedelta64(90, "m")], [Variable("t", unit="h")])[0].tolist() == [[1.5]]
    assert value_text(hours, 36.0) == "2016-01-02T12:00" and value_text(hours, 24.0) == "2016-01-02"
    assert calendar(Variable("t", unit="furlongs since 2016-01-01")) is None


@pytest.mark.parametrize(
    ("variable", "value", "text"),
    [
        (COUNT, 6.172e-08, "0"),
        (COUNT, -0.4, "0"),
        (COUNT, 12345.0, "12345"),
        (KIND, 1.98, "oak"),
        (TIME, DAY - 1e-6, "2016-01-01"),
        (Variable("depth", unit="m"), 20.0, "20 m"),
    ],
)
def test_texts_show_values_that_a_variable_can_have(variable, value, text):
    assert value_text(variable, value) == text


def test_a_far_observation_is_told_with_dates_labels_and_whole_numbers(run):
    with pytest.warns(UnusualObservationWarning) as record:
        run.posterior(["2043-01-01", "oak", 90])
    text = " ".join(str(w.message) for w in record)
    nearest = text[text.index("The nearest observation") :]
    assert any(f"kind = {label}" in nearest for label in KIND.labels)
    assert "time = 20" in nearest and "e+" not in text and "e-" not in text
    assert float(nearest.split("count = ")[1].split(",")[0].rstrip(".")) % 1 == 0


def test_a_value_outside_the_bounds_of_its_variable_is_told():
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"a": random.normal(size=200), "mass": random.random(200)})
    task = wb.TableProblem(frame, x=["a"], y=["mass"], low={"mass": 0})
    model = wb.Run(wb.Experiment(task, "mixture_density_network", steps=2), device="cpu").fitted
    assert "mass = -0.01 lies outside its bounds, 0 to inf" in model.concerns([-0.01])[0]
    assert model.concerns([0.5]) == ()


def test_draws_with_a_slash_in_a_name_are_written_and_read_back(run, tmp_path):
    posterior = run.posterior(["2016-01-01", "oak", 3])
    draws = posterior.sample(50)
    assert draws["m/s"].shape == (50,)
    draws.to_netcdf(tmp_path / "draws.nc")
    draws.isel(draw=slice(10)).to_netcdf(tmp_path / "few.nc")
    with xr.open_dataset(tmp_path / "draws.nc") as back:
        assert list(back.data_vars) == ["m_s"] and back["m_s"].attrs["original_name"] == "m/s"
        density = posterior.log_prob(draws).values
        np.testing.assert_array_equal(posterior.log_prob(back.load()).values, density)
    posterior.map().to_netcdf(tmp_path / "map.nc")
    draws.to_zarr(tmp_path / "draws.zarr", zarr_format=2)


def test_a_model_is_sampled_at_an_observation_by_name(run):
    by_name = run.fitted.sample(20, {"kind": "oak", "time": "2016-01-01", "count": 3})
    assert torch.equal(by_name, run.fitted.sample(20, [DAY, 2.0, 3.0]))
    with pytest.raises(SpecError, match="no value for 'count'"):
        run.fitted.sample(20, {"kind": "oak", "time": DAY})


def test_the_command_line_takes_dates_and_labels():
    variables = (TIME, KIND, COUNT)
    for text in ("2016-01-01,oak,3", "2016-01-01, oak, 3", "kind=oak,time=2016-01-01,count=3", "16801 2 3"):
        assert checked_rows(parse_observation(text, variables), variables)[0].tolist() == [[DAY, 2.0, 3.0]]
    grades = [Variable("grade", categories=3, labels=("1", "2", "x"))]
    assert checked_rows(parse_observation("2", grades), grades)[0].tolist() == [[1.0]]
    with pytest.raises(SpecError, match="wrong number of values. Expected: 3 values"):
        parse_observation("2016-01-01,oak", variables)


def test_printed_statistics_of_angles_and_categories_are_those_of_their_kind():
    draws = xr.Dataset(
        {
            "angle": (
                "draw",
                np.array([359.0, 1.0, 358.0, 2.0]),
                {"period": 360.0, "low": 0.0, "units": "deg"},
            ),
            "kind": ("draw", np.array([0.0, 2.0, 2.0, 2.0]), {"categories": 3, "labels": list(KIND.labels)}),
        }
    )
    rows = summary(draws)
    assert min(rows["angle"]["mean"], 360 - rows["angle"]["mean"]) < 1e-9 and rows["angle"]["sd"] < 2
    assert rows["kind"]["probabilities"] == {"ash": 0.25, "birch": 0.0, "oak": 0.75}


def test_the_default_observation_of_a_file_is_possible_and_named(run, tmp_path):
    from workbench.export.posterior import default_observation, default_sentence

    wb.save(run, tmp_path / "model.zip")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = wb.load(tmp_path / "model.zip")  # without the table
        posterior = model.posterior(default_observation(model))
    assert posterior.observation[2] % 1 == 0
    sentence = default_sentence(model)
    assert "the mean of the training's observations, time = 201" in sentence and "count = 4" in sentence


def test_quantiles_of_categories_are_told_or_refused():
    from workbench.inference import averages

    kind, width = Variable("kind", categories=3, labels=("ash", "fir", "oak")), Variable("width")
    averages.tell_categories((width,))
    with pytest.warns(DataWarning, match="categories of 'kind' are in no order and have no quantiles"):
        averages.tell_categories((width, kind))
    with pytest.raises(SpecError, match=r"have no quantiles.*'kind'.*probability of each"):
        averages.tell_categories((kind,))


def test_draws_in_a_csv_file_are_labels_and_dates_whose_density_can_be_evaluated(tmp_path):
    from workbench.export.posterior import write_samples
    from workbench.inference.datatree import to_dataset

    values = torch.tensor([[DAY, 2.0, 5.0], [DAY + 0.75, 0.0, 7.0]], dtype=torch.float64)
    frame = pd.read_csv(write_samples(to_dataset(values, (TIME, KIND, COUNT)), tmp_path / "draws.csv"))
    assert list(frame["time"]) == ["2016-01-01T00:00:00.000", "2016-01-01T18:00:00.000"]
    assert list(frame["kind"]) == ["oak", "ash"] and list(frame["count"]) == [5, 7]
    rows, _ = checked_rows(frame.drop(columns="draw"), (TIME, KIND, COUNT))
    np.testing.assert_allclose(rows, values.numpy())
