"""Side by side: equal seeds, equal iterations, and nothing starts that does not fit."""

import pytest

from workbench.backends import InlineBackend
from workbench.core.errors import WorkbenchError
from workbench.ui.beside import Beside
from workbench.ui.jobs import Jobs
from workbench.ui.session import Session


@pytest.fixture
def page(monkeypatch, tmp_path):
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    session = Session(Jobs(InlineBackend()))
    session.choices.pick("architecture", "realnvp")
    session.choices.training.set("samples", 300)
    session.choices.steps = 5
    made = Beside(session, lambda act: act())
    made.divergences.value, made.stride.value = ["jensen_shannon", "kl"], 2
    yield made
    made.close()
    session.jobs.close()


def test_views_step_at_equal_iterations_to_the_end(page):
    page.begin()
    drawn, draw = [], page.draw

    def recorded():
        drawn.append([lane.snapshot.iteration for lane in page.lanes])
        draw()

    page.draw = recorded
    for _ in range(20):
        page.tick()
    assert drawn == [[0, 0], [2, 2], [4, 4], [5, 5]]
    assert "all at iteration 000 005" in page.said.object
    assert all(card.plot is not None for lane in page.lanes for card in lane.cards.values())


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
    assert page.target == 0 and page.hold.label == "Go on"


def test_what_does_not_fit_is_refused_before_anything_starts(page):
    page.divergences.value = ["kl"]
    with pytest.raises(WorkbenchError, match="2 to 4"):
        page.begin()
    assert page.lanes == []
