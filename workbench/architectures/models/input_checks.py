"""Shape checks on the arguments of models: errors that name the argument, where torch's name matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.core.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor


def check_rows(name: str, rows: Tensor, columns: int) -> None:
    """Raise `DataError` unless ``rows`` is a table (n, ``columns``)."""
    if rows.dim() != 2 or rows.shape[1] != columns:
        raise DataError(
            f"The model cannot take this {name}",
            expected=f"a table of shape (n, {columns})",
            found=f"shape {tuple(rows.shape)}",
        )


def check_context(y: Tensor | None, context: int, rows: int) -> None:
    """Raise `DataError` unless ``y`` is (``rows``, ``context``), or None for a model without observation."""
    if context == 0 and y is not None:
        raise DataError(
            "This model has no observation y",
            expected="y=None",
            found=f"shape {tuple(y.shape)}",
            suggestion="leave y out, or choose a problem with an observation",
        )
    if context > 0 and y is None:
        raise DataError("This model needs an observation y", expected=f"shape (n, {context})", found="None")
    if y is not None:
        check_rows("observation y", y, context)
        if y.shape[0] != rows:
            raise DataError(
                "There must be one row of y for each point",
                expected=f"{rows} rows",
                found=f"{y.shape[0]} rows",
            )
