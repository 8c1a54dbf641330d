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
from typing import TYPE_CHECKING, Any

from workbench.core.errors import ExportError
from workbench.core.lazy import torch
from workbench.export.formats import ExportFormat
from workbench.export.graph import first_line, quiet, trace
from workbench.export.manifest import describe_program

if TYPE_CHECKING:
    from collections.abc import Callable

    from workbench.export.program import Program
    from workbench.inference import FittedModel

# the runtime's own kernels round differently, and a flow's layers amplify that
_TOLERANCE = {"torch.float32": 1e-3, "torch.float64": 1e-9}


class Onnx(ExportFormat):
    key = "onnx"
    title = "ONNX"
    summary = "One function of the model for runtimes in other languages, in browsers and on devices."
    suffix = ".onnx"
    packages = ("onnx", "onnxscript", "onnxruntime")
    extra = "export"
    one_function = True
    expensive = True

    def write(self, fitted: FittedModel, path: Path, function: str = "inverse") -> dict[str, Any]:
        from workbench.export.program import Program, compare
        from workbench.training.folder import write_whole

        program = Program(fitted, function, portable=True)
        about = describe_program(fitted, program.inputs, program.output)
        data = _convert(program, about)
        tolerance = _TOLERANCE[str(fitted.model.dtype)]
        worst = compare(self.title, program, _runtime(program, data), tolerance)
        write_whole(path, data)
        return {"function": function, "inputs": program.inputs, "output": program.output, "deviation": worst}


def _convert(program: Program, about: dict[str, Any]) -> bytes:
    """Convert a program to the content of an ONNX file, with ``about`` in its metadata. Raises
    `ExportError`."""
    graph = trace(program)
    try:
        # the converter also prints
        with quiet("torch.onnx", "onnxscript", "onnx_ir"), contextlib.redirect_stdout(io.StringIO()):
            result = torch.onnx.export(
                graph,
                args=(),
                dynamo=True,
                verbose=False,
                input_names=program.inputs,
                output_names=[program.output],
            )
        message = result.model_proto
    except Exception as error:  # the converter raises many types; all of them mean the same to a user
        raise ExportError(
            "This model cannot be converted to ONNX",
            found=first_line(error),
            suggestion="export the graph or the weights instead",
        ) from error
    entry = message.metadata_props.add()
    entry.key, entry.value = "manifest.json", json.dumps(about)
    return message.SerializeToString()


def _runtime(program: Program, data: bytes) -> Callable[..., torch.Tensor]:
    """Return a function that runs an ONNX file in onnxruntime, and takes the program's arguments."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    inputs = {entry.name for entry in session.get_inputs()}

    def run(*arguments: torch.Tensor) -> torch.Tensor:
        values = dict(zip(program.inputs, arguments, strict=True))
        feed = {name: value.numpy() for name, value in values.items() if name in inputs}
        return torch.from_numpy(session.run(None, feed)[0])

    return run
