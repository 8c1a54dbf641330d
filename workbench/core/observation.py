"""Check the values of one observation, or of any other row of variables.

Every entry point (Python calls, command line, address of a page, files) passes its input to `checked_values`
and gets floats back, or an error that names the variables and the first invalid value.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from workbench.core.errors import SpecError, WorkbenchError
from workbench.core.variable import Variable, named


def parse_values(
    text: str, *, noun: str = "observation", suggestion: str = "", error: type[WorkbenchError] = SpecError
) -> tuple[float, ...]:
    """Parse numbers that are separated by commas, semicolons or blanks, such as ``1.5,0``.

    Raises ``error`` for a part that is no number; its message contains ``noun`` and ``suggestion``.
    """
    try:
        return tuple(float(part) for part in text.replace(",", " ").replace(";", " ").split())
    except ValueError as cause:
        raise error(
            f"The {noun} is not made of numbers",
            expected="numbers with commas between them, as in 1.5,0",
            found=text[:80],
            suggestion=suggestion,
        ) from cause


def checked_values(
    values: Any,
    variables: Sequence[Variable],
    *,
    noun: str = "observation",
    owner: str = "",
    error: type[WorkbenchError] = SpecError,
) -> tuple[float, ...]:
    """Convert values to a tuple of M finite floats, one for each variable, or raise ``error``.

    Parameters
    ----------
    values : a sequence, array or tensor of M numbers, in any shape.
    variables : the M variables, in the order of the values.
    noun : what the values are, for the error message.
    owner : what the values belong to (a problem, a model), for the error message; may be empty.
    error : class of the error to raise.

    Raises ``error`` for values that are not numbers, for a wrong number of them, and for the first one that
    is infinite or not a number.
    """
    subject = f"The {noun}" + (f" for {owner}" if owner else "")
    numbers = _floats(values)
    names = named(variables) or f"none: there is no {noun}"
    form = f"{len(variables)} {'number' if len(variables) == 1 else 'numbers'} ({names})"
    if numbers is None:
        raise error(f"{subject} is not made of numbers", expected=form, found=repr(values)[:80])
    if len(numbers) != len(variables):
        raise error(f"{subject} has the wrong number of values", expected=form, found=f"{len(numbers)}")
    for variable, number in zip(variables, numbers, strict=True):
        if not math.isfinite(number):
            raise error(
                f"{subject} holds values that are not finite",
                expected=f"a number for {variable.name}",
                found=str(number),
                suggestion="give a number for every variable: a missing value cannot be left out",
            )
    return numbers


def _floats(values: Any) -> tuple[float, ...] | None:
    """Flatten a sequence, array or tensor to a tuple of floats; None where an entry is no number."""
    import numpy as np

    if values is None:
        return None
    if hasattr(values, "detach"):  # a tensor, perhaps on another device or part of a graph
        values = values.detach().cpu().tolist()
    try:
        array = np.asarray(values)
        if array.size and array.dtype.kind not in "biufO":
            return None
        return tuple(array.astype(np.float64).reshape(-1).tolist())
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return None
