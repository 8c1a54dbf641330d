"""Side by side: equal seeds, equal iterations, and nothing starts that does not fit."""

import numpy as np
import pytest

from workbench.backends import InlineBackend
from workbench.core.errors import WorkbenchError
from workbench.ui.jobs import Jobs
from workbench.ui.session import Session
from workbench.ui.side_by_side import SideBySide


@pytest.fixture
def page(monkeypatch, tmp_path):
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    session = Session(Jobs(InlineBackend()))
    session.choices.select("architecture", "realnvp")
    session.choices.training.set("samples", 300)
    session.choices.steps = 5
    side_by_side = SideBySide(session, lambda act: act())
    side_by_side.divergences.value, side_by_side.stride.value = ["jensen_shannon", "kl"], 2
    yield side_by_side
    side_by_side.close()
    session.jobs.close()


def test_views_step_at_equal_iterations_to_the_end(page):
    page.begin()
    iterations, draw = [], page.draw

    def record_and_draw():
        iterations.append([column.snapshot.iteration for column in page.columns])
        draw()

    page.draw = record_and_draw
    for _ in range(20):
        page.tick()
    assert iterations == [[0, 0], [2, 2], [4, 4], [5, 5]]
    assert "all at iteration 000 005" in page.message.object
    assert all(card.plot is not None for column in page.columns for card in column.cards.values())


def test_only_the_divergence_differs(page):
    first, second = page.experiments().values()
    assert first.objective.divergence != second.objective.divergence and first.seed == second.seed
    assert first.replace(objective=second.objective) == second


def test_a_pause_holds_all(page):
    page.begin()
    page.views.value = ["losses"]
    page.toggle()
    for _ in range(6):
        page.tick()
    assert page.target == 0 and page.pause.label == "Continue"


def test_at_rest_another_view_and_another_observation_are_shown_by_all(page):
    page.session.choices.select("problem", "linear_gaussian")
    page.begin()
    page.toggle()
    observations = []
    for views, tap in ((["losses"], None), (["resimulation"], None), (["resimulation"], (0.7, 0.0))):
        page.views.value = views
        if tap:
            page._on_tap(*tap)
        for _ in range(4):
            page.tick()
        observations.append(
            [column.snapshot.arrays.get("observation", np.array([np.nan]))[0] for column in page.columns]
        )
        assert page.target == 0 and "all at iteration" in page.message.object
    page.views.value = ["resimulation", "losses"]
    assert all(card.data is not None for column in page.columns for card in column.cards.values())  # no flash
    assert np.isnan(observations[0]).all() and observations[2] == [0.7, 0.7]
    assert observations[1][0] == observations[1][1] != 0.7


def test_one_that_has_stopped_does_not_hold_the_others(page):
    page.begin()
    page.tick(), page.tick()
    page.columns[1].job.handle.stop()
    page.views.value = ["losses"]
    for _ in range(4):
        page.tick()
    assert "Stopped: Kullback-Leibler" in page.message.object and page.columns[0].snapshot is not None


def test_an_invalid_choice_is_refused_before_anything_starts(page):
    page.divergences.value = ["kl"]
    with pytest.raises(WorkbenchError, match="2 to 4"):
        page.begin()
    assert page.columns == []
