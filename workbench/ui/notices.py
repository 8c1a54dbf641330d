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
    """Do it; an error becomes a sentence, and what the workbench did not foresee goes to the server's log as well."""
    try:
        action()
    except WorkbenchError as error:
        say("error", str(error))
        return False
    except Exception as error:
        on_exception(error)
        return False
    return True


def on_exception(error: BaseException) -> None:
    """For `pn.config.exception_handler`: what escaped every guard."""
    log.error("An error reached the page", exc_info=error)
    say("error", text.sentence(error))
