"""Advice for texts that are no numbers: dates, times, coordinates, limits, currencies, percent signs."""

from __future__ import annotations

import re

_PLAIN = r"[-+]?(?:\d[\d.,' \u00a0\u2009\u202f]*|[.,]\d+)(?:[eE][-+]?\d+)?"
_CURRENCY = r"(?:[$€£¥₹₽₩]|USD|EUR|GBP|CHF|JPY|CNY|INR|AUD|CAD|SEK|NOK|DKK|PLN)"
_MONTH = r"[a-zäé]{3,9}"
_APART = "into columns of their own"
_LIMIT = "a limit is no value: leave such cells empty, or keep the rows in which the value was measured"
#: A pattern of the whole text, and what to try; the first that fits counts. ``{name}`` is the column's.
_ADVICE: tuple[tuple[str, str], ...] = (
    (rf"{_PLAIN}\s*[%‰]", "leave out the percent signs"),
    (rf"(?:[<>≤≥]=?|≲|≳)\s*{_PLAIN}.*", _LIMIT),
    (r"n\.?\s?d\.?|b\.?d\.?l\.?|<?\s?lo[dq]|below detection.*|trace", _LIMIT),
    (rf"[-+]?{_CURRENCY}\s*{_PLAIN}|{_PLAIN}\s*{_CURRENCY}", "leave out the signs of the currency"),
    (
        r"#[A-Z]+[/!?0A-Z]*[!?]|#N/?A",
        "an error of the spreadsheet: mend the formula, or leave the cell empty",
    ),
    (r"\*+", "the program that wrote it had no room for the number: write it with more digits"),
    (r"\d{4}-?W\d{1,2}(-?\d)?", "write the date of a day in that week, as 2024-12-31"),
    (
        r"\d{1,4}[-/.]\d{1,2}[-/.]\d{2,4}\b.*"
        rf"|\d{{1,2}}\.?[- ]{_MONTH}\.?[- ,]+\d{{2,4}}\b.*|{_MONTH}\.? \d{{1,2}},? \d{{4}}.*",
        "write dates as 2024-12-31, with the time as 2024-12-31T18:00:00",
    ),
    (
        r"-?\d+:\d{2}(:\d{2}([.,]\d+)?)?(\s*[ap]\.?m\.?)?|\d{1,2}\s*[ap]\.?m\.?",
        "write times of day as numbers, such as 10.5 for 10:30, and set period={{'{name}': 24}}; durations "
        "in one unit, such as seconds; angles as decimal degrees",
    ),
    (
        r"P(?=\d|T)[\dTYMWDHS.,]+|\d+\s*days?,? .*|(\d+([.,]\d+)?\s*(d|h|hr|m|min|s|sec)\s*){2,}",
        "write durations as numbers in one unit, such as seconds, and the unit into the name, as in "
        "'{name} [s]'",
    ),
    (
        r"[-+NSEW]?\s*\d+([.,]\d+)?\s*[°ºd].*|\d+([.,]\d+)?\s*[NSEW]"
        r"|[-+]?\d{1,3}([ :]\d{1,2}){1,2}([.,]\d+)?\s*[NSEW]?",
        "write coordinates and angles as decimal degrees, such as -48.25, with minus for south and west",
    ),
    (rf"{_PLAIN}\s*(±|\+/-|\+-)\s*.*|{_PLAIN}\(\d+\)", f"write the value and its uncertainty {_APART}"),
    (
        r"\[.*\]|\(.*[,;].*\)|\{.*\}",
        f"write several numbers {_APART}, {{name}}_0, {{name}}_1 and so on",
    ),
    (rf"\(\s*{_PLAIN}\s*\)|{_PLAIN}-", "write negative numbers with a minus in front"),
    (rf"=?['\"]{_PLAIN}['\"]?|={_PLAIN}", "leave out the quotation marks and equals signs around the number"),
    (r"[-+]?\d[\d.,]*", "write the digits 0 to 9, with one decimal point"),
    (r"[-+]?\d+\s*/\s*\d+", "write fractions as decimal numbers"),
    (
        rf"{_PLAIN}\s*(-|–|—|\.\.+|…|to|bis)\s*{_PLAIN}",
        f"write a range as its middle, or its two ends {_APART}",
    ),
    (rf"{_PLAIN}\s*[x×·*]\s*10\s*(\^|\*\*)?.*|[-+]?\d+\s*(\^|\*\*)\s*.*", "write powers of ten as 1.5e3"),
    (r"0x[\da-f]+", "write decimal numbers; hexadecimal ones are not read"),
    (r"[-+\d.e]+[ij]", f"write real and imaginary part, or modulus and phase, {_APART}"),
    (rf"(~|≈|ca\.?|about)\s*{_PLAIN}", "leave out the sign before the number"),
    (rf"{_PLAIN}\s*[#%]\s.*|{_PLAIN}\s*//.*", "leave out the comment behind the number"),
    (
        rf"{_PLAIN}(\s*[*†‡§!?]+|[a-z]\d?)",
        f"leave out marks behind the numbers, or write them {_APART}; the unit belongs into the name, as in "
        "'{name} [m]'",
    ),
    (rf"{_PLAIN}\s*[^\d\s.,].*", "write numbers alone, and the unit into the name, as in '{name} [m]'"),
    (
        r"(sum|total|mean|average|std|sd|min|max|median|count|summe|gesamt|mittelwert|moyenne)\b.*",
        "leave out the lines of totals and means below the rows",
    ),
)
_PATTERNS = tuple((re.compile(pattern, re.IGNORECASE), advice) for pattern, advice in _ADVICE)


def number_hint(value: str, name: str) -> str:
    """Return what to try for a text ``value`` in the column ``name`` that is no number."""
    for pattern, advice in _PATTERNS:
        if pattern.fullmatch(value.strip()):
            return advice.format(name=name)
    return f"leave missing values empty; if these are labels, set categories=['{name}']"


def with_others(text: str, others: int) -> str:
    """Return a text and the number of ``others`` of its kind, where there are any."""
    if not others:
        return text
    return f"{text} and {others} more such value{'s' * (others > 1)}"
