"""A model without its problem names the argument that brings it; a notebook says that it needs a file."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import workbench as wb
from workbench import export
from workbench.core.errors import ExportError, SpecError
from workbench.export.notebook import notebook

SETTINGS = {"samples": 64, "batch_size": 32}
NUMBERS = np.random.default_rng(0).normal(size=(64, 2))


def simulator() -> wb.SimulatorProblem:
    prior = {"a": torch.distributions.Normal(0.0, 1.0)}
    return wb.SimulatorProblem(prior, lambda x: x + 0.1 * torch.randn(len(x), 1))


def table() -> wb.TableProblem:
    return wb.TableProblem(pd.DataFrame(NUMBERS, columns=["a", "b"]), x=["a"], y=["b"])


def simulations() -> wb.SimulationsProblem:
    return wb.SimulationsProblem(NUMBERS[:, :1], NUMBERS[:, 1:], x=["a"], y=["b"])


def experiment(problem) -> wb.Experiment:
    return wb.Experiment(problem, "realnvp", training=SETTINGS, steps=2)


@pytest.mark.parametrize("make", [simulator, table, simulations])
def test_a_model_without_its_problem_names_the_argument(make, tmp_path):
    problem = make()
    wb.save(wb.Run(experiment(problem)).train(), tmp_path / "model.zip")
    model = wb.load(tmp_path / "model.zip")
    for call in (lambda: wb.refine(model, [0.1]), lambda: wb.diagnose(model)):
        with pytest.raises(SpecError, match=rf"problem=.*problem '{problem.key}'.*does not hold"):
            call()
    assert wb.diagnose(model, problem, only=["calibration"])["calibration"].attrs["verdict"]


@pytest.mark.parametrize("make", [table, simulations])
def test_a_notebook_of_rows_from_python_asks_for_a_file(make, tmp_path):
    own = experiment(make())
    with pytest.raises(ExportError, match=r"from Python.*table\.to_parquet"):
        notebook(own)
    with pytest.raises(ExportError, match=r"table\.to_parquet"):
        export.export(wb.Run(own).train(), "notebook", tmp_path / "notebook.ipynb")


def test_a_notebook_of_a_table_in_a_file_is_written(tmp_path):
    pd.DataFrame(NUMBERS, columns=["a", "b"]).to_parquet(tmp_path / "table.parquet")
    problem = wb.TableProblem(tmp_path / "table.parquet", x=["a"], y=["b"])
    assert "table.parquet" in notebook(experiment(problem))
