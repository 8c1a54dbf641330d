"""The posterior explorer, without a browser and without its other process."""

from __future__ import annotations

import shutil
from concurrent.futures import Future

import numpy as np
import pytest
import xarray as xr

from workbench.core.errors import DataError, WorkbenchError
from workbench.diagnostics.advice import advice, plain_summary
from workbench.training import home
from workbench.ui import diagnostics_page, latest_query
from workbench.ui.explorer_page import ExplorerPage
from workbench.ui.models import EXAMPLE, models
from workbench.ui.observation_file import read_observations, validate_file

# tables: bokeh calls pandas in a way that pandas 3.1 deprecates
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")


class InlinePool:
    """A pool that runs its work at once, in the test's own process."""

    def submit(self, work, *arguments):
        future = Future()
        try:
            future.set_result(work(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future


class ManualPool:
    """A pool whose futures the test completes itself; ``calls`` are the futures with their arguments."""

    def __init__(self):
        self.calls = []

    def submit(self, work, *arguments):
        self.calls.append((Future(), arguments))
        return self.calls[-1][0]


@pytest.fixture(scope="module")
def page():
    return ExplorerPage(pool=InlinePool())


@pytest.fixture(autouse=True)
def at_the_beginning(page):
    page.navigation.show("live")
    page.brush.value = False
    page.models.second.value = ""
    page.state.whole_axes()
    page.observation_picker.mode.value = "sliders"
    page.state.observe((1.5, 0.0))


def histogram(page):
    return page.state.answers["model"].histogram


# ---- opening
def test_it_opens_with_the_example_and_its_posterior(page):
    assert page.models.model.value == models()[EXAMPLE]
    assert page.state.info.pictures == ("arm",) and page.state.prior is not None
    assert [slider.label for slider in page.observation_picker.sliders] == ["y₁ [m]", "y₂ [m]"]
    assert "y = (1.5, 0) · 2 000 draws" in page.message.object and "wb-warning" not in page.message.object
    assert len(page.corner.columns["model"]["corner_horizontal"]) > 100
    assert not page.predictive_view.places["band"].visible and page.predictive_view.places["plane"].visible


def test_the_reference_comes_at_rest(page):
    page.state.rest()
    assert page.state.reference is not None
    assert len(page.corner.columns["reference"]["corner_horizontal"]) > 100
    assert len(page.predictive_view.physical["physical"].columns["reference"]["physical_horizontal"]) > 100
    # a reference of another place is not shown
    page.observation_picker.sliders[0].value = 1.2
    assert page.state.reference is None and not len(page.corner.columns["reference"]["corner_horizontal"])


def test_while_a_model_is_opened_nothing_of_the_last_one_is_drawn_or_queried(caplog):
    pool = ManualPool()
    page = ExplorerPage(pool=pool)
    page.state._receive_info(latest_query.model_info(models()[EXAMPLE]))
    page.state._receive_answer("model", latest_query.answer(models()[EXAMPLE], page.state.query()))
    assert "2 000 draws" in page.message.object
    page.models._offer({"Second": "second.zip", **models()})
    page.models.open("second.zip")
    assert "Opening the model" in page.message.object and page.state.histograms() is None
    n_calls = len(pool.calls)
    page.observation_picker.sliders[0].value = 1.2
    page.observation_picker.mode.value = "typed"
    page.predictive_view.on_plane_tap(1.0, 0.4)
    page.variables.value = page.variables.value[:2]
    page.draws.value = 20_000
    page.refinement_panel.method.value = None
    page.brush.value = True
    page.fit.clicks += 1
    page.whole.clicks += 1
    assert len(pool.calls) == n_calls and "Opening the model" in page.message.object
    assert not caplog.records
    page.close()


def test_only_a_model_of_the_menu_is_opened(page):
    with pytest.raises(WorkbenchError, match="menu"):
        page.models.open("/etc/passwd")
    page.models.begin("20000101-000000-abcdef", "one")
    assert page.models.model.value == models()[EXAMPLE]


# ---- the observation
def test_a_slider_moves_the_posterior_and_keeps_the_figure(page):
    figure, before = page.corner.figure, histogram(page)["mean"].values
    source = next(s for s in page.corner._sources.values() if "image" in s.data)
    picture = source.data["image"][0]
    page.observation_picker.sliders[1].value = 0.8
    assert page.state.observation == (1.5, 0.8)
    assert np.abs(histogram(page)["mean"].values - before).max() > 0.05
    assert page.corner.figure is figure and not np.array_equal(source.data["image"][0], picture)
    # updated columns equal those of a newly built figure
    fresh = type(page.corner)("corner")
    fresh.show(page.state.histograms())
    for label, source in page.corner._sources.items():
        for name, values in fresh._sources[label].data.items():
            assert np.array_equal(np.asarray(source.data[name]), np.asarray(values), equal_nan=True), (
                label,
                name,
            )


@pytest.mark.parametrize(
    ("typed", "reason"),
    [("1, nan", "not finite"), ("1", "wrong number"), ("1, 2, 3", "wrong number"), ("1, x", "numbers")],
)
def test_an_invalid_observation_is_reported_and_changes_nothing(page, typed, reason):
    page.observation_picker.text.value = typed
    assert (
        reason in page.observation_picker.message.object and "bad" in page.observation_picker.message.object
    )
    assert page.state.observation == (1.5, 0.0) and page.observation_picker.text.value == typed
    page.observation_picker.text.value = "1.25; 0.5"
    assert page.state.observation == (1.25, 0.5) and not page.observation_picker.message.object


def test_outside_of_the_training_is_warned_about(page):
    page.observation_picker.text.value = "5, 0"
    assert "wb-warning" in page.message.object and "horizontal" in page.message.object
    assert page.observation_picker.sliders[0].end >= 5  # the slider makes room
    page.observation_picker.text.value = "1.5, 0.1"
    assert "wb-warning" not in page.message.object


def test_an_export_without_its_problem_recognises_observations_unlike_its_training(tmp_path):
    from workbench.diagnostics.posterior_explorer.training_summary import TrainingSummary
    from workbench.export import load, save
    from workbench.training import Experiment, Run

    settings = {"samples": 400, "batch_size": 100}
    run = Run(Experiment("inverse_kinematics", "realnvp", training=settings, steps=1), device="cpu")
    summary = TrainingSummary(load(save(run, tmp_path / "model.zip")), None)
    usual = tuple(run.problem.default_observation)
    assert not summary.warnings(usual) and "not here" in summary.note
    outside, unlike = summary.warnings((usual[0] + 3.0, usual[1]))
    assert "Outside" in outside and "unlike those of the training" in unlike


def test_a_row_marks_its_true_parameters(page):
    page.observation_picker._select_row(3)
    assert page.state.observation == tuple(page.state.info.rows[3])
    crosses = page.corner.columns["truth"]
    assert np.isfinite(crosses["corner_horizontal"]).sum() == 6
    page.observation_picker.sliders[0].value = 1.0  # at another observation they are unknown
    assert not len(page.corner.columns["truth"]["corner_horizontal"])


def test_a_tap_chooses(page):
    page.predictive_view.on_plane_tap(1.0, 0.4)
    assert page.state.observation == (1.0, 0.4)
    assert [slider.value for slider in page.observation_picker.sliders] == [1.0, 0.4]


def test_a_tap_moves_one_number_of_a_series(tmp_path):
    from workbench.export import save
    from workbench.training import Experiment, Run

    file = tmp_path / "neuron.zip"
    save(Run(Experiment("bernoulli_glm", "realnvp", training={"samples": 300}), device="cpu"), file)
    page = ExplorerPage(pool=InlinePool())
    page.models._offer({"Neuron": str(file), **models()})
    page.models.open(str(file))
    page.state.rest()
    before = page.state.observation
    assert page.predictive_view.places["band"].visible and not page.predictive_view.places["plane"].visible
    page.predictive_view.on_band_tap(3.3, 7.5)
    assert page.state.observation == (*before[:3], 7.5, *before[4:])
    page.predictive_view.on_band_tap(0.1, -40.0)  # the number of spikes is bounded below by zero
    assert page.state.observation[0] == 0.0
    for x in (-1.0, 10.2):
        page.predictive_view.on_band_tap(x, 100.0)
    assert page.state.observation == (0.0, *before[1:3], 7.5, *before[4:])
    page.close()


def test_parameters_that_move_simulate_the_observation(page):
    page.observation_picker.mode.value = "truth"
    page.observation_picker.parameter_sliders[0].value = 0.25
    truth = [slider.value for slider in page.observation_picker.parameter_sliders]
    import torch

    from workbench.problems import PROBLEMS

    observation = PROBLEMS.make("inverse_kinematics").simulate(torch.tensor([truth]), torch.Generator())[0]
    assert page.state.observation == pytest.approx(observation.tolist(), abs=1e-6)


# ---- files
def test_files_of_every_kind_are_read(page, tmp_path):
    rows, names = np.array([[1.0, 0.5], [1.25, -0.5]]), ["horizontal", "vertical"]
    np.savez(tmp_path / "a.npz", horizontal=rows[:, 0], vertical=rows[:, 1], other=[3.0])
    np.savez(tmp_path / "table.npz", anything=rows)
    xr.Dataset({n: ("row", rows[:, i]) for i, n in enumerate(names)}).to_netcdf(tmp_path / "a.nc")
    (tmp_path / "a.csv").write_text("vertical,horizontal [m],note\n0.5,1.0,1\n-0.5,1.25,2\n")
    (tmp_path / "bare.csv").write_text("1.0,0.5\n1.25,-0.5\n")
    for name in ("a.npz", "table.npz", "a.nc", "a.csv", "bare.csv"):
        data = (tmp_path / name).read_bytes()
        assert name.endswith(validate_file(data, name))
        table = read_observations(str(tmp_path / name), names)
        assert np.allclose(table, rows), name
    page.observation_picker.load_rows([tuple(row) for row in rows])
    assert page.state.observation == (1.0, 0.5) and page.observation_picker.row.visible
    page.observation_picker.row.value = 1
    assert page.state.observation == (1.25, -0.5) and "2 of 2" in page.observation_picker.message.object
    page.observation_picker.load_rows([(np.nan, 0.0)])
    assert "not finite" in page.observation_picker.message.object and page.state.observation == (1.25, -0.5)


def test_a_column_may_be_one_observation(tmp_path):
    (tmp_path / "a.csv").write_text("1.0\n0.5\n0.25\n")
    assert read_observations(str(tmp_path / "a.csv"), ["a", "b", "c"]) == [(1.0, 0.5, 0.25)]


def test_files_that_do_not_fit_are_refused(tmp_path):
    (tmp_path / "a.csv").write_text("p,q,r\n1,2,3\n")
    with pytest.raises(DataError, match="does not fit"):
        read_observations(str(tmp_path / "a.csv"), ["horizontal", "vertical"])
    (tmp_path / "b.csv").write_text("horizontal,vertical\none,2\n")
    with pytest.raises(DataError, match="cannot be read"):
        read_observations(str(tmp_path / "b.csv"), ["horizontal", "vertical"])
    np.savez(tmp_path / "c.npz", p=[1.0], q=[2.0])
    with pytest.raises(DataError, match="does not name"):
        read_observations(str(tmp_path / "c.npz"), ["horizontal", "vertical"])
    np.save(tmp_path / "d.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="cannot be read"):
        read_observations(str(tmp_path / "d.npy"), ["horizontal"])
    for data, name, reason in (
        (b"PK", "a.exe", "kind"),
        (b"abc", "a.nc", "name says"),
        (b"a\0", "a.csv", "name says"),
    ):
        with pytest.raises(DataError, match=reason):
            validate_file(data, name)


# ---- axes, variables and brush
def test_axes_fit_and_go_back(page):
    page.state.observe((1.9, 0.0))
    page.fit.clicks += 1
    windows = np.reshape(histogram(page).attrs["windows"], (-1, 2))
    assert (np.ptp(windows, axis=1) < np.ptp(page.state.info.window, axis=1)).all()
    page.observation_picker.sliders[0].value = 1.0
    assert np.array_equal(np.reshape(histogram(page).attrs["windows"], (-1, 2)), windows)  # they stay fixed
    assert page.state.prior.attrs["windows"] == histogram(page).attrs["windows"]
    page.whole.clicks += 1
    assert np.allclose(np.reshape(histogram(page).attrs["windows"], (-1, 2)), page.state.info.window)


def test_variables_are_chosen(page):
    page.variables.value = ["x₃ [rad]", "x₁ [m]"]
    assert list(histogram(page)["shown"].values) == ["joint_2", "rail_height"]
    assert page.corner.figure.x_range.end == 2
    page.variables.value = [v.label for v in page.state.info.x]


def test_a_brush_filters_every_view_and_ends_with_a_movement(page):
    toolbar = page.corner.figure.toolbar
    before = list(toolbar.tools)
    page.brush.value = True
    assert toolbar.active_drag in before and toolbar.tools == before  # no tool comes, or all of them move
    page.on_box({"x0": 0.0, "x1": 0.5, "y0": 3.0, "y1": 4.0})  # the lower half of the first variable
    assert page.state.within == ((0, -1.0, 0.0),)
    mask = page.state.brush_mask()
    assert (
        mask.sum() == (histogram(page)["draw"].values[:, 0] <= 0).sum()
        and "in the brush" in page.message.object
    )
    assert len(page.corner.columns["brushed"]["corner_horizontal"]) == 6 * mask.sum()
    base = page.state.pictures()["model"]["line"].values[:, 0, 1]
    assert (base <= 0).all()  # the arms' rail heights
    page.observation_picker.sliders[0].value = 1.0
    assert not page.state.within and not len(page.corner.columns["brushed"]["corner_horizontal"])


def test_many_draws_come_while_it_rests(page):
    page.draws.value = 20_000
    assert histogram(page).attrs["total"] == 2000  # while it moves
    page.state.rest()
    assert histogram(page).attrs["total"] == 20_000 and "20 000 draws" in page.message.object
    page.draws.value = 2000


def test_a_second_model_is_compared_with_the_first(page, tmp_path):
    copy = tmp_path / "second.zip"
    shutil.copy(models()[EXAMPLE], copy)
    page.models._offer({"Second": str(copy), **models()})
    page.models.second.value = str(copy)
    assert page.state.other_info is not None
    assert len(page.corner.columns["second model"]["corner_horizontal"]) > 100
    page.observation_picker.sliders[0].value = 1.1
    assert page.state.answers["other"].observation == page.state.answers["model"].observation
    page.navigation.show("marginals")
    assert "second model" in page.table.object
    page.models.second.value = ""
    page.navigation.show("live")
    assert not len(page.corner.columns["second model"]["corner_horizontal"])


def test_a_second_model_of_another_problem_is_refused(page, monkeypatch):
    from dataclasses import replace

    about, second, query = page.state.info, page.models.second, page.state._info_queries["other"]
    another = replace(about, y=about.y[:1])
    monkeypatch.setattr(query, "submit", lambda source: page.state._receive_other(another))
    second.options = {**second.options, "Another": "another.zip"}
    second.value = "another.zip"
    assert "cannot be compared" in page.message.object and page.state.other_info is None
    monkeypatch.undo()
    second.value = "another.zip"  # there is no such file
    assert "bad" in page.message.object
    assert second.value == "" and "other" not in page.state.sources  # the menu shows what is compared
    page.models.refresh()


def test_another_model_is_never_queried_at_the_observation_of_the_last(page, monkeypatch):
    from dataclasses import replace

    submissions, about = [], page.state.info
    query = page.state._answer_queries["model"]
    wider = replace(
        about,
        y=about.y * 7,
        observation_window=about.observation_window * 7,
        default_observation=about.default_observation * 7,
        rows=np.tile(about.rows, 7),
        pictures=(),
    )
    monkeypatch.setattr(query, "submit", lambda source, query: submissions.append(query))
    page.state._receive_info(wider)
    assert submissions and all(len(query.observation) == 14 for query in submissions)
    assert page.observation_picker.part.visible and page.observation_picker.part.value == "1 to 6 of 14"
    page.observation_picker.part.value = "13 to 14 of 14"
    assert page.observation_picker.sliders[12] in page.observation_picker._panel.objects
    monkeypatch.undo()
    page.state._receive_info(about)
    assert page.state.observation == about.default_observation


def test_intervals_and_numbers_stand_on_their_own_page(page):
    page.navigation.show("marginals")
    assert len(page.intervals.columns["prior"]["intervals_horizontal"])
    assert page.table.object.count("<tr>") == 1 + len(page.state.info.x)


# ---- diagnostics
def test_checks_come_from_the_catalogue_and_are_reported_in_plain_words(monkeypatch):
    class One:
        title, summary, remedy = "One", "Looks.", "Mend it."

    monkeypatch.setattr(diagnostics_page, "DIAGNOSTICS", {"good": One, "bad": One, "new": One})

    def check(source, key, budget, observation):
        if key == "new":
            raise WorkbenchError("It broke")
        colour = "green" if key == "good" else "red"
        return {
            "key": key,
            "title": f"Check {key}",
            "summary": "Looks.",
            "verdict": colour,
            "sentence": "High & low.",
            "advice": "" if key == "good" else One.remedy,
            "numbers": {},
        }

    monkeypatch.setattr(latest_query, "check", check)
    page = diagnostics_page.DiagnosticsPage(lambda: "a model", pool=InlinePool())
    page.refresh()
    assert list(page.results) == ["good", "bad", "new"] and not page.start.loading
    assert "Not to be relied on" in page.heading.object and "Not green: Check bad" in page.heading.object
    assert "Could not be checked: One" in page.heading.object
    lines = page.lines.object
    assert "Check bad: failed" in lines and "Mend it." in lines and "High &amp; low." in lines
    assert lines.count("What to do") == 1 and "It broke" in lines
    page.clear()
    assert not page.results and not page.lines.object


def test_what_to_do_and_what_it_means():
    assert advice("calibration", "green") == "" and "not be checked" in advice(
        "calibration", "not applicable"
    )
    assert advice("calibration", "red")
    assert plain_summary({})[0] == "" and "None of the checks" in plain_summary({})[1]
    one = {"a": {"title": "A", "verdict": "amber"}, "b": {"title": "B", "verdict": "green"}}
    worst, sentence = plain_summary(one)
    assert worst == "amber" and "Not green: A." in sentence and "Checked: A, B." in sentence


def test_a_real_check_of_the_example():
    result = latest_query.check(models()[EXAMPLE], "invertibility")
    assert result["verdict"] == "green" and result["summary"] and result["title"] == "Invertibility"


# ---- queries
def test_waiting_queries_are_replaced_and_only_one_is_in_progress():
    pool, results = ManualPool(), []
    query = latest_query.LatestQuery(None, results.append, results.append, pool=pool)
    for i in range(5):
        query.submit(i)
    assert [arguments for _, arguments in pool.calls] == [(0,)] and query.replacements == 3
    pool.calls[0][0].set_result("zero")
    assert results == ["zero"] and [arguments for _, arguments in pool.calls] == [(0,), (4,)]
    query.cancel()
    pool.calls[1][0].set_result("four")
    assert results == ["zero"] and query.idle


def test_an_error_of_the_network_is_reported_and_the_next_query_is_sent():
    pool, errors, results = ManualPool(), [], []
    query = latest_query.LatestQuery(None, results.append, errors.append, pool=pool)
    query.submit(1)
    query.submit(2)
    pool.calls[0][0].set_exception(WorkbenchError("No"))
    pool.calls[1][0].set_result("two")
    assert len(errors) == 1 and results == ["two"] and query.idle


def test_a_run_without_an_observation_is_not_offered():
    from workbench.training import Experiment, Run, RunFolder

    for problem in ("two_moons", "two_moons_posterior"):
        settings = {"samples": 64, "batch_size": 32}
        run = Run(Experiment(problem, "realnvp", training=settings, steps=1), device="cpu")
        run.attach(RunFolder.create(home() / "runs"))
        run.step()
        run.save()
    labels = [label for label in models() if "Two moons" in label]
    assert len(labels) == 1 and "inverse problem" in labels[0]


def test_a_small_archive_of_observations_that_unpacks_to_a_large_one_is_refused(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", a=np.zeros(9 * 2**20))
    assert (tmp_path / "a.npz").stat().st_size < 100_000
    with pytest.raises(DataError, match="too large when it is unpacked.*Found: 72 MB"):
        read_observations(str(tmp_path / "a.npz"), ["a"])
