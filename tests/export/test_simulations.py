"""Simulations as a Zarr dataset: the same whatever interrupts them, with units, and a table to train on."""

from __future__ import annotations

import errno
import json
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

import workbench as wb
from workbench.cli import main
from workbench.core.errors import DataError, ExportError
from workbench.export import simulations
from workbench.export.simulations import simulate
from workbench.problems import PROBLEMS

DRAWS, CHUNK = 1050, 200  # six chunks, the last one short


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "arm.zarr"
    simulate("inverse_kinematics", DRAWS, path, chunk=CHUNK, seed=3)
    return path


def numbers(path) -> xr.Dataset:
    with xr.open_zarr(path, chunks=None) as data:
        return data.load()


def test_xarray_opens_it_with_units_and_provenance(whole):
    columns = numbers(whole)
    assert columns.sizes == {"draw": DRAWS}
    assert columns["rail_height"].attrs["units"] == "m" and columns["joint_1"].attrs["units"] == "rad"
    assert columns["horizontal"].attrs["long_name"].startswith("Horizontal position")
    assert columns.attrs["problem"] == "inverse_kinematics" and columns.attrs["seed"] == 3
    assert json.loads(columns.attrs["settings"]) == {"convention": "code"}


def test_chunks_are_draws_of_the_problem_and_differ(whole):
    columns, problem = numbers(whole), PROBLEMS.make("inverse_kinematics")
    x = torch.from_numpy(np.stack([columns[v.name].values for v in problem.x], 1))
    y = problem.simulate(x, torch.Generator())
    np.testing.assert_allclose(y[:, 0], columns["horizontal"], rtol=1e-12)
    first = simulations.chunk_of(problem, 0, CHUNK, 3).x
    np.testing.assert_array_equal(x[:CHUNK], first)
    assert len(np.unique(x[:, 0])) == DRAWS
    assert not torch.equal(first, simulations.chunk_of(problem, 0, CHUNK, 4).x)


def test_a_longer_dataset_begins_with_a_shorter_one(whole, tmp_path):
    simulate("inverse_kinematics", 250, tmp_path / "short.zarr", chunk=CHUNK, seed=3)
    xr.testing.assert_equal(numbers(whole).isel(draw=slice(250)), numbers(tmp_path / "short.zarr"))


KILLED = """
import os, signal, sys
from workbench.export import simulations
write = simulations._write
def dies(store, problem, drawn, start, rows):
    write(store, problem, drawn, start, rows // 2 if start >= 600 else rows)
    if start >= 600:  # half of a chunk lies on the disk
        os.kill(os.getpid(), signal.SIGKILL)
simulations._write = dies
simulations.simulate("inverse_kinematics", 1050, sys.argv[1], chunk=200, seed=3)
"""


def test_killed_in_the_middle_of_a_chunk_and_resumed_it_is_the_same(whole, tmp_path):
    path = tmp_path / "arm.zarr"
    process = subprocess.run([sys.executable, "-c", KILLED, str(path)], capture_output=True)
    assert process.returncode == -signal.SIGKILL
    assert not path.exists() and (tmp_path / "arm.zarr.part").is_dir()
    result = simulate("inverse_kinematics", DRAWS, path, chunk=CHUNK, seed=3)
    assert (result.chunks, result.resumed) == (6, 3)
    xr.testing.assert_identical(numbers(path), numbers(whole))
    assert [p.name for p in tmp_path.iterdir()] == ["arm.zarr"]


def test_a_full_disk_is_said_and_nothing_finished_is_lost(whole, tmp_path, monkeypatch):
    path, write = tmp_path / "arm.zarr", simulations._write

    def full(store, problem, samples, start, rows):
        if start >= 400:
            write(store, problem, samples, start, rows // 2)
            raise OSError(errno.ENOSPC, "No space left on device")
        write(store, problem, samples, start, rows)

    monkeypatch.setattr(simulations, "_write", full)
    with pytest.raises(ExportError, match="No space left") as error:
        simulate("inverse_kinematics", DRAWS, path, chunk=CHUNK, seed=3)
    assert "2 of 6 chunks" in str(error.value) and not path.exists()
    monkeypatch.undo()
    assert simulate("inverse_kinematics", DRAWS, path, chunk=CHUNK, seed=3).resumed == 2
    xr.testing.assert_identical(numbers(path), numbers(whole))


def test_a_finished_dataset_is_left_alone_and_another_request_is_refused(whole):
    before = (whole / "zarr.json").stat().st_mtime_ns
    assert simulate("inverse_kinematics", DRAWS, whole, chunk=CHUNK, seed=3).resumed == 6
    assert (whole / "zarr.json").stat().st_mtime_ns == before
    with pytest.raises(ExportError, match="seed"):
        simulate("inverse_kinematics", DRAWS, whole, chunk=CHUNK, seed=4)


def test_what_cannot_be_simulated_is_refused(tmp_path):
    for draws, chunk in ((0, 5), (5, 0), (2.5, 5), (True, 5)):
        with pytest.raises(DataError, match="whole number"):
            simulate("inverse_kinematics", draws, tmp_path / "a.zarr", chunk=chunk)
    with pytest.raises(ExportError, match="FILE.zarr"):
        simulate("inverse_kinematics", 5, tmp_path / "a.nc")
    table = wb.TableProblem(pd.DataFrame({"a": np.arange(60.0)}), x=["a"])
    with pytest.raises(DataError, match="no simulator"):
        simulate(table, 20, tmp_path / "a.zarr", chunk=10)
    assert not (tmp_path / "a.zarr").exists()


def test_it_is_a_table_that_knows_its_columns(whole):
    table = wb.TableProblem(whole)
    assert [v.name for v in table.x] == ["rail_height", "joint_1", "joint_2", "joint_3"]
    assert [v.label for v in table.y] == ["horizontal [m]", "vertical [m]"] and table.rows == DRAWS


def test_the_command_makes_it_and_trains_on_it(whole, tmp_path, capsys):
    path = tmp_path / "arm.zarr"
    words = ["--draws", str(DRAWS), "--chunk", str(CHUNK), "--seed", "3", "--out", str(path)]
    assert main(["simulate", "inverse_kinematics", *words, "--set", "convention=code", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["draws"], answer["chunks"], answer["resumed"]) == (DRAWS, 6, 0)
    xr.testing.assert_identical(numbers(path), numbers(whole))
    small = ["--set", "transforms=2", "--set", "width=8", "--steps", "3", "--out", str(tmp_path / "run")]
    assert main(["train", "--data", str(path), *small]) == 0
    assert [v.name for v in wb.Run.resume(tmp_path / "run").problem.y] == ["horizontal", "vertical"]
    assert main(["simulate", "simulator", "--out", str(path)]) == 2


def test_a_simulator_of_ones_own_is_written_too(tmp_path):
    problem = wb.SimulatorProblem(
        lambda n, generator: torch.rand(n, 1, generator=generator, dtype=torch.float64),
        lambda x: x + 0.1 * torch.randn(len(x), 1),
        [wb.Variable("a", unit="m")],
        [wb.Variable("b", unit="m")],
    )
    simulate(problem, 120, tmp_path / "one.zarr", chunk=50)
    columns = numbers(tmp_path / "one.zarr")
    assert 0.05 < float((columns["b"] - columns["a"]).std()) < 0.2 and columns.attrs["problem"] == "simulator"
