"""The studio: the main page, on which runs are chosen, trained and watched; one per browser session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import panel as pn
import panel_material_ui as pmui
import param
from panel.util import edit_readonly

from workbench.ui import style
from workbench.ui.banner import Banner
from workbench.ui.controls import Controls
from workbench.ui.import_export import ImportExport
from workbench.ui.initial_run import open_initial
from workbench.ui.jobs import Jobs, jobs
from workbench.ui.links import ExploreLink
from workbench.ui.navigation import Navigation
from workbench.ui.notifications import guard, notify
from workbench.ui.page import prepare
from workbench.ui.page_redraws import PageRedraws
from workbench.ui.run_controls import RunControls
from workbench.ui.runs import RunsPanel
from workbench.ui.session import Session, run_query
from workbench.ui.share import Share
from workbench.ui.side_by_side import SideBySide
from workbench.ui.view_grid import ViewGrid
from workbench.ui.wakeups import Wakeups

#: Milliseconds between two polls of a session, in addition to wake-ups.
PULSE = 250
#: Polls after loading that the browser gets to render the page, before plots are sent to it.
RENDER_PULSES = 4
#: Polls after loading until plots are drawn again, with the fonts and sizes of the rendered page.
REDRAW_PULSES = 12
WAKEUPS = Wakeups()


class Studio(pn.viewable.Viewer):
    """Sidebar, run controls, live views and the pages behind the buttons in the header."""

    def __init__(self, registry: Jobs | None = None) -> None:
        super().__init__()
        self.session = Session(registry or jobs(), notify=notify)
        self.controls = Controls(self.session, guard)
        self.run_controls = RunControls(self.session, guard)
        self.banner = Banner(self.session, guard)
        self.view_grid = ViewGrid(self.session, guard)
        self.banner.param.watch(lambda event: self.view_grid.reserve(event.new), "height")
        self.view_grid.reserve(self.banner.height)
        live = pn.Column(self.run_controls, self.banner, self.view_grid, margin=0, sizing_mode="stretch_both")
        self.navigation = Navigation(live, self._page_factories(), self._on_page)
        self._document, self._pulses = pn.state.curdoc, None
        self._runs: RunsPanel | None = None  # once its page has been opened
        self.redraws = PageRedraws(self._document)
        self.page = pmui.Page(
            title="VINA workbench",
            sidebar=[self.controls],
            main=self.navigation.main,
            sidebar_width=316,
            header=[pn.layout.HSpacer(), self.navigation, ExploreLink(self.session), self.redraws.echo],
            sidebar_variant="persistent",
            theme_config=style.THEME,
            sx=style.PAGE_SX,
            busy_indicator=None,
        )
        detach_busy_state(self.page)
        guard(lambda: open_initial(self.session, pn.state.session_args))
        self.controls.refresh()
        if self._document is not None:
            self._connect()

    def _page_factories(self) -> dict[str, Any]:
        def back() -> None:
            self.controls.refresh()
            self.navigation.show("live")

        return {
            "side_by_side": self._side_by_side,
            "runs": lambda: self._runs_panel(back),
            "import_export": lambda: ImportExport(self.session, back),
            "share": lambda: Share(self.session, guard),
        }

    def _runs_panel(self, back: Callable[[], None]) -> RunsPanel:
        self._runs = RunsPanel(self.session, guard, back)
        return self._runs

    def _side_by_side(self) -> SideBySide:
        page = SideBySide(self.session, guard)
        page.redraw = self.view_grid.redraw
        return page

    def _on_page(self, page: str) -> None:
        """Update the live views only while their page is open."""
        self.view_grid.active = page == "live"
        if self.view_grid.active:
            self.view_grid.draw()

    def _connect(self) -> None:
        """Start polling once the browser has loaded the page; plots sent earlier would arrive incomplete."""
        document, session = self._document, self.session
        session.wake = lambda: WAKEUPS.wake(document)
        session.is_open = self.redraws.is_open
        self.view_grid.redraw = self.redraws.draw
        pn.state.onload(self._on_load)
        pn.state.on_session_destroyed(lambda context: self.close())
        pn.state.add_periodic_callback(self._on_pulse, PULSE)

    def _on_load(self) -> None:
        self._pulses = 0
        self.session.jobs.warm_up()
        self.session.param.watch(self._update_address, ["experiment", "title"])
        self._update_address()

    def _update_address(self, *_events: Any) -> None:
        """Put the folder name of the run on display, or what is ready to be started, into the page's address,
        for a reload."""
        job, location = self.session.job, pn.state.location
        search = run_query(job.handle.folder.name) if job is not None else self.session.address
        if location is not None and location.search != search:
            location.search = search

    def _poll(self) -> None:
        guard(self.session.poll)

    def _on_pulse(self) -> None:
        if self._pulses is None:
            return
        self._pulses += 1
        if self._pulses < RENDER_PULSES:
            return
        if self._pulses == RENDER_PULSES:
            WAKEUPS.register(self._document, self._poll)
            self.redraws.begin()
        if self._pulses == REDRAW_PULSES:
            self.view_grid.draw()
        WAKEUPS.rearm(self._document)
        self._poll()
        if self._runs is not None:
            guard(self._runs.delete_ended)

    def close(self) -> None:
        """Detach the session from its run when the page is closed; may be called twice."""
        WAKEUPS.unregister(self._document)
        self.redraws.close()
        self.session.close()

    def __panel__(self) -> Any:
        return self.page


class NeverBusy(param.Parameterized):
    """Stand-in for Panel's busy state that is always False."""

    busy = param.Boolean(False)


def detach_busy_state(page: pmui.Page) -> None:
    """Detach the page from Panel's busy state.

    Every callback of every open page sets and clears that state, and each change makes every page traverse
    all of its models: about 40 ms twice per poll, also while nothing happens. The page's subscription to it
    also outlives the session, so that the page with all its contents would never be freed.
    """
    with edit_readonly(page):
        page.busy = NeverBusy().param.busy  # only another reference replaces the first


def studio() -> Studio:
    """Build the studio page for one browser session; called by ``apps/studio.py`` and `serve`."""
    prepare(
        "tabulator",
        throttled=True,
        reconnect=True,
        disconnect_notification="The connection to the server is lost; trying again …",
    )
    return Studio()
