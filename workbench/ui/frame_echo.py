"""Answer of a browser to each frame of plots, once the frame is on its screen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import panel as pn
from bokeh.models import CustomJS, Spacer

#: A browser calls the first function before it paints the next image, and the second one after that; for a
#: tab in the background it calls neither.
ECHO = "requestAnimationFrame(() => setTimeout(() => { cb_obj.name = String(cb_obj.tags[0]) }, 0))"


class FrameEcho(pn.viewable.Viewer):
    """Invisible part of a page through which its browser says which frame it shows.

    ``on_shown`` is called with the number of the frame as text; it comes from the browser and is not checked.
    """

    def __init__(self, on_shown: Callable[[str], None]) -> None:
        super().__init__()
        self.model = Spacer(width=0, height=0, tags=[0], name="0")
        self.model.js_on_change("tags", CustomJS(code=ECHO))
        self.model.on_change("name", lambda attr, old, new: on_shown(new))
        self._pane = pn.pane.Bokeh(self.model, width=0, height=0, margin=0)

    def send(self, frame: int) -> None:
        """Send the number of a frame to the browser, after the plots of the frame."""
        self.model.tags = [frame]

    def is_answer(self, event: Any) -> bool:
        """True for a change of the document that is the browser's answer."""
        return getattr(event, "model", None) is self.model

    def __panel__(self) -> Any:
        return self._pane
