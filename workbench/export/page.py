"""A page in one file: sections of text, tables and figures, with Bokeh's program and the styles inside.

Everything that comes from outside is escaped. The content security policy lets the page run what it brings
and nothing else: no address is ever asked.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from workbench.core.errors import ExportError

_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:"
)
_WIDTH, _HEIGHT = 500, 360
_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1f2328; background: #fff; max-width: 1080px;
  margin: 2em auto; padding: 0 1.2em; }
h1 { font-size: 1.6em; margin-bottom: .2em; } h2 { margin-top: 2em; border-bottom: 1px solid #d8dbdf; }
.lead { color: #57606a; } .reference { color: #57606a; font-size: .88em; }
table { border-collapse: collapse; margin: .8em 0; width: 100%; font-size: .92em; }
th, td { text-align: left; vertical-align: top;
  padding: .25em .7em .25em 0; border-bottom: 1px solid #eceef0; }
td { overflow-wrap: anywhere; } summary { cursor: pointer; margin: .5em 0; }
figure { margin: 0; }
figcaption { color: #57606a; font-size: .88em; max-width: 500px; }
.figures { display: flex; flex-wrap: wrap; gap: 1.4em 1.6em; margin: 1em 0; }
.mark { font-weight: 600; } .green { color: #116329; } .amber { color: #8a4b00; } .red { color: #b3261e; }
pre { background: #f6f8fa; padding: .8em; overflow-x: auto; font-size: .88em; }
@media print { figure, tr { break-inside: avoid; } details { display: block; } }
"""


class Figures:
    """HoloViews elements with captions; they become Bokeh figures when the page is written."""

    def __init__(self, pictures: Sequence[tuple[Any, str]]) -> None:
        self.pictures = list(pictures)


class Page:
    """Sections in the order in which they were made."""

    def __init__(self, title: str) -> None:
        self.title, self.lead = title, ""
        self._sections: list[tuple[str, list[str | Figures]]] = []

    def section(self, title: str) -> list[str | Figures]:
        """A new section; what is appended to the list stands in it."""
        self._sections.append((title, []))
        return self._sections[-1][1]

    def html(self) -> str:
        """The whole file."""
        from bokeh.embed import components

        grids = [part for _, parts in self._sections for part in parts if isinstance(part, Figures)]
        figures = [_figure(element) for grid in grids for element, _ in grid.pictures]
        with warnings.catch_warnings():
            # there is no server, so nothing that a figure might ask of one
            warnings.filterwarnings("ignore", message=".*")
            script, places = components(figures) if figures else ("", ())
        places = iter(places)
        body = "\n".join(
            f"<section><h2>{escape(title)}</h2>\n{''.join(_part(part, places) for part in parts)}</section>"
            for title, parts in self._sections
        )
        program = f"<script>{_bokeh()}</script>" if figures else ""
        return (
            f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
            f'<meta name="viewport" content="width=device-width">\n<title>{escape(self.title)}</title>\n'
            f"<style>{_STYLE}</style>\n{program}\n</head><body>\n<h1>{escape(self.title)}</h1>\n"
            f'<p class="lead">{escape(self.lead)}</p>\n'
            f"<noscript><p>The figures need JavaScript; all of it stands in this file.</p></noscript>\n"
            f"{body}\n{script}\n</body></html>\n"
        )


def _bokeh() -> str:
    """Bokeh's own program. Its `Resources` would add links of other packages that happen to be imported."""
    from bokeh.settings import settings

    text = (Path(settings.bokehjs_path()) / "js" / "bokeh.min.js").read_text(encoding="utf-8")
    return text.replace("</script", "<\\/script")


def paragraph(strong: str, text: str, reference: str = "", *, mark: str = "") -> str:
    """A paragraph that opens with bold words; ``mark`` is the verdict whose colour its text takes."""
    first = f"<b>{escape(strong)}</b> " if strong else ""
    body = f'<span class="mark {escape(mark)}">{escape(text)}</span>' if mark else escape(text)
    last = f' <span class="reference">{escape(reference)}.</span>' if reference else ""
    return f"<p>{first}{body}{last}</p>\n"


def code(text: str) -> str:
    return f"<pre>{escape(text)}</pre>\n"


def table(
    heading: Sequence[str], rows: Sequence[Sequence[str]], *, fold: bool = False, mark: int = -1
) -> str:
    """A table of texts; ``fold`` hides it behind its first heading; column ``mark`` holds verdicts."""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in heading)
    body = "".join(
        "<tr>"
        + "".join(
            f'<td class="mark {escape(cell)}">{escape(cell)}</td>'
            if i == mark
            else f"<td>{escape(cell)}</td>"
            for i, cell in enumerate(row)
        )
        + "</tr>\n"
        for row in rows
    )
    made = f"<table><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table>\n"
    name = escape(heading[0] or f"{len(rows)} rows")
    return f"<details><summary>{name}</summary>{made}</details>\n" if fold else made


def figure_grid(pictures: Sequence[tuple[Any, str]]) -> Figures:
    """HoloViews elements and their captions, side by side."""
    return Figures(pictures)


def _figure(element: Any) -> Any:
    import holoviews as hv

    try:
        sized = element.opts(responsive=False, width=_WIDTH, height=_HEIGHT)
        return hv.renderer("bokeh").get_plot(sized).state
    except (ValueError, TypeError, KeyError) as error:
        raise ExportError(
            "A picture of the report cannot be drawn", found=f"{type(error).__name__}: {error}"[:200]
        ) from error


def _part(part: str | Figures, places: Any) -> str:
    if isinstance(part, str):
        return part
    drawn = "".join(
        f"<figure>{next(places)}<figcaption>{escape(caption)}</figcaption></figure>\n"
        for _, caption in part.pictures
    )
    return f'<div class="figures">{drawn}</div>\n'
