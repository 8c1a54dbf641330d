"""What is typed as lists, and what is printed as JSON."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable
from typing import Any

from workbench.core.observation import parse_values


def names(text: str | None) -> list[str]:
    """``a, b`` as a list of words."""
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def numbers(text: str | None) -> list[float] | None:
    """``1.5,0`` as numbers; None where nothing was given."""
    if text is None:
        return None
    return list(parse_values(text, suggestion="write --observation=-1,2 when the first number is negative"))


def warned(sentences: Iterable[str]) -> tuple[str, ...]:
    """The sentences, each printed on stderr first."""
    sentences = tuple(sentences)
    for sentence in sentences:
        print(f"workbench: warning: {sentence}", file=sys.stderr)
    return sentences


def plain(value: Any) -> Any:
    """JSON-ready: numbers that are not finite become null, arrays become lists."""
    if isinstance(value, dict):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(entry) for entry in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def print_json(value: Any) -> None:
    """One line on stdout."""
    print(json.dumps(plain(value), allow_nan=False))
