"""WakeHub: other threads say that something is new; each browser session then looks for itself.

Nothing but the wake-up crosses threads, and a session that has been woken is not woken again before it has
looked.
So no queue can grow, and a slow session gets fewer frames instead of late ones.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any


class WakeHub:
    """Documents that want to be woken, each with the function that looks (`tick`)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._documents: dict[Any, list] = {}

    def __len__(self) -> int:
        return len(self._documents)

    def register(self, document: Any, tick: Callable[[], None]) -> None:
        """From now on `tick` runs on the loop of `document` after a wake-up."""
        with self._lock:
            self._documents[document] = [tick, False]

    def unregister(self, document: Any) -> None:
        """Forget a document; unknown ones are ignored, so that it may be called twice."""
        with self._lock:
            self._documents.pop(document, None)

    def rearm(self, document: Any) -> None:
        """A wake-up that got lost (a document may drop one) must not silence the session for ever."""
        with self._lock:
            if document in self._documents:
                self._documents[document][1] = False

    def wake(self, document: Any = None) -> None:
        """From any thread: this session (all, without a document) looks once, unless it is on its way
        already."""
        with self._lock:
            due = [
                (d, entry) for d, entry in self._documents.items() if not entry[1] and document in (None, d)
            ]
            for _, entry in due:
                entry[1] = True
        for woken, entry in due:
            try:
                woken.add_next_tick_callback(partial(self._run, woken, entry))
            except Exception:  # the document has ended between the two lines
                self.unregister(woken)

    def _run(self, document: Any, entry: list) -> None:
        entry[1] = False  # before the body: what comes while it runs must wake it again
        if self._documents.get(document) is entry:
            entry[0]()
