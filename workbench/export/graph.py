"""Format ``graph``: one function of the model as a torch program, which runs without this workbench.

    program = torch.export.load("model.pt2").module()
    x = program(z, y)                                # float tensors with any number of rows, data units

A description (variables, units, versions) lies beside it as the extra file ``manifest.json``. A program is
made of operations: the workbench opens one only right after it wrote it, to check it. What
it imports are weights.
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
from typing import Any

import torch

from workbench.core.errors import ExportError
from workbench.export.formats import ExportFormat
from workbench.export.manifest import describe_program
from workbench.export.program import Program, compare
from workbench.training import FittedModel
from workbench.training.folder import write_whole

_TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}


class Graph(ExportFormat):
    key = "graph"
    title = "PyTorch program"
    summary = (
        "One function of the model as a graph that torch.export.load opens, with or without this workbench."
    )
    suffix = ".pt2"
    one_function = True

    def write(self, fitted: FittedModel, path: Path, function: str = "inverse") -> dict[str, Any]:
        program, buffer = Program(fitted, function), io.BytesIO()
        about = json.dumps(describe_program(fitted, program.inputs, program.output), indent=2)
        graph = traced(program)
        with quiet("torch._export"):
            torch.export.save(graph, buffer, extra_files={"manifest.json": about})
            buffer.seek(0)
            reloaded = torch.export.load(buffer).module()
        worst = compare(self.title, program, reloaded, _TOLERANCE[fitted.model.dtype])
        write_whole(path, buffer.getvalue())
        return {"function": function, "inputs": program.inputs, "output": program.output, "deviation": worst}


def traced(program: Program) -> torch.export.ExportedProgram:
    """The program as a graph for any number of rows. Raises `ExportError` where torch cannot trace it."""
    arguments = program.arguments(5)
    rows = torch.export.Dim("rows", min=1)
    try:
        with quiet("torch.export"), torch.no_grad():
            return torch.export.export(
                program, arguments, dynamic_shapes=tuple({0: rows} for _ in arguments), strict=False
            )
    except Exception as error:  # torch raises many kinds; all of them mean the same to a user
        raise ExportError(
            "torch cannot trace this model",
            found=first_line(error),
            suggestion="export the weights instead",
        ) from error


def first_line(error: Exception) -> str:
    """What kind of error it was and how its message begins, without colours."""
    text = re.sub(r"\x1b?\[\d+m", "", str(error)).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:200]}" if text else type(error).__name__


@contextmanager
def quiet(*loggers: str) -> Iterator[None]:
    """What torch says of itself while it traces and converts is nothing that a user could mend."""
    found = [logging.getLogger(name) for name in loggers]
    levels = [logger.level for logger in found]
    for logger in found:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(found, levels, strict=True):
            logger.setLevel(level)
