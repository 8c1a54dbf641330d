"""Redraws of the live plots of all open pages: one plot at a turn of the event loop, and input before plots.

The event loop of the server answers every click and draws every plot. Each page says which of its plots are
due; a plot that is due already is not due twice, so that nothing can be queued. One plot is drawn at a time,
then the loop is left to other work, so that drawing takes at most `SHARE` of the server's time. While an
input of any page has not been handled, no plot is drawn; of inputs that come without end, as while a slider
is dragged, those that came until now are handled before the next frame. When all plots of a page are drawn,
the page has got a frame; it gets the next one, with the newest data, after its browser has said that this one
is on the screen.
"""

from __future__ import annotations

import contextvars
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bokeh.document import Document

#: Largest fraction of the server's time that all open pages together spend on drawing.
SHARE = 0.3
#: Seconds between two plots at least, in which messages of browsers are received.
PAUSE = 0.01
#: Seconds after which an input from a browser has been handled: Panel collects changes for 50 ms.
HANDLED_AFTER = 0.06
#: Longest time in seconds for which inputs that are not handled keep plots from being drawn.
LONGEST_WAIT = 1.0
#: Seconds after an input in which the plots of its page are drawn before those of others, and without rest.
ATTENDED = 2.0
#: Seconds after which a page whose document is locked is passed over, and after which a browser that has not
#: answered gets another frame, since its answer may have been lost.
LOCKED_AFTER, ANSWER_TIMEOUT = 0.5, 10.0

Step = Callable[[], None]


@dataclass
class _Page:
    """An open page: its due plots by name, and the numbers of its frames."""

    document: Document
    perform: Callable[[list[Step]], None]
    send: Callable[[int], None]
    due: dict[str, Step] = field(default_factory=dict)  # what this frame still lacks
    next: dict[str, Step] = field(default_factory=dict)  # the next frame
    in_turn: bool = False  # its document was asked to run the next step
    reminded: bool = False  # a turn will be taken when its browser's answer is late
    frame: int = 0  # the last one that was sent
    answer: int = 0  # the last one that the browser shows
    frame_time: float = 0.0


@dataclass
class _Inputs:
    """Inputs of a page: how many have come and have been handled, and when the last one came."""

    count: int = 0
    handled: int = 0
    time: float = 0.0


@dataclass
class _Wait:
    """A wait for inputs: since when, and how many inputs of each page have to be handled."""

    start: float
    counts: dict[Document, int]


