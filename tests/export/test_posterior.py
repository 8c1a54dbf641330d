"""Draws as files: what was drawn is what is read, and ArviZ finds its groups."""

from __future__ import annotations

import csv
import json
import warnings

import arviz_stats
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import workbench as wb
import workbench.export
from tests.export.conftest import small_run
from workbench.core.errors import ExportError, SpecError
from workbench.core.spreadsheet import escaped_frame, escaped_text, original_text
from workbench.export.posterior import summary, to_datatree, write_datatree, write_samples
from workbench.problems.user.readers import read_table


@pytest.fixture
def draws() -> xr.Dataset:
    return small_run("realnvp").posterior([0.5]).sample(40)


def test_netcdf_keeps_numbers_units_and_the_observation(draws, tmp_path):
    path = write_samples(draws, tmp_path / "new" / "draws.nc")
    with xr.open_dataset(path) as data:
        xr.testing.assert_identical(data.load().drop_attrs(), draws.drop_attrs())
        assert data["x1"].attrs == draws["x1"].attrs
        assert np.atleast_1d(data.attrs["observation"]).tolist() == [0.5]


def test_csv_has_a_row_a_draw(draws, tmp_path):
    table = pd.read_csv(write_samples(draws, tmp_path / "draws.csv"))
    assert list(table.columns) == ["draw", "x1", "x2", "x3"]
    np.testing.assert_allclose(table["x2"], draws["x2"])


#: Names that a spreadsheet would run, and some that it would not.
FORMULAS = [
    "=1+1",
    "+1",
    "-x",
    "@SUM(A1)",
    "\t=1",
    " =1",
    "＝1",
    "'=1",
    "''-1",
    '=HYPERLINK("http://evil.example","a")',
]
HARMLESS = ["x", "a=b", "'x", "x-1", "ε"]


@pytest.mark.parametrize("name", FORMULAS + HARMLESS)
def test_a_heading_is_no_formula_and_is_read_back(tmp_path, name):
    values = np.array([-1.5, 2.0e-300, 3.25])
    draws = xr.Dataset({name: ("draw", values)}, attrs={"observation": [], "observation_names": []})
    path = write_samples(draws, tmp_path / "draws.csv")
    with open(path, newline="", encoding="utf-8") as stream:
        heading, first, *_ = csv.reader(stream)
    assert (heading[1] != name) == (name in FORMULAS) and heading[1].lstrip()[:1] not in (
        "=",
        "+",
        "-",
        "@",
        "＝",
    )
    assert first[1] == "-1.5"  # a number
    assert original_text(heading[1]) == name and escaped_text(name) == heading[1]
    frame = read_table(path).frame
    assert frame.columns[1].strip() == name.strip()
    np.testing.assert_array_equal(frame.iloc[:, 1], values)


def test_texts_are_no_formulas():
    frame = escaped_frame(pd.DataFrame({"=a": ["=1", "b", None], "c": [-1.0, 2.0, np.nan], "+d": [-1, 2, 3]}))
    assert list(frame.columns) == ["'=a", "c", "'+d"] and frame["'=a"].tolist()[:2] == ["'=1", "b"]
    assert frame["c"].dtype == np.float64 and frame["'+d"].tolist() == [-1, 2, 3] and frame["'=a"].isna()[2]


def test_arviz_finds_its_groups(draws, tmp_path):
    path = write_samples(draws, tmp_path / "draws.nc", arviz=True)  # draws alone, without their model
    with xr.open_datatree(path) as tree:
        assert set(tree.children) == {"posterior", "observed_data"}
        assert dict(tree["posterior"].sizes) == {"chain": 1, "draw": 40}
        np.testing.assert_array_equal(tree["posterior"]["x1"][0], draws["x1"])
        assert float(tree["observed_data"]["y1"]) == 0.5


def test_the_tree_has_every_group_with_units_and_where_it_comes_from():
    run = small_run("realnvp")
    tree = run.posterior([0.5]).to_datatree(40, chains=2, seed=3)
    assert set(tree.children) == {
        "posterior",
        "sample_stats",
        "prior",
        "prior_predictive",
        "posterior_predictive",
        "observed_data",
    }
    assert dict(tree["posterior"].sizes) == dict(tree["sample_stats"].sizes) == {"chain": 2, "draw": 20}
    # the same draws as from sample, and the density of each
    flat = run.posterior([0.5]).sample(40, seed=3)
    np.testing.assert_array_equal(tree["posterior"]["x2"].values.ravel(), flat["x2"])
    x = np.stack([flat[name].values for name in ("x1", "x2", "x3")], 1)
    np.testing.assert_allclose(
        tree["sample_stats"]["lp"].values.ravel(), run.posterior([0.5]).log_prob(x).numpy(), atol=1e-5
    )
    # without noise the prediction is A x of each draw
    mean = x @ run.problem.parts.operator.numpy().T
    np.testing.assert_allclose(tree["posterior_predictive"]["y1"].values.ravel(), mean[:, 0], atol=1e-6)
    prior, spread = run.posterior([0.5]).to_datatree(4000)["prior"], run.problem.parts.covariance[0, 0] ** 0.5
    assert float(prior["x1"].std()) == pytest.approx(float(spread), rel=0.1)
    for group in (tree, *tree.children.values()):
        assert group.attrs["inference_library"] == "vina-workbench" and group.attrs["seed"] == 3
        assert json.loads(group.attrs["experiment"])["problem"]["key"] == "linear_gaussian"
    assert json.loads(tree.attrs["left_out"]) == {} and "warnings" not in tree.attrs


