"""Dates written as 31.12.2024, 31/12/2024 or 12/31/2024, where a row tells which number is the day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.core.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

_FORM = r"^\s*(\d{1,2})([./-])(\d{1,2})\2(\d{4})(?:[ T,]+(\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?))?\s*$"


def are_written_dates(text: pd.Series) -> bool:
    """Test whether all texts that are not missing have the form of a date with the year at its end."""
    present = text.dropna()
    return len(present) > 0 and bool(present.str.match(_FORM).all())


def written_dates(text: pd.Series, name: str) -> pd.Series | None:
    """Return texts as moments in universal time, NaT where one is missing; None for texts of another form.

    A number above 12 in any row tells which is the day. Raises `DataError` where none does, with both
    readings, and where rows disagree or name a day that no month has.
    """
    import pandas as pd

    if not are_written_dates(text):
        return None
    parts = text.str.extract(_FORM)
    first, second = (pd.to_numeric(parts[place]).fillna(0).to_numpy(float) for place in (0, 2))
    present = text.notna().to_numpy()
    example = str(text[present].iloc[0])
    if not (first > 12).any() and not (second > 12).any():
        one, two, year = int(first[present][0]), int(second[present][0]), parts[3][present].iloc[0]
        raise DataError(
            f"The dates in the column '{name}' can be read in two ways",
            expected="dates such as 2024-12-31, or a day above 12 in some row",
            found=f"{example!r}, which is {year}-{two:02}-{one:02} with the day first, and "
            f"{year}-{one:02}-{two:02} with the month first",
            suggestion="write dates as year, month and day, such as 2024-12-31",
        )
    if (first > 12).any() and (second > 12).any():
        rows = int((first > 12).argmax()), int((second > 12).argmax())
        raise DataError(
            f"The dates in the column '{name}' are written in two ways",
            expected="the day in the same place in every row",
            found=" and ".join(f"{str(text.iloc[row])!r} in row {row + 1}" for row in rows),
            suggestion="write dates as year, month and day, such as 2024-12-31",
        )
    day, month = (0, 2) if (first > 12).any() else (2, 0)
    iso = parts[3] + "-" + parts[month].str.zfill(2) + "-" + parts[day].str.zfill(2)
    iso += ("T" + parts[4].str.replace(",", ".").str.rjust(5, "0")).fillna("")
    dates = pd.to_datetime(iso, format="ISO8601", utc=True, errors="coerce")
    if (wrong := (dates.isna() & text.notna()).to_numpy()).any():
        row = int(wrong.argmax())
        raise DataError(
            f"The column '{name}' holds a date that does not exist",
            expected="a day of the calendar",
            found=f"{str(text.iloc[row])!r} in row {row + 1}",
        )
    return dates
