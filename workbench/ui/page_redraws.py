"""Redraws of one page: its plots are drawn in turn with those of all other pages of the server."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from workbench.ui.frame_echo import FrameEcho
from workbench.ui.model_graph import one_message
from workbench.ui.notifications import guard
from workbench.ui.redraws import REDRAWS, Step

if TYPE_CHECKING:
    from bokeh.document import Document


class PageRedraws:
    """Draws plots of a page at once until `begin`, and in turn with those of other pages from then on.

    Inputs of the page come before the plots of all pages. ``echo`` has to stand on the page: through it, the
    browser says what it shows. Without a document (tests, notebooks) everything is drawn at once.
    """

    def __init__(self, document: Document | None) -> None:
        self._document = document
        self.echo = FrameEcho(lambda frame: REDRAWS.show(document, frame))
        if document is not None:
            REDRAWS.watch(document, ignored=self.echo.is_answer)

    def begin(self) -> None:
        """Draw in turn from now on: the browser has rendered the page and answers to frames."""
        if self._document is not None:
            REDRAWS.register(self._document, self._perform, self.echo.send)

    def draw(self, steps: dict[str, Callable[[], None]]) -> None:
        """Draw the plots that ``steps`` names, each by its step, which reads what is newest when its turn
        comes. Errors are shown on the page."""
        if self._document in REDRAWS:
            REDRAWS.request(self._document, steps)
        else:
            self._perform(list(steps.values()))

    def is_open(self) -> bool:
        """True if all plots are drawn and the browser shows them."""
        return REDRAWS.is_open(self._document)

    def close(self) -> None:
        """Draw nothing any more; may be called twice."""
        REDRAWS.unregister(self._document)

    def _perform(self, steps: list[Step]) -> None:
        with one_message(self._document):
            for step in steps:
                guard(step)
