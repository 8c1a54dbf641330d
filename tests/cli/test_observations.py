"""Observations on the command line: negative numbers, names, files with one row or many."""

from __future__ import annotations

import argparse
import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import workbench as wb
from tests.export.conftest import small_run
from workbench.cli import main
from workbench.cli.arguments import joined
from workbench.cli.observations import observation
from workbench.core.errors import SpecError
from workbench.core.variable import Variable


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run on a table with two observed columns, one of them with a comma in its name."""
    generator = np.random.default_rng(0)
    a = generator.normal(size=400)
    noise = generator.normal(size=(2, 400))
    table = pd.DataFrame({"a": a, "b": a + 0.1 * noise[0], "flux (mJy, 3 GHz)": noise[1] - 5})
    experiment = wb.Experiment(
        wb.TableProblem(table, x=["a"], y=["b", "flux (mJy, 3 GHz)"]),
        {"key": "realnvp", "settings": {"transforms": 2, "width": 6, "depth": 1}},
        training={"samples": 400, "measured": []},
        steps=3,
    )
    run = wb.Run(experiment, device="cpu")
    for _ in run:
        pass
    return run.save(tmp_path_factory.mktemp("runs") / "run").path


@pytest.fixture
def shell(capsys):
    def run(*words) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([str(word) for word in words])
        output = capsys.readouterr()
        return code, output.out, output.err

    return run


def sample(shell, folder, *words) -> dict:
    code, out, err = shell("sample", folder, "--draws", 12, "--json", *words)
    assert code == 0, err
    return json.loads(out)


@pytest.mark.parametrize(
    "words",
    [
        ("--observation", "-1.5,-5"),
        ("--observation", "-15e-1,-.5e1"),
        ("--observation=-1.5,-5",),
        ("--observation", "\u22121.5;\u22125"),
        ("--observation", 'b=-1.5,"flux (mJy, 3 GHz)"=-5'),
        ("--observation", '"flux (mJy, 3 GHz)" = -5, b = -1.5'),
    ],
)
def test_negative_numbers_and_names_are_the_observation(shell, folder, words):
    answer = sample(shell, folder, *words)
    assert answer["observation"] == [-1.5, -5.0]
    draws = wb.Run.resume(folder).posterior([-1.5, -5.0]).sample(12)
    assert answer["variables"]["a"]["mean"] == pytest.approx(float(draws["a"].mean()), rel=1e-12)


def test_only_numbers_are_joined_to_the_option_before_them():
    words = ["sample", "run", "--observation", "-1.5,0", "--json", "--draws", "5", "--out", "-x", "-", "-1"]
    assert joined(words)[2:4] == ["--observation=-1.5,0", "--json"]
    assert joined(words)[-3:] == ["-x", "-", "-1"]
    assert joined(["--a", "-.5", "--b", "-inf", "--c=1", "-2"]) == ["--a=-.5", "--b=-inf", "--c=1", "-2"]


@pytest.mark.parametrize("name", ["one.csv", "one.parquet", "one.nc", "one.json", "numbers.txt"])
def test_a_file_holds_the_observation_by_name_or_numbers_in_order(shell, folder, tmp_path, name):
    path, row = tmp_path / name, pd.DataFrame({"other": [1.0], "flux (mJy, 3 GHz)": [-5.0], "b": [-1.5]})
    if name == "one.csv":
        row.to_csv(path, index=False)
    elif name == "one.parquet":
        row.to_parquet(path)
    elif name == "one.nc":
        xr.Dataset.from_dataframe(row).to_netcdf(path)
    elif name == "one.json":
        path.write_text(json.dumps({"flux (mJy, 3 GHz)": -5.0, "b": -1.5}))
    else:
        path.write_text("# b, flux\n-1.5  -5\n")
    answer = sample(shell, folder, "--observation-file", path)
    assert np.ravel(answer["observation"]).tolist() == [-1.5, -5.0]


def test_a_file_with_many_rows_gives_many_posteriors_and_files_of_them(shell, folder, tmp_path):
    table = pd.DataFrame({"flux (mJy, 3 GHz)": [-5.0, -4.0, -6.0], "b": [-1.5, 0.0, 1.0]})
    table.to_csv(tmp_path / "many.csv", index=False)
    answer = sample(
        shell, folder, "--observation-file", tmp_path / "many.csv", "--out", tmp_path / "draws.nc"
    )
    posterior = wb.Run.resume(folder).posterior(table)
    draws = posterior.sample(12)
    assert [row["variables"]["a"]["mean"] for row in answer["observations"]] == pytest.approx(
        draws["a"].mean("draw").values.tolist()
    )
    with xr.open_dataset(tmp_path / "draws.nc") as file:
        np.testing.assert_array_equal(file["a"], draws["a"])
        np.testing.assert_array_equal(file["b"], table["b"])
    code, out, _ = shell(
        "sample", folder, "--observation-file", tmp_path / "many.csv", "--out", tmp_path / "draws.csv"
    )
    assert code == 0 and "at b = -1.5, flux (mJy, 3 GHz) = -5" in out
    rows = pd.read_csv(tmp_path / "draws.csv")
    assert list(rows.columns) == ["observation", "draw", "a", "b", "flux (mJy, 3 GHz)"] and len(rows) == 3000
    tree = tmp_path / "tree.nc"
    code, _, err = shell(
        "export", folder, "--format", "posterior", "--observation-file", tmp_path / "many.csv", "--out", tree
    )
    assert code == 0, err
    with xr.open_datatree(tree) as file:
        assert file["posterior"]["a"].dims == ("chain", "draw", "observation")


@pytest.mark.parametrize(
    "words, sentence",
    [
        (("--observation", "b=1"), "no value for 'flux (mJy, 3 GHz)'"),
        (("--observation", "b=one,c=2"), "a number for 'b'. Found: b = 'one'"),
        (("--observation", "1,2", "--observation-file", "x.csv"), "not allowed with"),
        (("--observation-file", "nowhere.csv"), "nothing at nowhere.csv"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(shell, folder, words, sentence):
    code, _, err = shell("sample", folder, *words)
    assert code == 2 and sentence in " ".join(err.split())


def test_other_commands_take_one_row(shell, folder, tmp_path):
    pd.DataFrame({"b": [0.0, 1.0], "flux (mJy, 3 GHz)": [-5.0, -4.0]}).to_csv(
        tmp_path / "two.csv", index=False
    )
    words = ("diagnose", folder, "--only", "out_of_distribution", "--observation-file", tmp_path / "two.csv")
    code, _, err = shell(*words)
    assert code == 2 and "a table with one row. Found: 2 rows" in err
    density = small_run("realnvp", "two_moons")
    folder = density.save(tmp_path / "density").path
    code, _, err = shell("sample", folder, "--observation", "1,2")
    assert code == 2 and "This model has no observation" in err


@pytest.mark.parametrize(
    ("text", "count", "line"),
    [("1,5;2,5", 2, "1.5,2.5"), ("1,5 -2", 2, "1.5,-2"), ("1,5", 1, "1.5"), ("a=1,5", 1, "1.5")],
)
def test_decimal_commas_are_answered_with_the_numbers_to_write(text, count, line):
    variables = [Variable(name) for name in "abcd"[:count]]
    args = argparse.Namespace(observation=text, observation_file=None)
    with pytest.raises(SpecError) as error:
        observation(args, variables)
    assert error.value.suggestion == f"write --observation {line}"


@pytest.mark.parametrize(("text", "values"), [("1,5;2,5", [1, 5, 2, 5]), ("1,5", [1, 5]), ("1;5", [1, 5])])
def test_commas_between_numbers_stay_separators(text, values):
    args = argparse.Namespace(observation=text, observation_file=None)
    assert observation(args, [Variable(name) for name in "abcd"[: len(values)]]) == values
