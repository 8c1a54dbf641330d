"""Redraws of open pages: input first, one plot at a turn, the newest frame only."""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import itertools
import threading

import pytest
from bokeh.application import Application
from bokeh.application.handlers.function import FunctionHandler
from bokeh.client import pull_session
from bokeh.models import Slider
from bokeh.server.server import Server

from workbench.ui.redraws import ANSWER_TIMEOUT, LONGEST_WAIT, SHARE, Redraws
from workbench.ui.wakeups import Wakeups


class Loop:
    """An event loop with a clock of its own; a plot takes the seconds that `work` adds."""

    def __init__(self):
        self.now, self._calls, self._count = 0.0, [], itertools.count()

    def later(self, seconds, function):
        heapq.heappush(self._calls, (self.now + seconds, next(self._count), function))

    def clock(self):
        return self.now

    def work(self, seconds):
        self.now += seconds

    def run(self, seconds):
        end = self.now + seconds
        while self._calls and self._calls[0][0] <= end:
            time, _, function = heapq.heappop(self._calls)
            self.now = max(self.now, time)
            function()
        self.now = max(self.now, end)


class Document:
    """Has its callbacks run by the loop, as Bokeh's documents do; ``locked`` holds them back."""

    def __init__(self, loop):
        self.loop, self.locked, self.backlog = loop, False, []

    def add_next_tick_callback(self, callback):
        self.add_timeout_callback(callback, 0)

    def add_timeout_callback(self, callback, milliseconds):
        self.loop.later(milliseconds / 1000, lambda: self._call(callback))

    def _call(self, callback):
        if self.locked:
            self.backlog.append(callback)
        else:
            callback()

    def unlock(self):
        self.locked, backlog, self.backlog = False, self.backlog, []
        for callback in backlog:
            callback()


@pytest.fixture
def loop():
    return Loop()


@pytest.fixture
def redraws(loop):
    return Redraws(later=loop.later, clock=loop.clock)


class Page:
    """A page with plots of one value; ``log`` has what was drawn, ``frames`` the frames that were sent.

    Where it ``answers``, its browser shows each frame at once.
    """

    def __init__(self, loop, redraws, name, log, *, plots=3, seconds=0.05, answers=False):
        self.loop, self.redraws, self.name, self.log, self.answers = loop, redraws, name, log, answers
        self.document, self.frames = Document(loop), []
        self.plots, self.seconds, self.value = [f"plot {i}" for i in range(plots)], seconds, 0
        redraws.register(self.document, self.perform, self.send)

    def perform(self, steps):
        for step in steps:
            step()

    def send(self, frame):
        self.frames.append(frame)
        if self.answers:
            self.redraws.show(self.document, str(frame))

    def draw(self, plot):
        self.loop.work(self.seconds)
        self.log.append((self.name, plot, self.value))

    def request(self, value=None):
        self.value = self.value if value is None else value
        self.redraws.request(self.document, {plot: lambda plot=plot: self.draw(plot) for plot in self.plots})


def test_an_input_is_handled_before_the_next_plot(loop, redraws):
    log = []
    pages = [Page(loop, redraws, i, log, seconds=0.005) for i in range(5)]
    for page in pages:
        page.request()
    loop.run(0.05)  # some plots are drawn, and others are due
    before = len(log)
    assert 0 < before < 15
    redraws.note_input(pages[3].document)
    pages[3].document.add_timeout_callback(lambda: log.append("input"), 50)  # as Panel handles a change
    loop.run(10.0)
    assert log[before] == "input" and len(log) == 16


def test_the_page_that_the_user_works_on_is_drawn_first(loop, redraws):
    log = []
    pages = [Page(loop, redraws, i, log) for i in range(5)]
    redraws.note_input(pages[4].document)
    for page in pages:
        page.request()
    loop.run(0.5)
    assert [name for name, _, _ in log][:3] == [4, 4, 4]


