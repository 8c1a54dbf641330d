"""A finished run is not overwritten by another one unless that is asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import workbench as wb
from workbench.core.errors import RunError
from workbench.training import RunFolder

SETTINGS = {"samples": 64, "batch_size": 16}
NUMBERS = np.random.default_rng(0).normal(size=(64, 2))


def experiment(problem="two_moons", **changes) -> wb.Experiment:
    return wb.Experiment(problem, "realnvp", training=SETTINGS, **{"steps": 3, **changes})


def content(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def table(factor: float = 1.0) -> wb.TableProblem:
    return wb.TableProblem(pd.DataFrame(factor * NUMBERS, columns=["a", "b"]), x=["a"], y=["b"])


@pytest.fixture
def folder(tmp_path) -> Path:
    wb.Run(experiment(), folder=tmp_path / "run").train()
    return tmp_path / "run"


@pytest.mark.parametrize("changes", [{"problem": "linear_gaussian"}, {"seed": 1}, {"steps": 2}])
def test_another_run_is_refused_and_nothing_changes(folder, changes):
    before = content(folder)
    other = experiment(**changes)
    with pytest.raises(RunError, match=r"holds another run.*step 3.*overwrite=True"):
        wb.Run(other, folder=folder)
    run = wb.Run(other)
    with pytest.raises(RunError, match="holds another run"):
        run.train().save(folder)
    assert content(folder) == before
    assert run.folder is None


def test_overwrite_leaves_nothing_of_the_former_run(folder):
    run = wb.Run(experiment("linear_gaussian"), folder=folder, overwrite=True)
    assert not RunFolder(folder).has_checkpoint
    run.train()
    assert wb.Run.resume(folder).problem.key == "linear_gaussian"
    assert [record.iteration for record in RunFolder(folder).history()] == [1, 2, 3]
    wb.Run(experiment()).train().save(folder, overwrite=True)
    assert wb.Run.resume(folder).problem.key == "two_moons"


def test_the_same_experiment_may_be_trained_again(folder):
    first = RunFolder(folder).open().model.state_dict()
    wb.Run(experiment(), folder=folder).train()
    for name, value in RunFolder(folder).open().model.state_dict().items():
        assert (value == first[name]).all(), name


def test_a_run_beyond_its_planned_steps_is_not_replaced_by_a_new_one(folder):
    run = wb.Run.resume(folder)
    run.step()
    run.save()
    with pytest.raises(RunError, match="step 4"):
        wb.Run(experiment(), folder=folder)


def test_an_opened_run_may_be_saved_where_it_comes_from(folder):
    run = RunFolder(folder).open()
    run.step()
    run.save(folder)
    assert RunFolder(folder).open().iteration == 4


def test_own_data_count_as_part_of_the_experiment(tmp_path):
    wb.Run(experiment(table()), folder=tmp_path).train()
    wb.Run(experiment(table()), folder=tmp_path).train()
    with pytest.raises(RunError, match="holds another run"):
        wb.Run(experiment(table(2.0)), folder=tmp_path)


def test_a_folder_without_a_checkpoint_is_accepted(tmp_path):
    wb.Run(experiment(), folder=tmp_path)
    assert wb.Run(experiment("linear_gaussian"), folder=tmp_path).train().iteration == 3
