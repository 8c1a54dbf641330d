"""Studio: the whole page put together from its parts, one a browser session."""

from __future__ import annotations

from typing import Any

import panel as pn
import panel_material_ui as pmui
import param
from panel.util import edit_readonly

from workbench.ui import style
from workbench.ui.banner import Banner
from workbench.ui.controls import Controls
from workbench.ui.import_export import Exchange
from workbench.ui.initial_run import open_first
from workbench.ui.jobs import Jobs, jobs
from workbench.ui.links import ExploreLink
from workbench.ui.navigation import Navigation
from workbench.ui.notifications import guard, on_exception, say
from workbench.ui.run_controls import Transport
from workbench.ui.runs import RunsPanel
from workbench.ui.session import Session
from workbench.ui.share import Share
from workbench.ui.side_by_side import Beside
from workbench.ui.view_grid import Board
from workbench.ui.wakeups import WakeHub

#: Milliseconds between two looks of a session's own, beside the wake-ups.
PULSE = 250
#: Pulses that a page gets to put itself together after it has been loaded, before plots are sent to it.
ARRIVAL = 4
#: And until texts are measured anew, with the page's fonts and sizes.
SETTLED = 12
HUB = WakeHub()


class Studio(pn.viewable.Viewer):
    """Sidebar, transport bar, live views and the panels behind the buttons above."""

    def __init__(self, registry: Jobs | None = None) -> None:
        super().__init__()
        self.session = Session(registry or jobs(), say=say)
        self.controls = Controls(self.session, guard)
        self.transport = Transport(self.session, guard)
        self.banner = Banner(self.session, guard)
        self.board = Board(self.session, guard)
        self.banner.param.watch(lambda event: self.board.make_room(event.new), "height")
        self.board.make_room(self.banner.height)
        live = pn.Column(self.transport, self.banner, self.board, margin=0, sizing_mode="stretch_both")
        self.navigation = Navigation(live, self._makers(), self._turned)
        self.page = pmui.Page(
            title="VINA workbench",
            sidebar=[self.controls],
            main=self.navigation.main,
            sidebar_width=316,
            header=[pn.layout.HSpacer(), self.navigation, ExploreLink(self.session)],
            sidebar_variant="persistent",
            theme_config=style.THEME,
            sx=style.PAGE_SX,
            busy_indicator=None,
        )
        never_busy(self.page)
        guard(lambda: open_first(self.session, pn.state.session_args))
        self.controls.refresh()
        self._document, self._pulses = pn.state.curdoc, None
        if self._document is not None:
            self._connect()

    def _makers(self) -> dict[str, Any]:
        def back() -> None:
            self.controls.refresh()
            self.navigation.show("live")

        return {
            "beside": lambda: Beside(self.session, guard),
            "runs": lambda: RunsPanel(self.session, guard, back),
            "exchange": lambda: Exchange(self.session, back),
            "share": lambda: Share(self.session, guard),
        }

    def _turned(self, page: str) -> None:
        """Views that nobody sees are not drawn."""
        self.board.active = page == "live"
        if self.board.active:
            self.board.draw()

    def _connect(self) -> None:
        """Looking begins when the browser is there: what is drawn while the page is on its way to it
        reaches it in pieces that it cannot put together. What came earlier is caught by the pulse."""
        document, session = self._document, self.session
        session.wake = lambda: HUB.wake(document)
        session.crowd = lambda: max(1, len(HUB))
        pn.state.onload(self._loaded)
        pn.state.on_session_destroyed(lambda context: self.close())
        pn.state.add_periodic_callback(self._pulse, PULSE)

    def _loaded(self) -> None:
        self._pulses = 0
        self.session.param.watch(self._address, ["shown", "title"])
        self._address()

    def _address(self, *_events: Any) -> None:
        """The page's address names the run that is shown, so that a reload comes back to it."""
        job, location = self.session.job, pn.state.location
        search = f"?run={job.handle.folder.name}" if job is not None else ""
        if location is not None and location.search != search:
            location.search = search

    def _look(self) -> None:
        guard(self.session.look)

    def _pulse(self) -> None:
        if self._pulses is None:
            return
        self._pulses += 1
        if self._pulses < ARRIVAL:
            return
        if self._pulses == ARRIVAL:
            HUB.register(self._document, self._look)
        if self._pulses == SETTLED:
            self.board.draw()
        HUB.rearm(self._document)
        self._look()

    def close(self) -> None:
        """The browser is gone; may be called twice."""
        HUB.unregister(self._document)
        self.session.close()

    def __panel__(self) -> Any:
        return self.page


class Never(param.Parameterized):
    """A busy state that nobody ever sets."""

    busy = param.Boolean(False)


def never_busy(page: pmui.Page) -> None:
    """Cut the page's tie to Panel's busy state.

    Every callback of every open page sets and clears that state, and each change makes every page walk all of
    its models: about 40 ms twice a pulse, also at rest. And the tie outlives the session: the page, with all
    that it shows, would never be freed.
    """
    with edit_readonly(page):
        page.busy = Never().param.busy  # only another reference makes the page let go of the first


def studio() -> Studio:
    """What an app script calls, once a browser session."""
    pn.extension(
        "tabulator",
        notifications=True,
        throttled=True,
        raw_css=[style.SHEET],
        exception_handler=on_exception,
        reconnect=True,
        disconnect_notification="The connection to the server is lost; trying again …",
    )
    return Studio()
