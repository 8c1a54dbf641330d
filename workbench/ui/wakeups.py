"""Notify browser sessions from other threads that there is new state, which they then read themselves.

Only this wake-up crosses threads, and a session with a pending wake-up gets no second one. So no queue can
grow, and a slow session gets fewer frames instead of late ones.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bokeh.document import Document


class Wakeups:
    """Bokeh documents of the open browser sessions, each with the callback that a wake-up runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._documents: dict[Document, list[Any]] = {}  # [tick, pending]

    def __len__(self) -> int:
        return len(self._documents)

    def register(self, document: Document, tick: Callable[[], None]) -> None:
        """Run ``tick`` on the event loop of ``document`` after each wake-up."""
        with self._lock:
            self._documents[document] = [tick, False]

    def unregister(self, document: Document) -> None:
        """Remove a document; does nothing for an unknown one, so that it may be called twice."""
        with self._lock:
            self._documents.pop(document, None)

    def rearm(self, document: Document) -> None:
        """Clear a document's pending wake-up, which Bokeh may have dropped, so that it can be woken again."""
        with self._lock:
            if document in self._documents:
                self._documents[document][1] = False

    def wake(self, document: Document | None = None) -> None:
        """Wake a document's session, or all for None; those with a pending wake-up are skipped.
        Thread-safe."""
        with self._lock:
            due = [
                (d, entry) for d, entry in self._documents.items() if not entry[1] and document in (None, d)
            ]
            for _, entry in due:
                entry[1] = True
        for waiting, entry in due:
            try:
                # in a context of its own: that of another page's callback would bring that page's document
                tick = partial(self._run, waiting, entry)
                contextvars.Context().run(waiting.add_next_tick_callback, tick)
            except Exception:  # the document was destroyed between the two lines
                self.unregister(waiting)

    def _run(self, document: Document, entry: list[Any]) -> None:
        entry[1] = False  # before the call: a wake-up that comes while it runs is not lost
        if self._documents.get(document) is entry:
            entry[0]()
