"""Values of variables by kind: dates, durations and labels as numbers, and numbers as texts that exist.

A variable whose unit is ``days since 1970-01-01`` (any unit of time and any date) holds dates, one in seconds
or another unit of time holds durations, and one with labels holds texts. Texts show a value as its variable
can have it: a label, a date, a whole number.
"""

from __future__ import annotations

import math
import re
import warnings
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from workbench.core.errors import SpecError, WorkbenchError, unknown

if TYPE_CHECKING:
    import numpy as np

    from workbench.core.variable import Variable

#: Seconds in each unit of time, by the names that units have.
SECONDS = {
    **dict.fromkeys(("d", "day", "days"), 86_400.0),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3600.0),
    **dict.fromkeys(("min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("us", "µs", "microsecond", "microseconds"), 1e-6),
}
#: Seconds of a spread beyond which a date has no time of day.
_DAYS = 2 * 86_400.0
_SINCE = re.compile(r"^\s*(?P<step>\S+)\s+since\s+(?P<start>\d{4}-\d{1,2}-\d{1,2}.*?)\s*$")
_ISO = re.compile(
    r"^\s*\d{4}-\d{2}(-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?\s*(Z|[-+]\d{2}:?\d{2})?)?)?\s*$"
)


_ZONE = re.compile(r"(Z|UTC|:\d{2}([.,]\d+)?\s*[-+]\d{2}:?\d{2})\s*$")


def calendar(variable: Variable) -> tuple[datetime, float] | None:
    """Return start (in universal time) and step in seconds of a variable of dates; None for another one."""
    match = _SINCE.match(variable.unit)
    if not match or match["step"].lower() not in SECONDS:
        return None
    start = _moment(match["start"])
    return None if start is None else (start, SECONDS[match["step"].lower()])


def has_zone(variable: Variable) -> bool:
    """Test whether the moments of a variable of dates had a time zone: its unit says UTC or an offset."""
    match = _SINCE.match(variable.unit)
    return bool(match and _ZONE.search(match["start"]) and calendar(variable))


def _moment(text: str) -> datetime | None:
    """Read a date of ISO 8601 with or without a time; without a time zone it is in universal time."""
    text = text.strip().replace(",", ".")
    text = re.sub(r"^(\d{4}-\d{1,2}-\d{1,2})\s*(Z|UTC)$", r"\1", text)  # a day at midnight
    text = re.sub(r"\s*(Z|UTC)$", "+00:00", text)
    text = re.sub(r"^(\d{4})-(\d{1,2})-(\d{1,2})(?!\d)", lambda m: f"{m[1]}-{m[2]:0>2}-{m[3]:0>2}", text)
    if re.fullmatch(r"\d{4}-\d{2}", text):
        text += "-01"
    try:
        moment = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def allowed_values(variable: Variable) -> str:
    """Return in words what stands for a value of a variable."""
    if variable.labels:
        return f"one of {', '.join(variable.labels[:12])}{', …' * (len(variable.labels) > 12)}"
    if calendar(variable):
        return f"a date such as 2016-01-31, or a number of {variable.unit}"
    return "a number"


def is_kind(value: Any, kinds: str) -> bool:
    """Test whether an array's numbers are of one of these kinds of NumPy, such as "M" for dates."""
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    return bool(kind) and kind in kinds


def has_times(values: Any) -> bool:
    """Test whether values, or entries of a list, are dates or durations."""
    entries = values if isinstance(values, list | tuple) else [values]
    return any(is_kind(e, "Mm") or isinstance(e, date | timedelta) for e in entries)


def converted(
    value: Any, variable: Variable, subject: str = "The observation", error: type[WorkbenchError] = SpecError
) -> np.ndarray | None:
    """Convert labels, dates or durations to numbers of their variable, float64; None for anything else.

    Raises ``error`` for a label that the variable does not have, for a number that is also the text of
    another category, and for dates where the variable holds none.
    """
    import numpy as np

    if (quantity := _quantity(value, variable, subject, error)) is not None:
        return quantity
    try:
        array = np.asarray(value)
    except ValueError:  # rows of different lengths
        return None
    if array.dtype.kind in "Mm":
        if array.dtype.kind == "M" and array.size:
            _tell_zone(list(array.reshape(-1)[:1]), variable, subject)
        return _times(array, variable, subject, error)
    if array.dtype.kind not in "OUST" or not array.size:
        _check_category(array, variable, subject, error)
        return None
    entries = array.reshape(-1).tolist()
    if variable.labels and all(isinstance(entry, str) for entry in entries):
        codes = [_code(entry, variable, subject, error) for entry in entries]
    elif all(isinstance(entry, timedelta) for entry in entries):
        durations = np.array(entries, "m8[us]").reshape(array.shape)
        return _times(durations, variable, subject, error)
    elif dates := _dates(entries):
        _tell_zone(entries, variable, subject)
        return _since(dates, variable, subject, error).reshape(array.shape)
    else:
        return None
    return np.array(codes, np.float64).reshape(array.shape)


def _quantity(value: Any, variable: Variable, subject: str, error: type[WorkbenchError]) -> np.ndarray | None:
    """Convert a quantity with a unit, of Pint or Astropy, to its variable's unit; None for anything else."""
    import numpy as np

    for convert, unit in (("m_as", "units"), ("to_value", "unit")):
        if hasattr(value, convert) and hasattr(value, unit):
            try:
                return np.asarray(getattr(value, convert)(variable.unit), np.float64)
            except Exception as cause:  # each package has errors of its own
                raise error(
                    f"{subject} has '{variable.name}' in a unit that cannot be converted",
                    expected=variable.unit or "a pure number",
                    found=str(getattr(value, unit)),
                ) from cause
    return None


def _code(text: str, variable: Variable, subject: str, error: type[WorkbenchError]) -> int:
    labels = variable.labels
    text = text.lower() if set(labels) == {"false", "true"} else text
    text = text if text in labels else text.strip()  # as the texts of a table are read
    if text not in labels:
        raise unknown("category", text, labels, error, owner=f"{subject}: '{variable.name}'")
    return labels.index(text)


def _check_category(array: np.ndarray, variable: Variable, subject: str, error: type[WorkbenchError]) -> None:
    """Raise ``error`` for a truth value of a category that has none, and a number that is another's label."""
    if not variable.labels:
        return
    if array.dtype.kind == "b" and set(variable.labels) != {"false", "true"}:
        raise error(
            f"{subject} has a truth value for '{variable.name}'",
            expected=", ".join(variable.labels[:20]),
            found=str(array)[:80],
        )
    if array.dtype.kind not in "iuf":
        return
    for number in set(array.reshape(-1).tolist()[:1000]):
        text = f"{number:g}"
        if text in variable.labels and variable.labels.index(text) != number:
            raise error(
                f"{subject} is ambiguous: {text} is the label of a category of '{variable.name}' and the "
                "number of another one",
                expected="the label as a text",
                found=text,
                suggestion=f"write {text!r} in quotation marks",
            )


class TimeZoneWarning(UserWarning):
    """Warning of a moment without a time zone for a variable whose moments have one."""


def _tell_zone(entries: list[Any], variable: Variable, subject: str) -> None:
    """Warn of moments without a time zone for a variable whose moments have one."""
    naive = [entry for entry in entries if _is_naive(entry)] if has_zone(variable) else []
    if naive:
        warnings.warn(
            f"{subject} has a time without a time zone for '{variable.name}', whose times have one: "
            f"{naive[0]} is taken for universal time (UTC). Write the zone, such as 2024-07-01T12:00+02:00.",
            TimeZoneWarning,
            stacklevel=2,
        )


def _is_naive(entry: Any) -> bool:
    """Test for a moment, a text or an object, without a time zone; a missing one is none."""
    if isinstance(entry, str):
        return not _ZONE.search(entry)
    return str(entry) != "NaT" and getattr(entry, "tzinfo", None) is None


def _dates(entries: list[Any]) -> list[datetime | None]:
    """Return moments for dates and ISO texts, None for a missing one; empty where an entry is no date."""
    moments: list[datetime | None] = []
    for entry in entries:
        if isinstance(entry, str):
            moment = _moment(entry) if _ISO.match(entry) else None
            if moment is None:
                return []
            moments.append(moment)
        elif isinstance(entry, date):  # a datetime and a Timestamp are dates
            text = entry.isoformat()
            moments.append(None if text == "NaT" else _moment(text))
        elif hasattr(entry, "isoformat") or is_kind(entry, "M"):
            moments.append(_moment(str(entry)))  # NaT gives None
        else:
            return []
    return moments


def _since(
    moments: list[datetime | None], variable: Variable, subject: str, error: type[WorkbenchError]
) -> np.ndarray:
    import numpy as np

    start, step = _calendar(variable, str(moments[0]), subject, error)
    return np.array([math.nan if m is None else (m - start).total_seconds() / step for m in moments])


def _calendar(
    variable: Variable, found: str, subject: str, error: type[WorkbenchError]
) -> tuple[datetime, float]:
    """Return start and step of a variable of dates; raises ``error`` for one of another kind."""
    clock = calendar(variable)
    if clock is None:
        raise error(
            f"{subject} has a date for '{variable.name}', which holds none",
            expected=f"a number{f' in {variable.unit}' if variable.unit else ''}",
            found=found,
        )
    return clock


def _times(array: np.ndarray, variable: Variable, subject: str, error: type[WorkbenchError]) -> np.ndarray:
    """Convert dates or durations of NumPy."""
    import numpy as np

    entry = str(array.reshape(-1)[:1])
    if array.dtype.kind == "M":
        start, step = _calendar(variable, entry, subject, error)
        origin = np.datetime64(start.replace(tzinfo=None), "us")
        return (array.astype("M8[ns]") - origin) / np.timedelta64(1, "s") / step
    if variable.unit.lower() not in SECONDS:
        raise error(
            f"{subject} has a duration for '{variable.name}', which is no time",
            expected=f"a number{f' in {variable.unit}' if variable.unit else ''}",
            found=entry,
        )
    return array / np.timedelta64(1, "s") / SECONDS[variable.unit.lower()]


def count_text(number: float) -> str:
    """Return a positive number without its fraction, in powers of ten from a million on."""
    return f"{number:.0f}" if number < 1e6 else f"{number:.1e}"


def digits_for(value: float, spread: float, least: int = 4) -> int:
    """Return the significant digits of a value at which a tenth of ``spread`` shows; at most 15."""
    if not (math.isfinite(value) and math.isfinite(spread) and value and spread > 0):
        return least
    return min(max(least, math.floor(math.log10(abs(value))) - math.floor(math.log10(spread)) + 2), 15)


def spread_text(variable: Variable, spread: float) -> str:
    """Return a spread with its unit, which is a unit of time for a variable of dates."""
    unit = _SINCE.match(variable.unit)
    name = unit["step"] if unit and calendar(variable) else variable.unit
    return f"{spread:.3g} {name}".rstrip()


def value_text(
    variable: Variable, value: float, digits: int = 4, *, unit: bool = True, spread: float = 0.0
) -> str:
    """Return a value as its variable can have it: a label, a date, a whole number, or one with its unit.

    A number has at least ``digits`` significant digits, and as many as a ``spread`` beside it needs.
    """
    value = float(value)
    digits = digits_for(value, spread, digits)
    behind = f" {variable.unit}" if unit and variable.unit else ""
    if not math.isfinite(value):
        return f"{value:g}{behind}"
    if variable.categories:
        number = min(max(round(value), 0), variable.categories - 1)
        return variable.labels[number] if variable.labels else f"{number}"
    if clock := calendar(variable):
        text = _date_text(value, *clock)[: 10 if spread * clock[1] > _DAYS else None]
        text += "Z" if has_zone(variable) and "T" in text else ""
        return text or f"{value:.{digits}g}{behind}"
    if variable.levels:
        low, high = variable.low, variable.high
        return f"{round(min(max(value, low), high))}{behind}"
    return f"{value:.{digits}g}{behind}"


def _date_text(value: float, start: datetime, step: float) -> str:
    """Return a date, with its time to the minute where it has one; empty outside the years 1 to 9999.

    A variable that counts seconds, or less, has seconds as well.
    """
    try:
        seconds = round(value * step)
        exact = (start + timedelta(seconds=seconds)).replace(tzinfo=None)
        moment = exact + timedelta(seconds=60 * round(exact.second / 60) - exact.second)
    except (OverflowError, ValueError):
        return ""
    if step <= 1 and moment != exact:
        return exact.isoformat()
    midnight = (moment.hour, moment.minute) == (0, 0)
    return moment.date().isoformat() if midnight else moment.isoformat(timespec="minutes")