class Redraws:
    """The plots that are due on all pages of this server, drawn in turn.

    ``later`` calls a function after a number of seconds, on the event loop; by default that of Tornado.
    """

    def __init__(
        self,
        *,
        later: Callable[[float, Step], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._later, self._clock = later or _call_later, clock
        self._pages: dict[Document, _Page] = {}  # the page that was drawn last stands at the end
        self._inputs: dict[Document, _Inputs] = {}
        self._wait: _Wait | None = None
        self._turn_number, self._armed = 0, False

    # ---- pages
    def register(
        self, document: Document, perform: Callable[[list[Step]], None], send: Callable[[int], None]
    ) -> None:
        """Draw the plots of a page in turn with those of others.

        ``perform`` executes steps, and reports their errors to the user; ``send`` sends the number of a frame
        to the browser, which answers with `show`.
        """
        self._pages[document] = _Page(document, perform, send)

    def unregister(self, document: Document) -> None:
        """Remove a page and its due plots; may be called twice."""
        self._pages.pop(document, None)
        self._inputs.pop(document, None)

    def __contains__(self, document: Document) -> bool:
        return document in self._pages

    def request(self, document: Document, steps: dict[str, Step]) -> None:
        """Have the plots of a page drawn that ``steps`` names.

        A plot that is due already keeps its place and is drawn once, by the new step. One that has been drawn
        for the current frame is drawn again for the next.
        """
        page = self._pages[document]
        for name, step in steps.items():
            (page.due if name in page.due else page.next)[name] = step
        if steps:
            self._arm(0.0)

    def is_open(self, document: Document) -> bool:
        """True if a page may get the next frame: all its plots are drawn, and its browser shows them."""
        page = self._pages.get(document)
        if page is None:
            return True
        return not page.due and not page.next and self._shows_last(page)

    def _shows_last(self, page: _Page) -> bool:
        late = self._clock() - page.frame_time > ANSWER_TIMEOUT
        return page.answer == page.frame or late

    def show(self, document: Document, frame: str) -> None:
        """Note that a browser shows a frame, by the number that it was sent."""
        page = self._pages.get(document)
        if page is not None and frame == str(page.frame):
            page.answer = page.frame
            if page.next:
                self._arm(0.0)

    # ---- inputs
    def watch(self, document: Document, *, ignored: Callable[[Any], bool] = lambda event: False) -> None:
        """Have inputs of a page come before all plots, except changes for which ``ignored`` is true."""

        def on_change(event: Any) -> None:
            if getattr(event, "setter", None) is not None and not ignored(event):
                self.note_input(document)

        document.on_change(on_change)
        document.on_message("bokeh_event", lambda _: self.note_input(document))

    def note_input(self, document: Document) -> None:
        """Draw nothing until the input that a page has just received is handled."""
        inputs = self._inputs.setdefault(document, _Inputs())
        if not self._unhandled():
            self._wait = None
        inputs.count, inputs.time = inputs.count + 1, self._clock()
        try:
            document.add_timeout_callback(partial(self._handled, inputs), int(1000 * HANDLED_AFTER))
        except Exception:  # the page was closed
            self._inputs.pop(document, None)

    def _handled(self, inputs: _Inputs) -> None:
        inputs.handled += 1

    def _unhandled(self) -> dict[Document, int]:
        """Return the pages with inputs that have not been handled, and how many inputs these have had."""
        now = self._clock()
        return {
            document: inputs.count
            for document, inputs in self._inputs.items()
            if inputs.handled < inputs.count and now - inputs.time < LONGEST_WAIT
        }

    def _must_wait(self) -> bool:
        """True while an input has not been handled that came before this wait began, but for at most
        `LONGEST_WAIT` seconds. A wait that is over lasts for one frame."""
        counts = self._unhandled()
        if not counts:
            self._wait = None
            return False
        if self._wait is None:
            self._wait = _Wait(self._clock(), counts)
        ended = all(
            inputs.handled >= self._wait.counts.get(document, 0) for document, inputs in self._inputs.items()
        )
        return not ended and self._clock() - self._wait.start < LONGEST_WAIT

    def _attended(self, document: Document) -> bool:
        """True if the user has lately done something on a page."""
        inputs = self._inputs.get(document)
        return inputs is not None and self._clock() - inputs.time < ATTENDED

    # ---- turns
    def _arm(self, seconds: float) -> None:
        """Take the next turn after ``seconds``, unless one is due already."""
        if not self._armed:
            self._armed = True
            self._turn_number += 1
            self._later(seconds, partial(self._turn, self._turn_number))

    def _turn(self, number: int) -> None:
        """Ask the page that has waited longest to draw one plot."""
        if number != self._turn_number:
            return
        self._armed = False
        if self._must_wait():
            return self._arm(PAUSE)
        due = [page for page in self._pages.values() if not page.in_turn and self._has_turn(page)]
        if not due:
            return None
        page = next((page for page in due if self._attended(page.document)), due[0])
        page.in_turn = True
        self._pages[page.document] = self._pages.pop(page.document)  # to the end of the row
        self._arm(LOCKED_AFTER)  # the others go on if this page's document stays locked
        try:
            page.document.add_next_tick_callback(partial(self._draw, page))
        except Exception:  # the page was closed
            self.unregister(page.document)
        return None

    def _has_turn(self, page: _Page) -> bool:
        """True if a plot of a page is to be drawn: of a frame that has begun, or of the next one after the
        browser shows the last."""
        if page.due or (page.next and self._shows_last(page)):
            return True
        if page.next and not page.reminded:
            page.reminded = True
            seconds = page.frame_time + ANSWER_TIMEOUT - self._clock() + PAUSE
            self._later(seconds, partial(self._remind, page))
        return False

    def _remind(self, page: _Page) -> None:
        page.reminded = False
        self._arm(0.0)

    def _draw(self, page: _Page) -> None:
        """Draw one plot of a page; runs with its document locked."""
        page.in_turn = False
        if self._pages.get(page.document) is not page or not self._has_turn(page) or self._must_wait():
            return self._rearm(PAUSE)
        start = self._clock()
        if not page.due:
            page.due, page.next = page.next, {}
        name = next(iter(page.due))
        steps = [page.due.pop(name)]
        if not page.due:
            self._wait = None
            page.frame, page.frame_time = page.frame + 1, start
            steps.append(partial(page.send, page.frame))
        try:
            page.perform(steps)
        except BaseException:
            page.answer = page.frame  # the number may not have been sent
            raise
        finally:
            rest = 0.0 if self._attended(page.document) else (self._clock() - start) * (1 / SHARE - 1)
            self._rearm(max(PAUSE, rest))
        return None

    def _rearm(self, seconds: float) -> None:
        """Take the next turn after ``seconds`` instead of the one that is due."""
        self._armed = False
        self._arm(seconds)


def _call_later(seconds: float, function: Step) -> None:
    """Call a function later, outside the context of the page whose callback is running.

    A timer inherits the context in which it is set, and with it Panel's current document: the models of one
    page would be put into another.
    """
    from tornado.ioloop import IOLoop

    contextvars.Context().run(IOLoop.current().call_later, seconds, function)


#: The redraws of this server process.
REDRAWS = Redraws()
