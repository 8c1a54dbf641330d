"""Traversals of a page's models, which Bokeh makes far more often than the page changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import panel as pn

if TYPE_CHECKING:
    from bokeh.document import Document


@contextmanager
def one_message(document: Document | None) -> Iterator[None]:
    """Send all changes of a document in one message, see also `traversed_if_changed`; None has no effect."""
    if document is None:
        yield
        return
    with pn.io.hold(document), traversed_if_changed(document):
        yield


@contextmanager
def traversed_if_changed(document: Document) -> Iterator[None]:
    """Traverse the models of a document once, at the end, and only if a reference between them has changed.

    Bokeh traverses all models to find new and lost ones at the end of each `freeze`, in which HoloViews wraps
    every update of a plot: 40 ms for a page of 500 models, although an update rarely brings a new model.
    """
    models, changes = document.models, []
    if "recompute" in vars(models):  # within another such block
        yield
        return
    # attributes of this object, which hide the methods of its class until they are removed
    models.recompute = lambda: None
    models.invalidate = lambda: changes.append(True)
    try:
        yield
    finally:
        del models.recompute, models.invalidate
        if changes:
            models.invalidate()
