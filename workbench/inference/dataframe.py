"""Draws as a pandas DataFrame, with labels, dates and whole numbers in place of their codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.core.kinds_of_values import calendar, has_zone
from workbench.core.named_values import OBSERVATION

if TYPE_CHECKING:
    import pandas as pd

    from workbench.core.variable import Variable

#: Largest magnitude up to which every whole number is a float64.
_EXACT = 2.0**53


def to_dataframe(draws: np.ndarray, variables: Sequence[Variable], *, many: bool) -> pd.DataFrame:
    """Convert draws (k, n, D) to a table with one column per variable, under the variable's own name.

    The index is ``draw``, or (``observation``, ``draw``) for many observations. Categories with labels become
    a categorical column, variables of dates become datetime64, and whole numbers int64.
    """
    import pandas as pd

    k, n, _ = draws.shape
    index = pd.RangeIndex(n, name="draw")
    if many:
        index = pd.MultiIndex.from_product([range(k), range(n)], names=[OBSERVATION, "draw"])
    columns = [as_column(draws[..., i].reshape(-1), v) for i, v in enumerate(variables)]
    frame = pd.concat([pd.Series(c).reset_index(drop=True) for c in columns], axis=1)
    frame.columns = [v.name for v in variables]
    return frame.set_index(index)


def as_column(values: np.ndarray, variable: Variable) -> Any:
    """Return numbers (n,) of a variable as pandas holds such values: labels, dates or whole numbers.

    Dates outside the years that pandas can count, and values that are not finite, stay numbers.
    """
    import pandas as pd

    values = np.asarray(values, np.float64)
    if not np.isfinite(values).all():
        return values
    if variable.labels:
        return pd.Categorical.from_codes(values.astype(int).tolist(), list(variable.labels))
    if (clock := calendar(variable)) is not None:
        return dates(values, *clock, zone=has_zone(variable))
    if (variable.levels or variable.categories) and np.abs(values).max(initial=0.0) < _EXACT:
        return values.astype(np.int64)
    return values


def dates(values: np.ndarray, start: Any, step: float, *, zone: bool = False) -> Any:
    """Return ``values`` (n,), in units of ``step`` seconds since ``start``, as dates in universal time.

    They are rounded to milliseconds, and with ``zone`` say that they are in UTC; beyond the range of pandas
    they are returned as they are.
    """
    import pandas as pd

    try:
        return pd.Timestamp(start).tz_convert("UTC" if zone else None) + pd.to_timedelta(
            np.round(np.asarray(values, np.float64) * step * 1e3), unit="ms"
        )
    except (OverflowError, ValueError):
        return values
