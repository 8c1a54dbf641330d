"""The explorer and the inversion page draw their plots in turn: after inputs, one a turn, the newest only."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from bokeh.document import Document

from tests.ui.test_explorer import InlinePool
from tests.ui.test_redraws import Loop
from workbench.ui import page_redraws, process_pool
from workbench.ui.explorer_page import ExplorerPage
from workbench.ui.inversion_page import InversionPage
from workbench.ui.redraws import Redraws

pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")


class LoopDocument(Document):
    """A document whose callbacks are run by a `Loop`."""

    def __init__(self, loop):
        super().__init__()
        self.loop = loop

    def add_next_tick_callback(self, callback):
        self.loop.later(0.0, callback)

    def add_timeout_callback(self, callback, milliseconds):
        self.loop.later(milliseconds / 1000, callback)


@pytest.fixture
def loop():
    return Loop()


@pytest.fixture
def drawn_in_turn(loop, monkeypatch):
    """A function that has a page draw in turn, on the loop; it returns the log of what is drawn."""
    redraws = Redraws(later=loop.later, clock=loop.clock)
    monkeypatch.setattr(page_redraws, "REDRAWS", redraws)

    def begin(page, figures):
        log = []

        def record(name, show, data):
            show(data)
            log.append(name)

        for name, figure in figures.items():
            monkeypatch.setattr(figure, "show", partial(record, name, figure.show))
        page.redraws._document = LoopDocument(loop)
        page.redraws.begin()
        return log

    begin.redraws = redraws
    return begin


def check_turns(loop, begin, page, log, move, expected):
    """Check that plots wait for inputs and come one at a turn, and that each is drawn once of two values."""
    document = page.redraws._document
    move(0)
    assert not log
    loop.run(0.005)
    assert len(log) == 1
    loop.run(1.0)
    assert sorted(log) == sorted(expected)
    begin.redraws.show(document, "1")
    log.clear()
    move(1)
    move(2)
    begin.redraws.note_input(document)
    document.add_timeout_callback(lambda: (log.append("input"), move(3)), 50)  # as Panel handles a change
    loop.run(1.0)
    assert log[0] == "input" and sorted(log[1:]) == sorted(expected)
    move(4)  # the browser does not show the last frame yet
    loop.run(1.0)
    assert len(log) == 1 + len(expected)
    begin.redraws.show(document, "2")
    loop.run(1.0)
    assert len(log) == 1 + 2 * len(expected)


def test_the_explorer_draws_in_turn(loop, drawn_in_turn):
    page = ExplorerPage(pool=InlinePool())
    figures = {"corner": page.corner, "plane": page.predictive_view.figures["plane"]}
    figures["physical"] = page.predictive_view.physical["physical"]
    log = drawn_in_turn(page, figures)
    places = [1.0, 1.1, 1.2, 1.3, 1.4]
    check_turns(loop, drawn_in_turn, page, log, lambda i: page.state.observe((places[i], 0.0)), list(figures))
    observation = page.predictive_view.figures["plane"].columns["observed"]
    assert observation["plane_horizontal"] == [1.4] and "y = (1.4, 0)" in page.message.object


def test_the_replay_of_a_search_is_drawn_in_turn(loop, drawn_in_turn, monkeypatch):
    monkeypatch.setattr(process_pool.POOL, "submit", InlinePool().submit)
    page = InversionPage()
    page.source.value = "exact:sine_wave"
    page.form.set("starts", 10)
    page.form.set("steps", 40)
    asyncio.run(page._search())
    log = drawn_in_turn(page, {"search": page.search, "progress": page.progress})

    def move(i):
        page.player.value = i

    check_turns(loop, drawn_in_turn, page, log, move, ["search"])
    assert "iteration" in page.search.heading.object
    log.clear()
    page.show(page.result)  # another search: both plots, one at a turn
    assert not log
    drawn_in_turn.redraws.show(page.redraws._document, "3")
    loop.run(1.0)
    assert sorted(log) == ["progress", "search"]
