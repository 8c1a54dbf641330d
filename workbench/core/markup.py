"""HTML of the objects that a notebook shows; every text in it is escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from workbench.core.kinds_of_values import value_text

if TYPE_CHECKING:
    from workbench.core.variable import Variable

#: Most variables that a line lists.
_MOST = 12
_CELL = "text-align:left;white-space:pre-wrap"


def html_table(rows: Iterable[Iterable[object]], *, head: Iterable[object] = (), title: str = "") -> str:
    """Return an HTML table of texts, with its title above it."""
    lines = [_row(head, "th")] if (head := tuple(head)) else []
    lines += [_row(row, "td") for row in rows]
    above = f"<div><strong>{html.escape(title)}</strong></div>" if title else ""
    return f"{above}<table>{''.join(lines)}</table>"


def html_lines(lines: Iterable[object]) -> str:
    """Return texts as an HTML list; empty without any."""
    items = "".join(f"<li>{html.escape(str(line))}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""


def _row(values: Iterable[object], tag: str) -> str:
    cells = (f'<{tag} style="{_CELL}">{html.escape(str(value))}</{tag}>' for value in values)
    return f"<tr>{''.join(cells)}</tr>"


def variables_text(variables: Sequence[Variable]) -> str:
    """Return the labels of variables with their units, in one line; of many only the first."""
    return _shortened([v.label for v in variables])


def values_text(variables: Sequence[Variable], values: Sequence[Any]) -> str:
    """Return the names of variables with their values (M,) and units; for many rows (n, M) their number."""
    if len(values) and not isinstance(values[0], (int, float)):
        return f"{len(values)} rows of {_shortened([v.name for v in variables])}"
    pairs = zip(variables, values, strict=True)
    return _shortened([f"{v.name}={value_text(v, value, 7)}" for v, value in pairs])


def _shortened(texts: Sequence[str]) -> str:
    rest = f" and {len(texts) - _MOST} more" if len(texts) > _MOST else ""
    return ", ".join(texts[:_MOST]) + rest


class Shown:
    """Base of objects that say what they are, in a line of text and as a table in a notebook."""

    def facts(self) -> dict[str, object]:
        """Return what there is to say about the object, by name, in order."""
        raise NotImplementedError

    def notes(self) -> tuple[str, ...]:
        """Return sentences that a notebook shows below the table."""
        return ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v}' for k, v in self.facts().items())})"

    def _repr_html_(self) -> str:
        return html_table(self.facts().items(), title=type(self).__name__) + html_lines(self.notes())
