"""Conversion of numbers of NumPy, torch and xarray to Python's, wherever a setting or a count is given.

Public functions pass counts and seeds to `whole_number`, and settings pass through `plain`, so that what is
stored in files and passed to generators of random numbers is always a number of Python's.
"""

from __future__ import annotations

from typing import Any

from workbench.core.errors import MemoryShortage, SpecError, WorkbenchError

#: Seeds that a generator of random numbers takes have at most so many bits, and a sign.
_SEED_BITS = 63
#: Numbers in a table below which its size is not compared with the free memory.
_SMALL = 10_000_000


def plain(value: Any) -> Any:
    """Convert a scalar of NumPy or an array or tensor without dimensions to a number of Python's.

    Lists, tuples, dicts and arrays of numbers in them are converted entry by entry; anything else is returned
    as it is.
    """
    if isinstance(value, dict):
        return {plain(key): plain(entry) for key, entry in value.items()}
    if type(value) in (list, tuple):
        return type(value)(plain(entry) for entry in value)
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        return value.item()
    return value


def whole_number(
    value: Any,
    noun: str,
    *,
    low: int = 1,
    high: int | None = None,
    subject: str = "",
    error: type[WorkbenchError] = SpecError,
) -> int:
    """Convert a whole number of Python's, NumPy's or torch's to an int between ``low`` and ``high``.

    Parameters
    ----------
    noun : what the number is, for the message.
    subject : beginning of the message; by default "The NOUN".
    error : class of the error.

    Raises ``error`` for anything else, truth values and numbers with a fraction included.
    """
    number = plain(value)
    whole = isinstance(number, int) and not isinstance(number, bool)
    if whole and number >= low and (high is None or number <= high):
        return int(number)
    kind = "positive whole number" if low == 1 and high is None else "whole number"
    if whole and not (low == 1 and high is None):  # it is one, and out of range
        kind += f" of at least {low}" if high is None else f" from {low} to {high}"
    limits = f"a whole number of at least {low}" if high is None else f"{low} to {high}"
    raise error(f"{subject or f'The {noun}'} must be a {kind}", expected=limits, found=repr(value)[:80])


def positive_number(value: Any, noun: str, *, error: type[WorkbenchError] = SpecError) -> float:
    """Convert a number to a finite float above 0. Raises ``error``, which names the ``noun``, for others."""
    number = plain(value)
    if isinstance(number, int | float) and not isinstance(number, bool) and 0 < number < float("inf"):
        return float(number)
    raise error(f"The {noun} must be a positive number", expected="a number above 0", found=repr(value)[:80])


def check_memory(rows: int, columns: int, noun: str) -> None:
    """Raise `MemoryShortage` where a table (rows, columns) in double precision exceeds the free memory.

    Without the check a system that promises more memory than it has would end the process when the table is
    filled. ``noun`` names the rows, in the plural.
    """
    if rows * columns < _SMALL:
        return
    import psutil

    largest = int(psutil.virtual_memory().available) // (8 * max(columns, 1))
    if rows > largest:
        raise MemoryShortage(
            f"{rows} {noun} do not fit into memory",
            expected=f"at most {largest} at once",
            found=f"{rows} times {columns} numbers",
            suggestion="ask for them in several parts, each with a seed of its own",
        )


def checked_seed(seed: Any, *, low: int = 1 - 2**_SEED_BITS, high: int = 2**_SEED_BITS - 1) -> int:
    """Convert the seed of random numbers to an int. Raises `SpecError` for anything but a whole number.

    ``low`` and ``high`` are the limits of the generator that it is for; those of torch by default.
    """
    number = plain(seed)
    if isinstance(number, int) and not isinstance(number, bool) and low <= number <= high:
        return int(number)
    whole = isinstance(number, int) and not isinstance(number, bool)
    raise SpecError(
        "The seed must be a whole number" + (f" from {low} to {high}" if whole else ""),
        expected="such as 0 or 1",
        found=repr(seed)[:80],
    )
