"""Graphs and ONNX files: the model's numbers, without the workbench, and refusals with their reasons.

What each architecture declares in ``formats`` is measured over all of them in tests/architectures.
"""

from __future__ import annotations

import importlib.util
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.export.conftest import small_run
from workbench.architectures import ARCHITECTURES
from workbench.core.capability import Capability
from workbench.core.errors import ExportError
from workbench.export import FORMATS, export, graph, onnx
from workbench.export.formats import FUNCTIONS, functions_of
from workbench.export.program import Program, compare

needs_onnx = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in FORMATS["onnx"].packages),
    reason="the extra export is missing",
)

GRAPHS = """
import json, sys, torch
def run(path, inputs):
    files = {"manifest.json": ""}
    program = torch.export.load(path, extra_files=files).module()
    output = program(*(torch.tensor(value, dtype=torch.float64) for value in inputs.values()))
    return output.tolist(), json.loads(files["manifest.json"])
"""
ONNX_FILES = """
import json, sys, numpy, onnxruntime
def run(path, inputs):
    session = onnxruntime.InferenceSession(path)
    about = session.get_modelmeta().custom_metadata_map["manifest.json"]
    inputs = {name: numpy.array(value, dtype="float64") for name, value in inputs.items()}
    return session.run(None, inputs)[0].tolist(), json.loads(about)
"""
ALONE = """
outputs = [run(path, inputs) for path, inputs in json.loads(sys.stdin.read())]
assert not [m for m in sys.modules if m.startswith(sys.argv[1])]
print(json.dumps(outputs))
"""
TOLERANCE = {"rtol": 1e-4, "atol": 1e-4}


def in_fresh_process(code: str, absent: str, jobs: list) -> list[tuple]:
    """Outputs and descriptions of programs, from a process without the workbench."""
    command = [sys.executable, "-c", code + ALONE, absent]
    process = subprocess.run(
        command, input=json.dumps(jobs), capture_output=True, text=True, cwd=jobs[0][0].rpartition("/")[0]
    )
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


def export_with_inputs(model, format: str, path: Path, function: str) -> tuple[list, torch.Tensor]:
    """A file with inputs for it, and the model's own output at these."""
    export(model, format, path, function=function)
    value = torch.randn(9, model.model.latent_features if function == "inverse" else len(model.x))
    y = torch.randn(9, len(model.y)) if model.y else None
    inputs = {FUNCTIONS[function][0]: value.tolist()}
    if model.y and function != "predict":
        inputs["y"] = y.tolist()
    output = model.predict(value) if function == "predict" else getattr(model, function)(value, y)
    return [str(path), inputs], (output if function in ("predict", "log_prob") else output[0]).detach()


USUAL = ("realnvp", "neural_spline_coupling", "maf", "inn")
OTHERS = tuple(key for key in ARCHITECTURES.keys() if key not in USUAL)


@pytest.mark.parametrize(
    "family", [pytest.param(USUAL, id="usual"), pytest.param(OTHERS, id="others", marks=pytest.mark.slow)]
)
def test_graphs_need_no_workbench(tmp_path, family):
    jobs, references, keys = [], [], []
    for key in family:
        if ARCHITECTURES[key].formats["graph"]:
            continue  # its refusal has a test of its own, below
        job, answer = export_with_inputs(small_run(key).fitted, "graph", tmp_path / f"{key}.pt2", "inverse")
        jobs.append(job), references.append(answer), keys.append(key)
    for (output, about), answer, key in zip(
        in_fresh_process(GRAPHS, "workbench", jobs), references, keys, strict=True
    ):
        torch.testing.assert_close(torch.tensor(output, dtype=torch.float64), answer.double(), **TOLERANCE)
        assert about["experiment"]["architecture"]["key"] == key
        conditional = Capability.CONDITIONAL in ARCHITECTURES[key].capabilities
        assert [entry["name"] for entry in about["inputs"]] == (["z", "y"] if conditional else ["z"])
        assert about["output"]["name"] == "x"


@pytest.mark.parametrize(
    "key, function", [("realnvp", "latent"), ("realnvp", "log_prob"), ("inn", "latent"), ("inn", "predict")]
)
def test_the_other_functions(tmp_path, key, function):
    (path, inputs), reference = export_with_inputs(
        small_run(key).fitted, "graph", tmp_path / "model.pt2", function
    )
    output = torch.export.load(path).module()(
        *(torch.tensor(v, dtype=torch.float64) for v in inputs.values())
    )
    torch.testing.assert_close(output, reference.double(), **TOLERANCE)


@needs_onnx
def test_onnx_files_need_no_torch(tmp_path):
    keys = [
        ("realnvp", "linear_gaussian", "inverse"),
        ("nice", "two_moons", "log_prob"),
        ("inn", "linear_gaussian", "latent"),
    ]
    jobs, references = zip(
        *(
            export_with_inputs(small_run(key, problem).fitted, "onnx", tmp_path / f"{key}.onnx", function)
            for key, problem, function in keys
        ),
        strict=True,
    )
    for (output, about), answer, (_, _, function) in zip(
        in_fresh_process(ONNX_FILES, "torch", jobs), references, keys, strict=True
    ):
        torch.testing.assert_close(torch.tensor(output, dtype=torch.float64), answer.double(), **TOLERANCE)
        assert about["output"]["name"] == FUNCTIONS[function][1] and about["versions"]["torch"]


