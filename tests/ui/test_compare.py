"""The comparison without a browser: what it finds, what it ticks, and what its plots show."""

import holoviews as hv
import numpy as np
import pytest

from tests.studies.toy import TRAINING
from workbench.studies import STUDIES, results_table, run
from workbench.studies.posterior_comparison import named, posterior_data, spread_data
from workbench.training import Experiment, Run, RunFolder
from workbench.ui.compare import Compare

# Panel's table calls pandas in a way that pandas 3 wants to lose
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")
TINY = {"observations": 8, "draws": 50, "samples": 600, "steps": 6, "parameters": 2000, "adjoint_steps": 5}
METHODS = ["exact", "prior", "realnvp", "nothing_like_it"]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home with one study and one run, and a folder with a stored result."""
    place = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_HOME", str(place))
        study = STUDIES.make("kinematics", fast=True, methods=METHODS, **TINY)
        run(study, device="cpu")
        architecture = {"key": "realnvp", "settings": {"transforms": 2, "width": 8}}
        experiment_run = Run(
            Experiment("linear_gaussian", architecture, training=TRAINING, steps=12), device="cpu"
        )
        list(experiment_run)
        experiment_run.save(RunFolder.create())
    results = place / "stored"
    results.mkdir()
    (results / "old.nc").write_bytes(next((place / "studies").glob("*/result.nc")).read_bytes())
    (results / "torn.nc").write_bytes(b"torn")
    return place


@pytest.fixture
def page(home, monkeypatch):
    monkeypatch.setenv("WORKBENCH_HOME", str(home))
    return Compare([home / "stored"])


def glyphs(page, name):
    figure = hv.render(page.places[name].objects[0].object)
    return figure, [len(next(iter(r.data_source.data.values()), ())) for r in figure.renderers]


def test_it_finds_studies_stored_results_and_runs(page):
    titles = list(page.available)
    assert len(titles) == 3 and titles[-1] == "Stored runs" and "old" in titles[1]
    assert [e.title for e in page.entries][:2] == ["Exact posterior (floor)", "Prior only"]
    assert page.table.value["Err_post"].iloc[1] == pytest.approx(page.entries[1].numbers["err_post"])
    assert np.isnan(page.table.value["Err_post"].iloc[3]) and page.table.value["state"].iloc[3] == "refused"


def test_the_best_are_ticked_and_drawn(page):
    assert [e.title for e in page.selection] == ["Exact posterior (floor)", "Prior only", "RealNVP"]
    figure, counts = glyphs(page, "spread")
    names = figure.yaxis[0].major_label_overrides
    assert names == {2: "Exact posterior (floor)", 1: "Prior only", 0: "RealNVP"}
    assert counts[0] == 3 * TINY["observations"] and counts[3] == 3
    assert glyphs(page, "posterior")[1] == [300, 300, 300]
    figure, _ = glyphs(page, "losses")
    assert [item.label.value for item in figure.legend[0].items if item.visible] == ["RealNVP"]


def test_ticks_and_choices_are_followed(page):
    page.table.selection = [1, 3]
    assert glyphs(page, "posterior")[1] == [300] and "nothing_like_it" in page.note.object
    page.metric.value, page.log.value = "parameters", False
    figure, _ = glyphs(page, "spread")
    assert figure.xaxis[0].axis_label == "parameters"
    page.observation.value, page.vertical.value = 2, "joint_3"
    assert glyphs(page, "posterior")[0].yaxis[0].axis_label == "joint 3"


def test_several_sources_stand_in_one_table(page):
    page.source.value = list(page.available)
    assert len(page.entries) == 2 * len(METHODS) + 1 and "from" in page.table.value
    last = page.entries[-1]
    assert (
        last.source == results_table.RUNS and last.numbers["steps_done"] == 12 and last.curve.shape == (3, 12)
    )
    page.table.selection = [2, len(page.entries) - 1]
    figure, _ = glyphs(page, "losses")
    assert sum(item.visible for item in figure.legend[0].items) == 2
    page.source.value = ["Stored runs"]
    assert len(page.table.value) == 1 and not page.third.visible


def test_an_empty_home_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    assert "workbench study" in Compare().note.object


def test_published_figures_are_marked(page):
    data = spread_data(page.entries, page.columns[0], log=True)
    assert list(data["tag"].values) == ["replicated"]
    assert data["figure"].values[0, 1] == 0.242 and np.isnan(data["figure"].values[0, 0])
    low, high = data.attrs["horizontal_window"]
    assert 0 < low < 0.242 < high


def test_names_that_are_alike_are_told_apart(page):
    first = page.entries[0]
    assert named([first, first]) == [f"{first.title} · seed 0 (1)", f"{first.title} · seed 0 (2)"]


def test_draws_of_another_problem_are_left_out(page):
    data = posterior_data(page.entries, 0, ("rail_height", "no_such_thing"))
    assert data.sizes["row"] == 0
    data = posterior_data(page.entries, 0, ("rail_height", "joint_1"))
    assert list(data["exact"].values) == [True, False, False]
    np.testing.assert_allclose(data["x"].values[1], page.entries[1].draws.x[0][:, :2])
