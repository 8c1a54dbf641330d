"""Lines of totals and means below the rows of a table, which are no rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_TOTAL = re.compile(
    r"(grand )?total\w*|sub-?totals?|sums?|means?|averages?|avg|std\.?( ?dev\.?)?|sd|median|min(imum)?"
    r"|max(imum)?|count|summen?|gesamt\w*|mittel(wert)?|durchschnitt|anzahl|somme|moyenne|écart[- ]type",
    re.IGNORECASE,
)
_MOST_LINES = 6


def totals_note(frame: pd.DataFrame, heading: Sequence[str]) -> tuple[str, ...]:
    """Return a sentence where the last rows are named as totals or means of the others; else nothing."""
    import pandas as pd

    for position, name in enumerate(heading):
        column = frame.iloc[:, position]
        if pd.api.types.is_numeric_dtype(column.dtype) or len(column) <= _MOST_LINES:
            continue
        if not _TOTAL.fullmatch(str(column.iloc[-1]).strip().rstrip(":")):
            continue
        texts = column.astype("string").str.strip().str.rstrip(":")
        count = 0
        while count < _MOST_LINES and _TOTAL.fullmatch(str(texts.iloc[-1 - count])):
            count += 1
        if count and not bool(texts.iloc[: len(texts) - count].isin(texts.iloc[-count:]).any()):
            where = f"row {len(column)} is" if count == 1 else f"the last {count} rows are"
            return (
                f"By the column '{name}' {where} no measurement: "
                f"{', '.join(map(repr, texts.iloc[-count:]))}. "
                "Leave such lines out of the table if they are computed from the other rows.",
            )
    return ()
