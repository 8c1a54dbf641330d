"""Comparison of the value that a control shows with that on the server, and what to type into it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Part:
    """One interactive element: of which model, which of its elements, of what kind, and what it shows."""

    id: str
    index: int
    kind: str
    disabled: bool
    words: str
    shown: Any
    href: str
    control: dict[str, Any] = field(default_factory=dict)
    identity: str = ""

    def name(self) -> str:
        """Return a name that stays the same when the page is built again."""
        css, label = self.control.get("css") or [], self.control.get("label") or ""
        name = " ".join([*css[:1], str(label)]).strip()
        is_named = self.kind not in ("toggle", "link") and self.control.get("kind") != "Player"
        words = self.words if not (is_named and name) else ""
        return f"{self.kind} {name or 'page'} {words} {self.index or ''}".strip()


def own_look(part: Part, session: dict[str, Any]) -> dict[str, Any]:
    """Return how a control looks: without its value, except for the buttons beside a number."""
    look = dict(session["shown"].get(part.id, {}))
    is_stepper = part.kind == "button" and part.control.get("kind", "").endswith("Input")
    return look if is_stepper else look | {"value": None}


def retyped(text: str, control: dict[str, Any]) -> str:
    """Return another text of the same form: another last digit, within the bounds, or a letter more."""
    places = [match.start() for match in re.finditer(r"\d", text)]
    low, high = (control.get(side) for side in ("start", "end"))
    for place in reversed(places):
        for digit in range(1, 10):
            other = text[:place] + str((int(text[place]) + digit) % 10) + text[place + 1 :]
            try:
                number = float(other)
            except ValueError:
                return other  # several numbers, or digits in a text
            if (low is None or number >= low) and (high is None or number <= high) and number:
                return other
    return text + "a"


def agrees(part: Part, value: Any) -> bool:
    """Return True if a part shows this value of its control."""
    given = part.control.get("options")
    options = given if isinstance(given, dict) else {str(each): each for each in given or []}
    if part.kind == "toggle":
        label = next((key for key in options if key.strip() == part.words.strip()), None)
        values = value if isinstance(value, list) and part.control["kind"].startswith("Check") else [value]
        return label is not None and (options[label] in values) == part.shown
    if part.kind == "select":
        several = part.control["kind"].startswith("Multi")
        shown = (part.shown or []) if several else [part.shown]
        values = value if several else [value]
        return [options.get(each, each) for each in shown if each] == values
    if part.kind == "checkbox":
        return part.shown == value
    if part.kind == "slider":
        return any(is_close(shown, value, part.index, rounded=True) for shown in part.shown)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return is_close(part.shown, value)
    return str(part.shown) == str(value if value is not None else "")


def is_close(shown: Any, value: Any, index: int = 0, *, rounded: bool = False) -> bool:
    """Return True if a text is this number, or that with the index in a list of numbers; where ``rounded``,
    also if the text is the number to its three or more decimals."""
    number = value[min(index, len(value) - 1)] if isinstance(value, list) else value
    text = str(shown).replace(" ", "").replace(",", "").replace("−", "-")
    decimals = len(text.partition(".")[2])
    tolerance = 0.5001 * 10**-decimals if rounded and decimals >= 3 else 1e-9
    try:
        return math.isclose(float(text), number, rel_tol=1e-5, abs_tol=tolerance)
    except (TypeError, ValueError):
        return False
