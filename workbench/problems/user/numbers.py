"""Convert columns of a table to numbers, with errors that tell the user what to correct."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.core.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from workbench.problems.user.readers import RawTable

MINIMUM_ROWS = 50


def column_numbers(column: pd.Series, name: str) -> np.ndarray:
    """Return a column as float64 with NaN for missing values; raises `DataError` for other than numbers."""
    import pandas as pd

    kind = column.dtype
    if pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_complex_dtype(kind):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    if (
        pd.api.types.is_complex_dtype(kind)
        or pd.api.types.is_datetime64_any_dtype(kind)
        or pd.api.types.is_timedelta64_dtype(kind)
    ):
        raise DataError(
            f"The column '{name}' does not hold plain numbers",
            expected="real numbers",
            found=str(kind),
            suggestion="turn it into a number first, for instance of seconds",
        )
    text = column.astype("string")
    wrong = pd.to_numeric(text, errors="coerce").isna() & text.notna()
    if not wrong.any():
        return pd.to_numeric(text).to_numpy(dtype=np.float64, na_value=np.nan)
    row = int(wrong.to_numpy().argmax())
    hint = (
        "write decimal points instead of commas"
        if "," in str(text[row])
        else "leave missing values empty, and code categories as numbers"
    )
    raise DataError(
        f"The column '{name}' does not hold numbers",
        expected="numbers",
        found=f"{str(text[row])[:40]!r} in row {row + 1} and {int(wrong.sum()) - 1} more such values",
        suggestion=hint,
    )


def table_numbers(raw: RawTable, names: list[str], missing: str) -> np.ndarray:
    """Return the columns ``names`` as finite float64 numbers (n, k), without rows that miss a value.

    Raises `DataError` for infinite values, missing values if ``missing`` is "refuse", fewer than
    `MINIMUM_ROWS` rows and constant columns.
    """
    values = np.column_stack([column_numbers(raw.frame[name], name) for name in names])
    infinite = np.isinf(values).sum(axis=0)
    if infinite.any():
        raise DataError(
            "The table holds infinite values", expected="finite numbers", found=_counts(names, infinite)
        )
    gaps = np.isnan(values).sum(axis=0)
    if gaps.any() and missing == "refuse":
        raise DataError(
            "The table has missing values",
            expected="a number in every row",
            found=_counts(names, gaps),
            suggestion="set missing='drop' to leave such rows out",
        )
    values = values[~np.isnan(values).any(axis=1)]
    if len(values) < MINIMUM_ROWS:
        note = " after rows with missing values were dropped" if gaps.any() else ""
        raise DataError(
            "The table has too few rows to learn from",
            expected=f"at least {MINIMUM_ROWS}",
            found=f"{len(values)}{note}",
        )
    constant = [name for name, column in zip(names, values.T, strict=True) if column.min() == column.max()]
    if constant:
        raise DataError(
            "A column of the table is constant",
            expected="columns that vary",
            found=", ".join(map(repr, constant[:5])),
            suggestion="leave it out of x and y",
        )
    return values


def _counts(names: list[str], counts: np.ndarray) -> str:
    """Return the counts above zero as text, such as "3 in 'height'", for an error message."""
    parts = [f"{int(c)} in '{n}'" for n, c in zip(names, counts, strict=True) if c]
    return ", ".join(parts[:8]) + (f" and {len(parts) - 8} more columns" if len(parts) > 8 else "")
