"""Format ``onnx``: one function of the model for runtimes in other languages, in browsers and on devices.

    session = onnxruntime.InferenceSession("model.onnx")
    x, = session.run(None, {"z": z, "y": y})         # float arrays with any number of rows, data units

Variables, units and versions stand in the metadata. Needs the extra ``export``; checked by onnxruntime.
"""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import torch

from workbench.core.errors import ExportError
from workbench.export.formats import ExportFormat
from workbench.export.graph import first_line, quiet, traced
from workbench.export.manifest import describe_program
from workbench.export.program import Program, compare
from workbench.training import FittedModel
from workbench.training.folder import write_whole

# the runtime's own kernels round differently, and a flow's layers amplify that
_TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-9}


class Onnx(ExportFormat):
    key = "onnx"
    title = "ONNX"
    summary = "One function of the model for runtimes in other languages, in browsers and on devices."
    suffix = ".onnx"
    packages = ("onnx", "onnxscript", "onnxruntime")
    extra = "export"
    one_function = True

    def write(self, fitted: FittedModel, path: Path, function: str = "inverse") -> dict[str, Any]:
        program = Program(fitted, function)
        about = describe_program(fitted, program.inputs, program.output)
        data = _converted(program, about)
        worst = compare(self.title, program, _runtime(program, data), _TOLERANCE[fitted.model.dtype])
        write_whole(path, data)
        return {"function": function, "inputs": program.inputs, "output": program.output, "deviation": worst}


def _converted(program: Program, about: dict[str, Any]) -> bytes:
    graph = traced(program)
    try:
        # the converter also prints
        with quiet("torch.onnx", "onnxscript", "onnx_ir"), contextlib.redirect_stdout(io.StringIO()):
            made = torch.onnx.export(
                graph,
                args=(),
                dynamo=True,
                verbose=False,
                input_names=program.inputs,
                output_names=[program.output],
            )
        message = made.model_proto
    except Exception as error:  # the converter raises many kinds; all of them mean the same to a user
        raise ExportError(
            "This model cannot be converted to ONNX",
            found=first_line(error),
            suggestion="export the graph or the weights instead",
        ) from error
    entry = message.metadata_props.add()
    entry.key, entry.value = "manifest.json", json.dumps(about)
    return message.SerializeToString()


def _runtime(program: Program, data: bytes):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    used = {entry.name for entry in session.get_inputs()}

    def run(*arguments: torch.Tensor) -> torch.Tensor:
        named = dict(zip(program.inputs, arguments, strict=True))
        return torch.from_numpy(session.run(None, {k: v.numpy() for k, v in named.items() if k in used})[0])

    return run
