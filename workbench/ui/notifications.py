"""Notifications on a page: errors and news as sentences, never as tracebacks."""

from __future__ import annotations

import logging
from collections.abc import Callable

import panel as pn

from workbench.core.errors import WorkbenchError
from workbench.ui import text

log = logging.getLogger("workbench.studio")
MILLISECONDS = {"info": 6000, "success": 5000, "warning": 9000, "error": 12000}


def notify(kind: str, sentence: str) -> None:
    """Show a notification in the corner of the page; ``kind`` is info, success, warning or error."""
    notifications = pn.state.notifications
    if notifications is not None:
        getattr(notifications, kind)(sentence, duration=MILLISECONDS[kind])


def guard(action: Callable[[], None]) -> bool:
    """Call ``action`` and show its error on the page; returns True if there was none."""
    try:
        action()
    except Exception as error:
        report_error(error)
        return False
    return True


def report_error(error: BaseException) -> str:
    """Show an error on the page, log it if it was unexpected, and return the sentence that was shown."""
    sentence = text.sentence(error)
    if not isinstance(error, WorkbenchError):
        log.error("An error reached the page", exc_info=error)
    notify("error", sentence)
    return sentence


def on_exception(error: BaseException) -> None:
    """Show and log an error that no `guard` caught; for ``pn.config.exception_handler``."""
    report_error(error)