def test_inputs_without_end_do_not_stop_all_plots(loop, redraws):
    """A slider that is dragged: each frame is drawn after an input that came before it was handled."""
    log = []
    page = Page(loop, redraws, "page", log, seconds=0.005, answers=True)
    page.request()
    for _ in range(100):
        redraws.note_input(page.document)
        page.document.add_timeout_callback(lambda: (log.append("handled"), page.request()), 50)
        loop.run(0.016)
    frames = [i for i, entry in enumerate(log) if entry[1:2] == ("plot 0",)]
    assert len(frames) > 5
    assert all("handled" in log[first:last] for first, last in itertools.pairwise([0, *frames]))


def test_inputs_that_nobody_handles_do_not_stop_all_plots(loop, redraws):
    log = []
    page, stuck = Page(loop, redraws, "page", log), Page(loop, redraws, "stuck", log)
    stuck.document.locked = True
    page.request()
    for _ in range(20):
        redraws.note_input(stuck.document)
        loop.run(LONGEST_WAIT / 10)
        assert len(log) == 0 or loop.now >= LONGEST_WAIT
    assert len(log) == 3


def test_an_input_of_a_page_that_is_closed_holds_nothing_up(loop, redraws):
    log = []
    page, former = Page(loop, redraws, "page", log), Page(loop, redraws, "former", log)
    former.document.locked = True
    redraws.note_input(former.document)
    redraws.unregister(former.document)
    page.request()
    loop.run(1.0)
    assert len(log) == 3


def test_no_plot_is_drawn_twice_and_none_of_an_old_value(loop, redraws):
    log = []
    page = Page(loop, redraws, "page", log)
    for value in range(100):
        page.request(value)
    loop.run(5.0)
    assert log == [("page", plot, 99) for plot in page.plots] and page.frames == [1]


def test_what_is_drawn_already_is_drawn_again_for_the_next_frame(loop, redraws):
    log = []
    page = Page(loop, redraws, "page", log)
    page.request(1)
    loop.run(0.02)
    assert log == [("page", "plot 0", 1)]
    page.request(2)
    loop.run(1.0)
    assert log[1:] == [("page", "plot 1", 2), ("page", "plot 2", 2)] and page.frames == [1]
    page.request(3)
    redraws.show(page.document, "1")
    loop.run(1.0)
    assert log[3:] == [("page", f"plot {i}", 3) for i in range(3)] and page.frames == [1, 2]


def test_a_frame_is_drawn_without_the_answer_to_the_last_in_the_end(loop, redraws):
    log = []
    page, other = Page(loop, redraws, "page", log), Page(loop, redraws, "other", log)
    page.request(1)
    loop.run(1.0)
    page.request(2)
    loop.run(ANSWER_TIMEOUT / 2)
    other.request()
    loop.run(ANSWER_TIMEOUT / 4)
    assert [name for name, _, _ in log] == ["page"] * 3 + ["other"] * 3
    loop.run(ANSWER_TIMEOUT / 2)
    assert page.frames == [1, 2] and log[-1] == ("page", "plot 2", 2)


def test_pages_take_turns(loop, redraws):
    log = []
    pages = [Page(loop, redraws, i, log) for i in range(3)]
    for page in pages:
        page.request()
    loop.run(10.0)
    assert [name for name, _, _ in log] == [0, 1, 2] * 3


def test_drawing_takes_a_share_of_the_time(loop, redraws):
    log = []
    pages = [Page(loop, redraws, i, log, seconds=0.2) for i in range(5)]
    for page in pages:
        page.request()
    loop.run(15 * 0.2 / SHARE - 0.7)
    assert len(log) == 14  # the last one comes when the share allows it
    loop.run(1.0)
    assert len(log) == 15