# ---- refusals
def test_an_unknown_format(tmp_path):
    with pytest.raises(ExportError, match="Did you mean 'onnx'"):
        export(small_run("realnvp"), "onyx", tmp_path / "model.onnx")


@pytest.mark.parametrize("key", ARCHITECTURES.keys())
@pytest.mark.parametrize("format", ["graph", "onnx"])
def test_what_is_declared_impossible_is_refused(tmp_path, key, format):
    reason = ARCHITECTURES[key].formats[format]
    assert FORMATS[format].refusal(key) == reason
    if reason:
        with pytest.raises(ExportError, match="cannot be written"):
            export(small_run(key), format, tmp_path / "model")


@pytest.mark.parametrize("format", ["graph", "onnx"])
def test_what_an_architecture_declares_is_the_reason(tmp_path, monkeypatch, format):
    monkeypatch.setitem(ARCHITECTURES["realnvp"].formats, format, "It solves an equation by bisection.")
    with pytest.raises(ExportError, match="solves an equation by bisection"):
        export(small_run("realnvp"), format, tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_a_missing_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "workbench.export.formats.find_spec", lambda name: None if name == "onnxruntime" else 1
    )
    with pytest.raises(ExportError, match=r"onnxruntime.*pip install 'vina-workbench\[export\]'"):
        export(small_run("realnvp"), "onnx", tmp_path / "model.onnx")


@pytest.mark.parametrize("key", ARCHITECTURES.keys())
def test_a_function_that_a_model_does_not_have(tmp_path, key):
    for function in set(FUNCTIONS) - set(functions_of(ARCHITECTURES[key].capabilities)):
        with pytest.raises(ExportError, match=f"has no function '{function}'; it has inverse"):
            export(small_run(key), "graph", tmp_path / "model.pt2", function=function)
    assert not list(tmp_path.iterdir())


def changed(program: Program) -> Program:
    with torch.no_grad():
        for parameter in program.model.parameters():
            parameter += 1e-2
    return program


def test_a_graph_that_differs_is_thrown_away(tmp_path, monkeypatch):
    honest = graph.trace
    monkeypatch.setattr(
        graph, "trace", lambda program: honest(changed(Program(small_run("nice").fitted, "inverse")))
    )
    with pytest.raises(ExportError, match="thrown away because it differs.*a deviation of"):
        export(small_run("nice"), "graph", tmp_path / "model.pt2")
    assert not list(tmp_path.iterdir())


def test_an_onnx_file_that_differs_is_thrown_away(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx.Onnx, "packages", ())
    monkeypatch.setattr(onnx, "_convert", lambda program, about: b"")
    monkeypatch.setattr(
        onnx, "_runtime", lambda program, data: changed(Program(small_run("nice").fitted, "inverse"))
    )
    with pytest.raises(ExportError, match="thrown away because it differs"):
        export(small_run("nice"), "onnx", tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_a_graph_for_one_number_of_rows_only_is_thrown_away(tmp_path, monkeypatch):
    def fixed(program: Program) -> torch.export.ExportedProgram:
        return torch.export.export(program, program.arguments(7), strict=False)

    monkeypatch.setattr(graph, "trace", fixed)
    with pytest.raises((ExportError, AssertionError, RuntimeError)):
        export(small_run("nice"), "graph", tmp_path / "model.pt2")
    assert not list(tmp_path.iterdir())


def test_what_torch_cannot_trace_is_said_in_a_sentence():
    program = Program(small_run("nice").fitted, "inverse")
    program.model.inverse = lambda z, y: (z[: int(z.sum() > 0)], None)
    with pytest.raises(ExportError, match="torch cannot trace this model") as error:
        graph.trace(program)
    assert len(str(error.value)) < 500 and "\n" not in str(error.value)


def test_export_says_nothing(tmp_path, capfd):
    export(small_run("nice"), "graph", tmp_path / "model.pt2")
    output = capfd.readouterr()
    assert output.out + output.err == ""


def test_a_description_in_units(model_file):
    from workbench.export.manifest import describe_program

    about = describe_program(small_run("realnvp").fitted, ["z", "y"], "x")
    assert [column["name"] for column in about["output"]["columns"]] == ["x1", "x2", "x3"]
    assert about["inputs"][0] == {"name": "z", "columns": 3, "distribution": "standard normal"}
    json.dump(about, io.StringIO())


class Answers:
    """A program with given answers; ``broken`` of its rows are not finite."""

    output, inputs = "log_prob", ["x"]

    def __init__(self, broken: float):
        self.broken = broken

    def arguments(self, rows, seed=0):
        return (torch.linspace(0, 1, rows, dtype=torch.float64),)

    def __call__(self, x):
        return torch.where(torch.arange(len(x)) < self.broken * len(x), torch.nan, x)

    def in_network_units(self, output):
        return output, 0.0


def test_a_model_without_finite_answers_is_not_the_exporters_fault():
    half, none = Answers(0.5), Answers(1.0)
    assert compare("ONNX", half, half, 1e-6) == 0.0
    with pytest.raises(ExportError, match="the model itself does not answer with finite numbers"):
        compare("ONNX", none, none, 1e-6)
    with pytest.raises(ExportError, match="because it differs"):
        compare("ONNX", half, lambda x: half(x) + 0.1, 1e-6)
    with pytest.raises(ExportError, match="because it differs"):
        compare("ONNX", Answers(0.0), half, 1e-6)
