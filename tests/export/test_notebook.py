"""Notebooks that repeat an experiment: valid, without outputs, and they run."""

from __future__ import annotations

import json

import pytest

import workbench as wb
from tests.export.conftest import SMALL, small_run
from workbench.core.errors import ExportError
from workbench.export import export, notebook


def experiment(problem: str, **training) -> wb.Experiment:
    return wb.Experiment(
        problem, {"key": "realnvp", "settings": SMALL}, training={"samples": 256, **training}, steps=3
    )


@pytest.mark.parametrize("problem", ["two_moons", "linear_gaussian", "eight_modes"])
def test_a_notebook_runs_and_repeats_the_experiment(problem, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    nbformat = pytest.importorskip("nbformat")
    reference = experiment(problem, learning_rate=0.01)
    cells = nbformat.reads(notebook(reference), as_version=4).cells
    names: dict = {}
    for cell in cells:
        if cell.cell_type == "code":
            exec(compile(cell.source, "cell", "exec"), names)
    assert names["experiment"] == reference and names["run"].iteration == 3
    assert len(names["samples"]["draw"]) == 1000 and (tmp_path / "model.zip").exists()


def test_the_file_is_valid_and_the_same_each_time(tmp_path):
    nbformat = pytest.importorskip("nbformat")
    first, second = (
        export(small_run("realnvp"), "notebook", tmp_path / name) for name in ("a.ipynb", "b.ipynb")
    )
    assert first.read_bytes() == second.read_bytes()
    document = nbformat.read(first, as_version=4)
    nbformat.validate(document)
    assert len({cell.id for cell in document.cells}) == len(document.cells)
    assert not [
        cell for cell in document.cells if cell.cell_type == "code" and (cell.outputs or cell.execution_count)
    ]


def test_what_cannot_be_repeated_is_refused(tmp_path):
    with pytest.raises(ExportError, match="Draw at least"):
        notebook(wb.Experiment("drawn", "realnvp"))
    model = small_run("realnvp").fitted
    model.manifest = json.loads(json.dumps(model.manifest))
    model.manifest["experiment"]["problem"] = {"key": "simulator", "settings": {}}
    with pytest.raises(ExportError, match="functions do not travel"):
        export(model, "notebook", tmp_path / "a.ipynb")
    model.manifest["experiment"]["problem"] = {"key": "table", "settings": {}}
    with pytest.raises(ExportError, match="table"):
        export(model, "notebook", tmp_path / "a.ipynb")
    assert not list(tmp_path.iterdir())
