"""Draws as files: what was drawn is what is read, and ArviZ finds its groups."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tests.export.conftest import small_run
from workbench.core.errors import ExportError
from workbench.export.posterior import summary, to_datatree, write_samples


@pytest.fixture
def draws() -> xr.Dataset:
    return small_run("realnvp").posterior([0.5]).sample(40)


def test_netcdf_keeps_numbers_units_and_the_observation(draws, tmp_path):
    path = write_samples(draws, tmp_path / "new" / "draws.nc")
    with xr.open_dataset(path) as found:
        xr.testing.assert_identical(found.load().drop_attrs(), draws.drop_attrs())
        assert found["x1"].attrs == draws["x1"].attrs
        assert np.atleast_1d(found.attrs["observation"]).tolist() == [0.5]


def test_csv_has_a_row_a_draw(draws, tmp_path):
    found = pd.read_csv(write_samples(draws, tmp_path / "draws.csv"))
    assert list(found.columns) == ["draw", "x1", "x2", "x3"]
    np.testing.assert_allclose(found["x2"], draws["x2"])


def test_arviz_finds_its_groups(draws, tmp_path):
    path = write_samples(draws, tmp_path / "draws.nc", arviz=True)
    with xr.open_datatree(path) as found:
        assert set(found.children) == {"posterior", "observed_data"}
        assert dict(found["posterior"].sizes) == {"chain": 1, "draw": 40}
        np.testing.assert_array_equal(found["posterior"]["x1"][0], draws["x1"])
        assert float(found["observed_data"]["y1"]) == 0.5


def test_without_an_observation_there_is_no_such_group():
    assert set(to_datatree(small_run("realnvp", "two_moons").sample(3)).children) == {"posterior"}


@pytest.mark.parametrize("name, arviz", [("draws.pkl", False), ("draws", False), ("draws.csv", True)])
def test_other_endings_are_refused(draws, tmp_path, name, arviz):
    with pytest.raises(ExportError, match=r"Expected: \.nc"):
        write_samples(draws, tmp_path / name, arviz=arviz)
    assert not list(tmp_path.iterdir())


def test_the_summary_is_that_of_the_draws(draws):
    found = summary(draws)["x1"]
    assert (
        found["mean"] == pytest.approx(float(draws["x1"].mean()))
        and found["q05"] < found["median"] < found["q95"]
    )
