"""Hints of errors in the words of the command line.

Errors of the library name settings as Python does, ``missing='drop'``; who typed a command types
``--set missing=drop``.
"""

from __future__ import annotations

import ast
import re
import shlex
from typing import Any

from workbench.core.names import quoted_names

#: Settings of the user's tables and simulations that errors name with a value.
_SETTINGS = "log|whole|categories|robust|period|low|high|missing|failed|group|group_path|row_dimension"
_ASSIGNMENT = re.compile(rf"(?<![\w.(])({_SETTINGS})=('[^']*'|\"[^\"]*\"|\[[^\]]*\]|\{{[^}}]*\}}|\d[\d.]*)")


def in_command_words(sentence: str) -> str:
    """Return a sentence with settings in Python's notation written as options: ``--set log=width``."""
    return _ASSIGNMENT.sub(lambda match: _option(*match.groups(), otherwise=match.group()), sentence)


def _option(name: str, literal: str, otherwise: str) -> str:
    try:
        value: Any = ast.literal_eval(literal)
    except (ValueError, SyntaxError):  # an ellipsis in an example
        return otherwise
    if isinstance(value, dict):
        value = quoted_names(f"{column}:{number}" for column, number in value.items())
    elif isinstance(value, list):
        value = quoted_names(value)
    return f"--set {shlex.quote(f'{name}={value}')}"
