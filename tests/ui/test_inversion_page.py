"""The page that inverts a trained network, without a browser."""

from __future__ import annotations

import asyncio

import pytest

from workbench.ui import process_pool
from workbench.ui.inversion_page import Inverter, sources


@pytest.fixture
def page(monkeypatch):
    """The errand is done here and now: the helper process is tested elsewhere."""

    def at_once(work, *arguments):
        from concurrent.futures import Future

        done = Future()
        try:
            done.set_result(work(*arguments))
        except Exception as error:
            done.set_exception(error)
        return done

    monkeypatch.setattr(process_pool.POOL, "send", at_once)
    made = Inverter()
    made.source.value = "exact:sine_wave"
    return made


def test_a_search_is_shown_and_played(page):
    page.form.set("starts", 10)
    page.form.set("steps", 40)
    assert page.player is None
    asyncio.run(page._search())
    assert page.found.sizes["point"] == 10
    assert page.found.attrs["sentence"].split()[0] in page.said.object
    last = page.player.end
    assert page.player.value == last == page.found.sizes["moment"] - 1
    page.player.value = 0
    assert "iteration 0" in page.search.heading.object
    shown = page.search.pipe.data
    assert shown.sizes["near_point"] + shown.sizes["away_point"] == 10


def test_choices_follow_each_other(page):
    assert [field.label for field in page.fields] == ["y"] and not page.pairs.visible
    page.source.value = "trained:inverse_kinematics"
    assert len(page.fields) == 2 and page.pairs.visible and len(page.pairs.options) == 6
    page.method.value = "boundary_marking"
    assert "marks" in page.form.settings and "level set" in page.about.object


def test_a_mistake_is_a_sentence(page):
    page.fields[0].value = float("inf")
    asyncio.run(page._search())
    assert "finite" in page.said.object and "bad" in page.said.object
    assert not page.start.loading


def test_what_there_is_to_invert():
    assert list(sources().values())[:1] == ["trained:two_moons_posterior"]
