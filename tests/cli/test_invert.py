"""``workbench invert``: a run that predicts y is searched, and the search is kept in a file."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

import workbench as wb
from workbench.cli import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    run = wb.Run(
        wb.Experiment("sine_wave", "inn", steps=1, training={"samples": 200}),
        folder=tmp_path_factory.mktemp("inverted") / "run",
    )
    run.step()
    run.save()
    return run.folder.path


def test_a_run_is_inverted_and_the_search_is_kept(folder, tmp_path, capsys):
    out = tmp_path / "found.nc"
    words = ["invert", str(folder), "--observation", "0.5", "--set", "starts=8", "--set", "steps=60"]
    assert main([*words, "--out", str(out), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["inputs"] == ["x1", "x2"] and np.shape(answer["x"]) == (8, 2)
    with xr.open_dataset(out, engine="netcdf4") as search:
        np.testing.assert_allclose(search["x"].values[-1], answer["x"])
        assert search.attrs["sentence"] == answer["sentence"]
    assert main(words) == 0
    assert answer["sentence"] in capsys.readouterr().out


@pytest.mark.parametrize(
    "words, sentence",
    [
        (["--method", "gradients"], "Did you mean 'gradient'"),
        (["--set", "start=3"], "Did you mean 'starts'"),
        (["--set", "starts"], "name=value"),
        (["--out", "found.csv"], "ends in .nc"),
    ],
)
def test_mistakes_are_answered_with_a_sentence(folder, capsys, words, sentence):
    assert main(["invert", str(folder), "--observation", "0.5", *words]) == 2
    assert sentence in capsys.readouterr().err
