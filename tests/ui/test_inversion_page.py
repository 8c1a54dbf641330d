"""The page that inverts a trained network, without a browser."""

from __future__ import annotations

import asyncio

import pytest

from tests.ui.test_explorer import InlinePool
from workbench.ui import process_pool
from workbench.ui.inversion_page import InversionPage, sources


@pytest.fixture
def page(monkeypatch):
    """A page whose searches run in the test's own process."""
    monkeypatch.setattr(process_pool.POOL, "submit", InlinePool().submit)
    inversion_page = InversionPage()
    inversion_page.source.value = "exact:sine_wave"
    return inversion_page


def test_a_search_is_shown_and_played(page):
    page.form.set("starts", 10)
    page.form.set("steps", 40)
    assert page.player is None
    asyncio.run(page._search())
    assert page.result.sizes["point"] == 10
    assert page.result.attrs["sentence"].split()[0] in page.message.object
    last = page.player.end
    assert page.player.value == last == page.result.sizes["moment"] - 1
    page.player.value = 0
    assert "iteration 0" in page.search.heading.object
    data = page.search.pipe.data
    assert data.sizes["near_point"] + data.sizes["away_point"] == 10


def test_choices_follow_each_other(page):
    assert [field.label for field in page.fields] == ["y"] and not page.pairs.visible
    page.source.value = "trained:inverse_kinematics"
    assert len(page.fields) == 2 and page.pairs.visible and len(page.pairs.options) == 6
    page.method.value = "boundary_marking"
    assert "marks" in page.form.settings and "level set" in page.about.object


def test_a_mistake_is_a_sentence(page):
    page.fields[0].value = float("inf")
    asyncio.run(page._search())
    assert "finite" in page.message.object and "bad" in page.message.object
    assert not page.start.loading


def test_what_there_is_to_invert():
    assert list(sources().values())[:1] == ["trained:two_moons_posterior"]
