"""The page put together, without a browser: it opens with the example, follows a run, and its parts agree."""

import gc
import weakref

import holoviews as hv
import panel as pn
import pytest

from workbench.backends import InlineBackend
from workbench.snapshots import VIEWS
from workbench.ui import badge, drawing
from workbench.ui.devices import device_reasons
from workbench.ui.jobs import Jobs
from workbench.ui.overlay import curves, overlay
from workbench.ui.studio import Studio

# Panel's table calls pandas in a way that pandas 3 wants to lose
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")


@pytest.fixture
def studio(monkeypatch, tmp_path):
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    page = Studio(Jobs(InlineBackend()))
    yield page
    page.session.close()
    page.session.jobs.close()


def test_it_opens_with_the_trained_example(studio):
    assert studio.session.title == "The trained example"
    assert (
        "002 000" in studio.run_controls.readout.object and "finished" in studio.run_controls.readout.object
    )
    assert studio.run_controls.play.label == "New run"
    assert "invertible" in studio.view_grid.badge._pane.object


def test_every_visible_view_is_drawn(studio):
    for name in studio.view_grid.visible_names:
        figure = hv.render(studio.view_grid.cards[name].plot)
        assert figure.renderers, name


def test_dashed_lines_are_named_when_there_are_some(studio):
    assert "validation dashed" in studio.view_grid.cards["losses"].heading.object


def test_the_page_does_not_follow_every_callback_of_the_server(studio):
    busy = []
    studio.page.param.watch(lambda event: busy.append(event.new), "busy")
    pn.state._add_busy_event("a callback")
    pn.state._remove_busy_event("a callback")
    assert not busy, "each change makes the page walk all of its models"


def test_a_closed_page_is_freed(monkeypatch, tmp_path):
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    registry = Jobs(InlineBackend())
    page = Studio(registry)
    reference = weakref.ref(page)
    page.close()
    del page
    gc.collect()
    registry.close()
    assert reference() is None, "something that outlives the session holds on to its page"


def test_a_step_moves_counter_and_plots(studio):
    session = studio.session
    session.choices.training.set("samples", 200)
    session.choices.steps = 20
    studio.controls.refresh()
    assert session.dirty and "new run" in studio.banner._text.object
    session.step(1)
    session.poll()
    session.poll()
    assert "000 001" in studio.run_controls.readout.object
    assert session.snapshot.iteration == 1 and not session.dirty


def test_an_inverse_problem_gets_its_own_views(studio):
    studio.controls._on_pick("problem", "inverse_kinematics")
    studio.session.choices.training.set("samples", 300)
    studio.session.new_run(run=False)
    studio.session.poll()
    assert studio.view_grid.visible_names[:3] == ("resimulation", "posterior", "arm")
    assert studio.view_grid.pairs.visible and len(studio.view_grid.observation.fields) == 2
    card = studio.view_grid.cards["resimulation"]
    assert "tap" in hv.render(card.plot).subscribed_events
    card.tap.event(x=1.2, y=0.4)
    studio.session.poll()
    assert studio.session.observation == (1.2, 0.4)
    assert [field.value for field in studio.view_grid.observation.fields] == [1.2, 0.4]


def test_hidden_views_are_neither_drawn_nor_requested(studio):
    studio.view_grid.chooser.value = ["losses"]
    assert studio.session.views == ("invertibility",)
    assert studio.view_grid.visible_names == ("losses",) and len(studio.view_grid.grid) == 1


def test_a_disabled_architecture_has_a_reason(studio):
    picker = studio.controls.pickers["architecture"]
    assert "inn" in picker.select.disabled_options
    assert any(label.startswith("Invertible") and "—" in label for label in picker.select.options)


def test_a_device_that_is_not_there_is_disabled_with_its_reason(studio):
    assert not studio.controls.device.disabled_options
    reasons = device_reasons()
    assert reasons["auto"] == reasons["cpu"] == ""
    studio.controls.show_devices(reasons | {"mps": "not available (needs a Mac with Metal)"})
    device = studio.controls.device
    assert "mps" in device.disabled_options and device.value == "auto" and studio.session.device == "auto"
    assert "Apple GPU — not available (needs a Mac with Metal)" in device.options


def test_settings_of_an_embedding_are_shown_where_there_is_one(studio):
    def settings():
        return {n for n in studio.controls.pickers["architecture"].form.widgets if n.startswith("embedding")}

    studio.controls._on_pick("problem", "inverse_kinematics")
    assert settings() == {"embedding"}
    widget = studio.controls.pickers["architecture"].form.widgets["embedding"]
    options = widget.options if isinstance(widget.options, dict) else {str(o): o for o in widget.options}
    widget.value = next(value for label, value in options.items() if "mlp" in label.lower())
    assert "embedding_features" in settings() and "embedding_channels" not in settings()
    studio.controls._on_pick("problem", "two_moons")
    assert settings() == set()


@pytest.mark.parametrize("page", ["runs", "import_export", "share"])
def test_every_page_can_be_opened(studio, page):
    studio.navigation.show(page)
    assert studio.navigation.places[page].visible and not studio.navigation.places["live"].visible
    assert not studio.view_grid.active


def test_the_link_holds_the_experiment(studio):
    from workbench.training import Experiment

    studio.navigation.show("share")
    link = studio.navigation._pages["share"].link.value
    assert Experiment.from_link(link) == studio.session.choices.experiment()
    assert "wb.Run" in studio.navigation._pages["share"].python.value


def test_a_badge_without_numbers_says_so():
    assert "not measured" in badge.badge(None)


def test_losses_of_several_runs_lie_over_each_other():
    from types import SimpleNamespace

    def history(level):
        return [SimpleNamespace(iteration=i, parts={"loss": level + i}, validation={}) for i in range(1, 5)]

    data = curves([("one", history(0.0)), ("two", history(3.0))])
    assert list(data["part"].values) == ["one", "two"]
    assert hv.render(overlay(data))


def test_strokes_become_points_inside_the_canvas():
    points = drawing.along([-9, 9], [0, 0])
    assert len(points) > 10 and all(-4 <= x <= 4 for x, _ in points)
    assert drawing.along([], []) == []


def test_every_view_has_a_sentence():
    assert all(view.title and view.summary for view in VIEWS)


@pytest.mark.parametrize("view", VIEWS.shown().values(), ids=lambda view: view.key)
def test_a_plot_may_be_as_low_as_its_card(view):
    from workbench import diagnostics
    from workbench.ui.card import make_card

    card = make_card(view, lambda *_: None)
    card.show(diagnostics.empty(view.key))
    figure = hv.render(card.plot)
    assert figure.min_height <= 150 and (figure.toolbar_inner or figure.toolbar_location is None)
