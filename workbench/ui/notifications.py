"""Notices: errors and news as sentences, never as tracebacks."""

from __future__ import annotations

import logging
from collections.abc import Callable

import panel as pn

from workbench.core.errors import WorkbenchError
from workbench.ui import text

log = logging.getLogger("workbench.studio")
SECONDS = {"info": 6000, "success": 5000, "warning": 9000, "error": 12000}


def say(kind: str, sentence: str) -> None:
    """A note in the corner of the page; `kind` is info, success, warning or error."""
    notifications = pn.state.notifications
    if notifications is not None:
        getattr(notifications, kind)(sentence, duration=SECONDS[kind])


def guard(action: Callable[[], None]) -> bool:
    """Do it; an error becomes a sentence, and what the workbench did not foresee goes to the server's log as
    well."""
    try:
        action()
    except Exception as error:
        tell(error)
        return False
    return True


def tell(error: BaseException) -> str:
    """Say an error on the page, log it when it was not foreseen, and return what was said."""
    sentence = text.sentence(error)
    if not isinstance(error, WorkbenchError):
        log.error("An error reached the page", exc_info=error)
    say("error", sentence)
    return sentence


def on_exception(error: BaseException) -> None:
    """For `pn.config.exception_handler`: what escaped every guard."""
    tell(error)
