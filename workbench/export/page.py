"""A page in one file: sections of text, tables and figures, with BokehJS and the styles inside.

The page is a jinja2 template (``templates/page.html``) that escapes every text it is given. Its content
security policy lets it run what it contains and nothing else: it never sends a request.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from workbench.core.errors import ExportError

if TYPE_CHECKING:
    from bokeh.models import Model
    from jinja2 import Environment

_WIDTH, _HEIGHT = 500, 360


@dataclass(frozen=True)
class Paragraph:
    """A paragraph with bold opening words ``strong``; ``mark`` is the verdict that colours its text, if
    any."""

    kind: ClassVar[str] = "paragraph"
    strong: str
    text: str
    reference: str = ""
    mark: str = ""


@dataclass(frozen=True)
class Code:
    """Lines of code."""

    kind: ClassVar[str] = "code"
    text: str


@dataclass(frozen=True)
class Table:
    """A table of strings on an exported page.

    Attributes
    ----------
    heading : headings of the columns.
    rows : cells of each row, in the order of the columns.
    fold : True to show only the first heading at first; a click on it expands the table.
    mark : index of the column whose cells are verdicts and are coloured by them; -1 for none.
    """

    kind: ClassVar[str] = "table"
    heading: Sequence[str]
    rows: Sequence[Sequence[str]]
    fold: bool = False
    mark: int = -1


@dataclass
class Picture:
    """A HoloViews element with its caption; ``div`` is its HTML, which `Page.html` sets."""

    element: Any
    caption: str
    div: str = ""


@dataclass(frozen=True)
class Figures:
    """Pictures side by side."""

    kind: ClassVar[str] = "figures"
    figures: Sequence[Picture]


Block = Paragraph | Code | Table | Figures


@dataclass
class Section:
    """A heading and the blocks below it."""

    title: str
    blocks: list[Block] = field(default_factory=list)

    def append(self, block: Block) -> None:
        self.blocks.append(block)


class Page:
    """An HTML page: title, lead paragraph, and sections in the order in which they were added."""

    def __init__(self, title: str) -> None:
        self.title, self.lead = title, ""
        self.sections: list[Section] = []

    def section(self, title: str) -> Section:
        """Add a section and return it."""
        self.sections.append(Section(title))
        return self.sections[-1]

    def html(self) -> str:
        """Return the content of the file. Raises `ExportError` where a picture cannot be plotted."""
        from markupsafe import Markup

        blocks = (block for section in self.sections for block in section.blocks)
        pictures = [p for block in blocks if isinstance(block, Figures) for p in block.figures]
        script, divs = _embed([_bokeh_model(picture.element) for picture in pictures])
        for picture, div in zip(pictures, divs, strict=True):
            picture.div = Markup(div)
        return (
            _environment()
            .get_template("page.html")
            .render(
                title=self.title,
                lead=self.lead,
                sections=self.sections,
                program=Markup(_bokeh_js()) if pictures else "",
                script=Markup(script),
            )
        )


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("workbench.export"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _embed(models: Sequence[Model]) -> tuple[str, Sequence[str]]:
    """Return the script that plots Bokeh models in a page, and the ``div`` element of each."""
    from bokeh.embed import components

    if not models:
        return "", ()
    with warnings.catch_warnings():
        # Python callbacks of a figure are dropped, since the page has no server
        warnings.filterwarnings("ignore", message=".*")
        return components(models)


def _bokeh_js() -> str:
    """Return the source of BokehJS, safe inside a ``script`` element.

    Bokeh's ``js_raw`` is the program alone. Pages that `Resources` renders also link to the resources of
    other packages that happen to be imported.
    """
    from bokeh.resources import Resources

    program = "\n".join(Resources(mode="inline", components=["bokeh"]).js_raw)
    return program.replace("</script", "<\\/script")


def _bokeh_model(element: Any) -> Model:
    import holoviews as hv

    try:
        element = element.opts(responsive=False, width=_WIDTH, height=_HEIGHT)
        return hv.renderer("bokeh").get_plot(element).state
    except (ValueError, TypeError, KeyError) as error:
        raise ExportError(
            "A picture of the report cannot be drawn", found=f"{type(error).__name__}: {error}"[:200]
        ) from error
