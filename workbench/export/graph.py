"""Format ``graph``: one function of the model as a torch program, which runs without this workbench.

    program = torch.export.load("model.pt2").module()
    x = program(z, y)                                # float tensors with any number of rows, data units

A description (variables, units, versions) is stored with it as the extra file ``manifest.json``. A program
can run operations, so that the workbench opens one only to check it right after writing it; of files from
elsewhere it loads only weights.
"""

from __future__ import annotations

import io
import json
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.core.errors import ExportError
from workbench.core.lazy import torch
from workbench.export.formats import ExportFormat
from workbench.export.manifest import describe_program

if TYPE_CHECKING:
    from workbench.export.program import Program
    from workbench.inference import FittedModel

_TOLERANCE = {"torch.float32": 1e-5, "torch.float64": 1e-12}


class Graph(ExportFormat):
    key = "graph"
    title = "PyTorch program"
    summary = (
        "One function of the model as a graph that torch.export.load opens, with or without this workbench."
    )
    suffix = ".pt2"
    one_function = True
    expensive = True

    def write(self, fitted: FittedModel, path: Path, function: str = "inverse") -> dict[str, Any]:
        from workbench.export.program import Program, compare
        from workbench.training.folder import write_whole

        program, buffer = Program(fitted, function), io.BytesIO()
        about = json.dumps(describe_program(fitted, program.inputs, program.output), indent=2)
        graph = trace(program)
        with quiet("torch._export"):
            torch.export.save(graph, buffer, extra_files={"manifest.json": about})
            buffer.seek(0)
            copy = torch.export.load(buffer).module()
        worst = compare(self.title, program, copy, _TOLERANCE[str(fitted.model.dtype)])
        write_whole(path, buffer.getvalue())
        return {"function": function, "inputs": program.inputs, "output": program.output, "deviation": worst}


def trace(program: Program) -> torch.export.ExportedProgram:
    """Trace a program with torch.export, for any number of rows. Raises `ExportError` where torch cannot
    trace it."""
    arguments = program.arguments(5)
    rows = torch.export.Dim("rows", min=1)
    try:
        with quiet("torch.export"), torch.no_grad():
            return torch.export.export(
                program, arguments, dynamic_shapes=tuple({0: rows} for _ in arguments), strict=False
            )
    except Exception as error:  # torch raises many types; all of them mean the same to a user
        raise ExportError(
            "torch cannot trace this model",
            found=first_line(error),
            suggestion="export the weights instead",
        ) from error


def first_line(error: Exception) -> str:
    """Type of an error and the first line of its message, without the codes of terminal colours."""
    text = re.sub(r"\x1b?\[\d+m", "", str(error)).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:200]}" if text else type(error).__name__


@contextmanager
def quiet(*loggers: str) -> Iterator[None]:
    """Silence these loggers and all warnings: a user can do nothing about torch's messages on tracing."""
    targets = [logging.getLogger(name) for name in loggers]
    levels = [logger.level for logger in targets]
    for logger in targets:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(targets, levels, strict=True):
            logger.setLevel(level)
