"""Parsing of lists and settings on the command line, and output as text or JSON."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable
from typing import Any

from workbench.core.errors import SpecError
from workbench.core.kinds_of_values import spread_text, value_text
from workbench.core.names import split_names
from workbench.core.spec import Spec, parse_setting
from workbench.core.variable import Variable


def names(text: str | None) -> list[str]:
    """Split a string such as ``a, b`` into names; one with a comma stands between quotation marks."""
    return split_names(text or "")


def setting_pairs(texts: Iterable[str]) -> list[tuple[str, str]]:
    """Split strings ``NAME=VALUE`` into pairs. Raises `SpecError` where one has no equals sign."""
    pairs = [text.partition("=") for text in texts]
    if wrong := [name for name, equals, _ in pairs if not equals]:
        raise SpecError("A setting cannot be read", expected="--set name=value", found=wrong[0])
    return [(name.strip(), value.strip()) for name, _, value in pairs]


def parse_settings(member: type[Spec], texts: Iterable[str]) -> dict[str, Any]:
    """Parse strings ``NAME=VALUE`` as settings of a catalogue entry (``member``), in the settings' own types.
    Raises `SpecError` for an unknown name or a value of another type."""
    return {name: parse_setting(member, name, value) for name, value in setting_pairs(texts)}


def print_warnings(sentences: Iterable[str]) -> list[str]:
    """Print each sentence on stderr as a warning, and return all of them as a list."""
    sentences = list(sentences)
    for sentence in sentences:
        print(f"workbench: warning: {sentence}", file=sys.stderr)
    return sentences


def print_summary(summary: dict[str, dict[str, Any]], out: str | None) -> None:
    """Print the statistics of each variable on one line, and the file of the draws where there is one."""
    for name, row in summary.items():
        if "probabilities" in row:
            shares = sorted(row["probabilities"].items(), key=lambda pair: -pair[1])
            others = f" and {len(shares) - 6} more" if len(shares) > 6 else ""
            print(f"{name:<24} " + ", ".join(f"{label} {share:.3g}" for label, share in shares[:6]) + others)
            continue
        variable, spread = Variable(name, unit=row["unit"]), row["sd"]
        low, median, high, mean = (
            value_text(variable, row[key], unit=False, spread=spread)
            for key in ("q05", "median", "q95", "mean")
        )
        quantiles = f"5 % {low}, median {median}, 95 % {high}"
        print(f"{name:<24} {mean:>10} ± {spread_text(variable, spread)}  ({quantiles})")
    if out:
        print(out)


def plain(value: Any) -> Any:
    """A JSON-ready copy: numbers that are not finite become null, arrays become lists."""
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
    """Print a value as one line of JSON on stdout."""
    print(json.dumps(plain(value), allow_nan=False))