def test_a_page_that_falls_behind_gets_the_newest_frame_only(loop, redraws):
    log = []
    page = Page(loop, redraws, "page", log, seconds=0.01)
    page.request(1)
    loop.run(1.0)
    assert page.frames == [1] and not redraws.is_open(page.document)
    redraws.show(page.document, "0")
    redraws.show(page.document, "nonsense")
    assert not redraws.is_open(page.document)  # an answer to another frame
    redraws.show(page.document, "1")
    assert redraws.is_open(page.document)
    page.request(2)
    assert not redraws.is_open(page.document)  # its plots are due
    loop.run(1.0)
    assert not redraws.is_open(page.document)
    loop.run(ANSWER_TIMEOUT)
    assert redraws.is_open(page.document)  # the answer may have been lost


def test_a_locked_page_does_not_stop_the_others(loop, redraws):
    log = []
    stuck, page = Page(loop, redraws, "stuck", log), Page(loop, redraws, "page", log)
    stuck.document.locked = True
    stuck.request()
    page.request()
    loop.run(5.0)
    assert [name for name, _, _ in log] == ["page"] * 3
    stuck.document.unlock()
    loop.run(5.0)
    assert [name for name, _, _ in log] == ["page"] * 3 + ["stuck"] * 3


def test_a_page_whose_plots_fail_goes_on(loop, redraws):
    log = []
    page = Page(loop, redraws, "page", log, answers=True)

    def broken():
        raise ValueError

    redraws.request(page.document, {"broken": broken})
    with pytest.raises(ValueError):
        loop.run(1.0)
    page.request()
    loop.run(1.0)
    assert len(log) == 3


def test_a_wake_up_brings_no_context_of_another_page():
    """Panel keeps the current document in the context; models would end up in the wrong page."""
    current, contexts = contextvars.ContextVar("current", default="none"), []

    class Recorder:
        def add_next_tick_callback(self, callback):
            contexts.append(current.get())

    wakeups, document = Wakeups(), Recorder()
    wakeups.register(document, lambda: None)
    current.set("another page")
    wakeups.wake()
    assert contexts == ["none"]


def test_on_a_server_an_input_is_handled_before_the_next_plot():
    """Pages of a real server on a loop that is busy with plots; a client moves the slider of one of them."""
    redraws, log, pages, over = Redraws(), [], [], threading.Event()

    def draw(document):
        log.append("plot")
        if over.wait(0.02):  # what a plot takes
            return
        redraws.request(document, {"plot": lambda: draw(document)})  # there is always another one due

    def application(document):
        slider = Slider(start=0, end=10, value=0)

        def on_change(attr, old, new):  # as Panel handles a change
            log.append("input")
            document.add_timeout_callback(lambda: log.append("handled"), 50)

        slider.on_change("value", on_change)
        document.add_root(slider)
        redraws.watch(document)
        perform = lambda steps: [step() for step in steps]  # noqa: E731
        redraws.register(document, perform, lambda frame: redraws.show(document, str(frame)))
        redraws.request(document, {"plot": lambda: draw(document)})
        pages.append(document)

    ready, loops = threading.Event(), []

    def serve():
        asyncio.set_event_loop(asyncio.new_event_loop())
        server = Server({"/": Application(FunctionHandler(application))}, port=0)
        server.start()
        loops.append((server, server.io_loop))
        server.io_loop.add_callback(ready.set)
        server.io_loop.start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert ready.wait(30)
    server, loop = loops[0]
    try:
        sessions = [pull_session(url=f"http://localhost:{server.port}/") for _ in range(3)]
        for value in range(1, 6):
            sessions[value % 3].document.roots[0].value = value
            sessions[value % 3].force_roundtrip()
            over.wait(0.2)
    finally:
        over.set()
        for session in sessions:
            session.close()
        loop.add_callback(server.stop)
        loop.add_callback(loop.stop)
        thread.join(10)
    inputs = [i for i, entry in enumerate(log) if entry == "input"]
    assert len(inputs) == 5 and log.count("plot") > 10
    assert all(log[i + 1] == "handled" for i in inputs), log
