"""Vectors with coordinates: an observation is taken at the coordinates of its variables, or refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import workbench as wb
from workbench.core.errors import SpecError
from workbench.core.observation import checked_rows, checked_values
from workbench.core.variable import Variable
from workbench.training import RunFolder

Z = [10.0, 20.0, 40.0, 80.0]


@pytest.fixture(scope="module")
def data() -> xr.Dataset:
    rng = np.random.default_rng(0)
    a = rng.normal(size=100)
    profile = a[:, None] * np.arange(1, 5) + 0.1 * rng.normal(size=(100, 4))
    return xr.Dataset({"a": ("t", a), "prof": (("t", "z"), profile)}, coords={"z": Z})


@pytest.fixture(scope="module")
def run(data, tmp_path_factory) -> wb.Run:
    problem = wb.TableProblem(data, x=["a"], y=["prof"])
    settings = {"samples": 100, "batch_size": 50}
    experiment = wb.Experiment(problem, "realnvp", training=settings, steps=5)
    return wb.Run(experiment, folder=tmp_path_factory.mktemp("run")).train()


FORMS = {
    "Dataset": lambda o: o,
    "array": lambda o: o.prof,
    "array without a name": lambda o: o.prof.rename(None),
    "Series": lambda o: o.prof.to_series(),
}


def wholes(run, data, tmp_path):
    """The trained run, the run of its folder, and the exported model."""
    wb.save(run, tmp_path / "model.zip")
    return [run.fitted, RunFolder(run.folder.path).fitted(), wb.load(tmp_path / "model.zip")]


@pytest.mark.parametrize("form", FORMS)
def test_an_observation_in_another_order_is_the_same_one(run, data, form, tmp_path):
    row = data.isel(t=3)
    for network in wholes(run, data, tmp_path):
        for order in ([3, 2, 1, 0], [1, 3, 0, 2]):
            values = checked_values(FORMS[form](row.isel(z=order)), network.y)
            np.testing.assert_array_equal(values, row.prof.values)
        with pytest.raises(SpecError, match=r"another grid.*z = 10\. Found: z = 100"):
            network.posterior(FORMS[form](row.assign_coords(z=[100.0, 200.0, 400.0, 800.0])))


def test_many_observations_in_any_order_of_their_dimensions(run, data):
    rows, many = checked_rows(data.isel(t=[5, 6], z=[2, 0, 3, 1]).transpose("z", "t"), run.problem.y)
    assert many
    np.testing.assert_array_equal(rows, data.prof.values[[5, 6]])


def test_a_finer_grid_is_taken_at_the_coordinates(run, data):
    fine = data.isel(t=3).interp(z=[10, 15, 20, 30, 40, 60, 80])
    np.testing.assert_allclose(checked_values(fine, run.problem.y), data.prof.values[3])


def test_numbers_without_coordinates_are_taken_in_order(run, data):
    row = data.isel(t=3).prof
    for values in (row.values, row.drop_vars("z"), pd.Series(row.values), row.rename(z="depth").values):
        np.testing.assert_array_equal(checked_values(values, run.problem.y), row.values)


def test_two_dimensions_and_texts():
    image = np.arange(600.0).reshape(100, 2, 3) ** 0.5 + np.random.default_rng(0).normal(size=(100, 2, 3))
    data = xr.Dataset(
        {"a": ("t", image[:, 0, 0] ** 2), "image": (("t", "band", "lat"), image)},
        coords={"band": ["red", "blue"], "lat": [50, 51, 52]},
    )
    y = wb.TableProblem(data, x=["a"], y=["image"]).y
    assert y[4].coordinates == (("band", "blue"), ("lat", 51.0))
    row = data.isel(t=0, band=[1, 0], lat=[2, 0, 1]).transpose("lat", "band")
    np.testing.assert_array_equal(checked_values(row, y), image[0].ravel())
    with pytest.raises(SpecError, match="band = 'red'"):
        checked_values(row.assign_coords(band=["green", "blue"]), y)


def test_coordinates_survive_a_description_and_are_no_part_of_equality():
    variable = Variable("prof_0", coordinates=(("z", 10), ("band", "red")))
    assert Variable.from_dict(variable.to_dict()).coordinates == (("z", 10.0), ("band", "red"))
    assert variable == Variable("prof_0")
    with pytest.raises(SpecError, match="coordinates"):
        Variable("prof_0", coordinates=3)