def test_units_stand_at_every_variable_and_weights_are_the_ratio_of_densities():
    run = small_run("realnvp", "inverse_ballistics")
    tree = run.posterior([5.0]).to_datatree(8)
    sides = {"posterior": "x", "prior": "x", "posterior_predictive": "y", "observed_data": "y"}
    for group, name in sides.items():
        variables = getattr(run.problem, name)
        assert {v: d.attrs["units"] for v, d in tree[group].data_vars.items()} == {
            v.name: v.unit for v in variables
        }
    run = small_run("realnvp", "gaussian_linear")
    stats = run.posterior(run.problem.default_observation).to_datatree(8)["sample_stats"]
    np.testing.assert_allclose(stats["log_weight"], stats["log_joint"] - stats["lp"])
    assert stats["lp"].attrs["units"] == "nat"


def test_what_a_model_cannot_give_is_left_out_and_said(model_file):
    alone = wb.load(model_file)
    alone.manifest = {}
    tree = alone.posterior([0.5]).to_datatree(8)
    assert set(tree.children) == {"posterior", "sample_stats", "observed_data"}
    assert "does not carry the problem" in json.loads(tree.attrs["left_out"])["prior"]
    # from the file itself the problem is made anew
    assert "prior" in wb.load(model_file).posterior([0.5]).to_datatree(8).children
    with pytest.raises(SpecError, match="chains of equal length"):
        alone.posterior([0.5]).to_datatree(10)


@pytest.mark.parametrize("name", ["tree.nc", "tree.zarr"])
def test_arviz_opens_either_file_and_its_summary_runs(name, tmp_path):
    run = small_run("realnvp")
    path = write_datatree(run.posterior([0.5]).to_datatree(400), tmp_path / name)
    if name.endswith(".zarr"):  # a second time over the first
        assert write_datatree(run.posterior([0.5]).to_datatree(400), path) == path
    with xr.open_datatree(path, engine="zarr" if name.endswith(".zarr") else None) as tree:
        table = arviz_stats.summary(tree)
        assert list(table.index) == ["x1", "x2", "x3"]
        assert float(table["r_hat"].astype(float).max()) < 1.05
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its coming refactoring
            import arviz

        inference = arviz.InferenceData.from_datatree(tree)
        older = arviz.summary(inference)
    assert set(inference.groups()) >= {"posterior", "prior", "sample_stats", "observed_data"}
    draws = run.posterior([0.5]).sample(400)
    for variable in ("x1", "x2", "x3"):
        assert float(older.loc[variable, "mean"]) == pytest.approx(float(draws[variable].mean()), abs=2e-3)
        assert float(older.loc[variable, "ess_bulk"]) > 200


def test_a_store_is_not_written_over_something_else(tmp_path):
    (tmp_path / "notes.zarr").mkdir()
    (tmp_path / "notes.zarr" / "mine.txt").write_text("keep")
    with pytest.raises(ExportError, match="over something else"):
        write_datatree(small_run("realnvp").posterior([0.5]).to_datatree(8), tmp_path / "notes.zarr")
    with pytest.raises(ExportError, match=r"\.nc or \.zarr"):
        write_datatree(xr.DataTree(), tmp_path / "tree.csv")


def test_the_export_format_writes_at_the_observation_that_is_asked_for(tmp_path):
    run = small_run("realnvp")
    with xr.open_datatree(wb.export.export(run, "posterior", tmp_path / "a.nc")) as tree:
        assert float(tree["observed_data"]["y1"]) == run.problem.default_observation[0]
    path = wb.export.export(run, "posterior", tmp_path / "b.nc", observation=(0.25,))
    with xr.open_datatree(path) as tree:
        assert float(tree["observed_data"]["y1"]) == 0.25
    plain = wb.export.export(small_run("realnvp", "two_moons"), "posterior", tmp_path / "c.nc")
    with xr.open_datatree(plain) as tree:
        assert set(tree.children) == {"posterior"}


def test_without_an_observation_there_is_no_such_group():
    assert set(to_datatree(small_run("realnvp", "two_moons").sample(3)).children) == {"posterior"}


@pytest.mark.parametrize("name, arviz", [("draws.pkl", False), ("draws", False), ("draws.csv", True)])
def test_other_endings_are_refused(draws, tmp_path, name, arviz):
    with pytest.raises(ExportError, match=r"Expected: \.nc"):
        write_samples(draws, tmp_path / name, arviz=arviz)
    assert not list(tmp_path.iterdir())


def test_the_summary_is_that_of_the_draws(draws):
    statistics = summary(draws)["x1"]
    assert (
        statistics["mean"] == pytest.approx(float(draws["x1"].mean()))
        and statistics["q05"] < statistics["median"] < statistics["q95"]
    )
