"""The posterior explorer, without a browser and without its other process."""

from __future__ import annotations

import shutil
from concurrent.futures import Future

import numpy as np
import pytest
import xarray as xr

from workbench.core.errors import DataError, WorkbenchError
from workbench.diagnostics.advice import advice, plainly
from workbench.training import home
from workbench.ui import diagnostics_page, latest_query
from workbench.ui.explorer_page import Explorer
from workbench.ui.models import EXAMPLE, models
from workbench.ui.observation_file import checked_file, read_observations

# tables: bokeh calls pandas in a way that pandas 3.1 deprecates
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")


class Here:
    """ProcessPool that are done here and now."""

    def send(self, work, *arguments):
        done = Future()
        try:
            done.set_result(work(*arguments))
        except Exception as error:
            done.set_exception(error)
        return done


class Held:
    """ProcessPool that are done when the test says so."""

    def __init__(self):
        self.sent = []

    def send(self, work, *arguments):
        self.sent.append((Future(), arguments))
        return self.sent[-1][0]


@pytest.fixture(scope="module")
def page():
    return Explorer(pool=Here())


@pytest.fixture(autouse=True)
def at_the_beginning(page):
    page.navigation.show("live")
    page.brush.value = False
    page.models.second.value = ""
    page.state.whole_axes()
    page.observing.ways.value = "sliders"
    page.state.observe((1.5, 0.0))


def law(page):
    return page.state.answers["model"].law


# ---- opening
def test_it_opens_with_the_example_and_its_posterior(page):
    assert page.models.model.value == models()[EXAMPLE]
    assert page.state.about.pictures == ("arm",) and page.state.prior is not None
    assert [slider.label for slider in page.observing.sliders] == ["y₁ [m]", "y₂ [m]"]
    assert "y = (1.5, 0) · 2 000 draws" in page.said.object and "wb-warning" not in page.said.object
    assert len(page.corner.columns["model"]["corner_horizontal"]) > 100
    assert not page.world.places["band"].visible and page.world.places["plane"].visible


def test_the_reference_comes_at_rest(page):
    page.state.rest()
    assert page.state.reference is not None
    assert len(page.corner.columns["reference"]["corner_horizontal"]) > 100
    assert len(page.world.physical["physical"].columns["reference"]["physical_horizontal"]) > 100
    # a reference of another place is not shown
    page.observing.sliders[0].value = 1.2
    assert page.state.reference is None and not len(page.corner.columns["reference"]["corner_horizontal"])


def test_while_a_model_is_opened_nothing_of_the_last_one_is_drawn_or_asked():
    held = Held()
    page = Explorer(pool=held)
    page.state._told("model", latest_query.about(models()[EXAMPLE]))
    page.state._answered("model", latest_query.answer(models()[EXAMPLE], page.state.ask()))
    assert "2 000 draws" in page.said.object
    page.models._offer({"Second": "second.zip", **models()})
    page.models.open("second.zip")
    assert "Opening the model" in page.said.object and page.state.laws() is None
    asked = len(held.sent)
    page.observing.sliders[0].value = 1.2
    page.observing.ways.value = "typed"
    page.world.tapped(1.0, 0.4)
    assert len(held.sent) == asked and "Opening the model" in page.said.object
    page.close()


def test_only_a_model_of_the_menu_is_opened(page):
    with pytest.raises(WorkbenchError, match="menu"):
        page.models.open("/etc/passwd")
    page.models.begin("20000101-000000-abcdef", "one")
    assert page.models.model.value == models()[EXAMPLE]


# ---- the observation
def test_a_slider_moves_the_posterior_and_keeps_the_figure(page):
    figure, before = page.corner.figure, law(page)["mean"].values
    source = next(s for s in page.corner._sources.values() if "image" in s.data)
    picture = source.data["image"][0]
    page.observing.sliders[1].value = 0.8
    assert page.state.observation == (1.5, 0.8)
    assert np.abs(law(page)["mean"].values - before).max() > 0.05
    assert page.corner.figure is figure and not np.array_equal(source.data["image"][0], picture)
    # what was replaced is what a figure that is built anew would show
    fresh = type(page.corner)("corner")
    fresh.show(page.state.laws())
    for label, kept in page.corner._sources.items():
        for name, values in fresh._sources[label].data.items():
            assert np.array_equal(np.asarray(kept.data[name]), np.asarray(values), equal_nan=True), (
                label,
                name,
            )


@pytest.mark.parametrize(
    ("typed", "said"),
    [("1, nan", "not finite"), ("1", "wrong length"), ("1, 2, 3", "wrong length"), ("1, x", "numbers")],
)
def test_what_cannot_be_an_observation_is_said_and_changes_nothing(page, typed, said):
    page.observing.typed.value = typed
    assert said in page.observing.said.object and "bad" in page.observing.said.object
    assert page.state.observation == (1.5, 0.0) and page.observing.typed.value == typed
    page.observing.typed.value = "1.25; 0.5"
    assert page.state.observation == (1.25, 0.5) and not page.observing.said.object


def test_outside_of_the_training_is_warned_about(page):
    page.observing.typed.value = "5, 0"
    assert "wb-warning" in page.said.object and "horizontal" in page.said.object
    assert page.observing.sliders[0].end >= 5  # the slider makes room
    page.observing.typed.value = "1.5, 0.1"
    assert "wb-warning" not in page.said.object


def test_a_file_whose_problem_is_not_here_knows_what_is_unlike_its_training(tmp_path):
    from workbench.diagnostics.posterior_explorer.training_summary import Seen
    from workbench.export import load, save
    from workbench.training import Experiment, Run

    settings = {"samples": 400, "batch_size": 100}
    run = Run(Experiment("inverse_kinematics", "realnvp", training=settings, steps=1), device="cpu")
    seen = Seen(load(save(run, tmp_path / "model.zip")), None)
    usual = tuple(run.problem.default_observation)
    assert not seen.warnings(usual) and "not here" in seen.note
    outside, unlike = seen.warnings((usual[0] + 3.0, usual[1]))
    assert "Outside" in outside and "unlike those of the training" in unlike


def test_a_row_marks_its_true_parameters(page):
    page.observing._picked(3)
    assert page.state.observation == tuple(page.state.about.rows[3])
    crosses = page.corner.columns["truth"]
    assert np.isfinite(crosses["corner_horizontal"]).sum() == 6
    page.observing.sliders[0].value = 1.0  # somewhere else nothing is known of them
    assert not len(page.corner.columns["truth"]["corner_horizontal"])


def test_a_tap_chooses(page):
    page.world.tapped(1.0, 0.4)
    assert page.state.observation == (1.0, 0.4)
    assert [slider.value for slider in page.observing.sliders] == [1.0, 0.4]


def test_a_tap_moves_one_number_of_a_series(tmp_path):
    from workbench.export import save
    from workbench.training import Experiment, Run

    file = tmp_path / "neuron.zip"
    save(Run(Experiment("bernoulli_glm", "realnvp", training={"samples": 300}), device="cpu"), file)
    page = Explorer(pool=Here())
    page.models._offer({"Neuron": str(file), **models()})
    page.models.open(str(file))
    page.state.rest()
    before = page.state.observation
    assert page.world.places["band"].visible and not page.world.places["plane"].visible
    page.world.moved(3.3, 7.5)
    assert page.state.observation == (*before[:3], 7.5, *before[4:])
    page.world.moved(0.1, -40.0)  # fewer spikes than none there are not
    assert page.state.observation[0] == 0.0
    for x in (-1.0, 10.2):
        page.world.moved(x, 100.0)
    assert page.state.observation == (0.0, *before[1:3], 7.5, *before[4:])
    page.close()


def test_parameters_that_move_simulate_the_observation(page):
    page.observing.ways.value = "truth"
    page.observing.truths[0].value = 0.25
    truth = [slider.value for slider in page.observing.truths]
    import torch

    from workbench.problems import PROBLEMS

    made = PROBLEMS.make("inverse_kinematics").simulate(torch.tensor([truth]), torch.Generator())[0]
    assert page.state.observation == pytest.approx(made.tolist(), abs=1e-6)


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
        assert name.endswith(checked_file(data, name))
        found = read_observations(str(tmp_path / name), names)
        assert np.allclose(found, rows), name
    page.observing.take([tuple(row) for row in rows])
    assert page.state.observation == (1.0, 0.5) and page.observing.row.visible
    page.observing.row.value = 1
    assert page.state.observation == (1.25, -0.5) and "2 of 2" in page.observing.said.object
    page.observing.take([(np.nan, 0.0)])
    assert "not finite" in page.observing.said.object and page.state.observation == (1.25, -0.5)


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
    for data, name, said in (
        (b"PK", "a.exe", "kind"),
        (b"abc", "a.nc", "name says"),
        (b"a\0", "a.csv", "name says"),
    ):
        with pytest.raises(DataError, match=said):
            checked_file(data, name)


# ---- looking
def test_axes_fit_and_go_back(page):
    page.state.observe((1.9, 0.0))
    page.fit.clicks += 1
    fitted = np.reshape(law(page).attrs["windows"], (-1, 2))
    assert (np.ptp(fitted, axis=1) < np.ptp(page.state.about.window, axis=1)).all()
    page.observing.sliders[0].value = 1.0
    assert np.array_equal(np.reshape(law(page).attrs["windows"], (-1, 2)), fitted)  # they hold still
    assert page.state.prior.attrs["windows"] == law(page).attrs["windows"]
    page.whole.clicks += 1
    assert np.allclose(np.reshape(law(page).attrs["windows"], (-1, 2)), page.state.about.window)


def test_variables_are_chosen(page):
    page.chosen.value = ["x₃ [rad]", "x₁ [m]"]
    assert list(law(page)["shown"].values) == ["joint_2", "rail_height"]
    assert page.corner.figure.x_range.end == 2
    page.chosen.value = [v.label for v in page.state.about.x]


def test_a_brush_is_seen_in_every_view_and_ends_with_a_movement(page):
    toolbar = page.corner.figure.toolbar
    before = list(toolbar.tools)
    page.brush.value = True
    assert toolbar.active_drag in before and toolbar.tools == before  # no tool comes, or all of them move
    page.boxed({"x0": 0.0, "x1": 0.5, "y0": 3.0, "y1": 4.0})  # the lower half of the first variable
    assert page.state.within == ((0, -1.0, 0.0),)
    kept = page.state.brushed()
    assert kept.sum() == (law(page)["draw"].values[:, 0] <= 0).sum() and "in the brush" in page.said.object
    assert len(page.corner.columns["brushed"]["corner_horizontal"]) == 6 * kept.sum()
    base = page.state.pictures()["model"]["line"].values[:, 0, 1]
    assert (base <= 0).all()  # the arms' rail heights
    page.observing.sliders[0].value = 1.0
    assert not page.state.within and not len(page.corner.columns["brushed"]["corner_horizontal"])


def test_many_draws_come_while_it_rests(page):
    page.draws.value = 20_000
    assert law(page).attrs["total"] == 2000  # while it moves
    page.state.rest()
    assert law(page).attrs["total"] == 20_000 and "20 000 draws" in page.said.object
    page.draws.value = 2000


def test_a_second_model_is_laid_over_the_first(page, tmp_path):
    copied = tmp_path / "second.zip"
    shutil.copy(models()[EXAMPLE], copied)
    page.models._offer({"Second": str(copied), **models()})
    page.models.second.value = str(copied)
    assert page.state.other_about is not None
    assert len(page.corner.columns["second model"]["corner_horizontal"]) > 100
    page.observing.sliders[0].value = 1.1
    assert page.state.answers["other"].observation == page.state.answers["model"].observation
    page.navigation.show("marginals")
    assert "second model" in page.table.object
    page.models.second.value = ""
    page.navigation.show("live")
    assert not len(page.corner.columns["second model"]["corner_horizontal"])


def test_a_second_model_of_another_problem_is_refused(page):
    from dataclasses import replace

    about = replace(page.state.about, y=page.state.about.y[:1])
    page.state.sources["other"] = "x"
    page.state._told("other", about)
    assert "cannot be laid over" in page.said.object and page.state.other_about is None


def test_another_model_is_never_asked_with_the_observation_of_the_last(page, monkeypatch):
    from dataclasses import replace

    asked, about = [], page.state.about
    looks = page.state._looks["model"]
    wider = replace(
        about,
        y=about.y * 7,
        observation_window=about.observation_window * 7,
        default_observation=about.default_observation * 7,
        rows=np.tile(about.rows, 7),
        pictures=(),
    )
    monkeypatch.setattr(looks, "ask", lambda source, ask: asked.append(ask))
    page.state._told("model", wider)
    assert asked and all(len(ask.observation) == 14 for ask in asked)
    assert page.observing.part.visible and page.observing.part.value == "1 to 6 of 14"
    page.observing.part.value = "13 to 14 of 14"
    assert page.observing.sliders[12] in page.observing._panel.objects
    monkeypatch.undo()
    page.state._told("model", about)
    assert page.state.observation == about.default_observation


def test_intervals_and_numbers_stand_on_their_own_page(page):
    page.navigation.show("marginals")
    assert len(page.intervals.columns["prior"]["intervals_horizontal"])
    assert page.table.object.count("<tr>") == 1 + len(page.state.about.x)


# ---- diagnostics
def test_checks_are_read_off_the_catalogue_and_said_plainly(monkeypatch):
    class One:
        title, summary, remedy = "One", "Looks.", "Mend it."

    monkeypatch.setattr(diagnostics_page, "DIAGNOSTICS", {"good": One, "bad": One, "new": One})

    def found(source, key, budget, observation):
        if key == "new":
            raise WorkbenchError("It broke")
        colour = "green" if key == "good" else "red"
        return {
            "key": key,
            "title": f"Check {key}",
            "summary": "Looks.",
            "verdict": colour,
            "sentence": "Seen & said.",
            "advice": "" if key == "good" else One.remedy,
            "numbers": {},
        }

    monkeypatch.setattr(latest_query, "verdict", found)
    page = diagnostics_page.Verdict(lambda: "a model", pool=Here())
    page.refresh()
    assert list(page.found) == ["good", "bad", "new"] and not page.start.loading
    assert "Not to be relied on" in page.heading.object and "Not green: Check bad" in page.heading.object
    assert "Could not be checked: One" in page.heading.object
    lines = page.lines.object
    assert "Check bad: failed" in lines and "Mend it." in lines and "Seen &amp; said." in lines
    assert lines.count("What to do") == 1 and "It broke" in lines
    page.clear()
    assert not page.found and not page.lines.object


def test_what_to_do_and_what_it_means():
    assert advice("calibration", "green") == "" and "not be checked" in advice(
        "calibration", "not applicable"
    )
    assert advice("calibration", "red")
    assert plainly({})[0] == "" and "None of the checks" in plainly({})[1]
    one = {"a": {"title": "A", "verdict": "amber"}, "b": {"title": "B", "verdict": "green"}}
    worst, said = plainly(one)
    assert worst == "amber" and "Not green: A." in said and "Checked: A, B." in said


def test_a_real_check_of_the_example():
    found = latest_query.verdict(models()[EXAMPLE], "invertibility")
    assert found["verdict"] == "green" and found["summary"] and found["title"] == "Invertibility"


# ---- asking
def test_stale_wishes_are_dropped_and_only_one_is_under_way():
    held, seen = Held(), []
    asker = latest_query.Asker(None, seen.append, seen.append, pool=held)
    for wish in range(5):
        asker.ask(wish)
    assert [arguments for _, arguments in held.sent] == [(0,)] and asker.dropped == 3
    held.sent[0][0].set_result("zero")
    assert seen == ["zero"] and [arguments for _, arguments in held.sent] == [(0,), (4,)]
    asker.forget()
    held.sent[1][0].set_result("four")
    assert seen == ["zero"] and asker.idle


def test_an_error_of_the_network_is_said_and_the_next_wish_is_asked():
    held, said, seen = Held(), [], []
    asker = latest_query.Asker(None, seen.append, said.append, pool=held)
    asker.ask(1)
    asker.ask(2)
    held.sent[0][0].set_exception(WorkbenchError("No"))
    held.sent[1][0].set_result("two")
    assert len(said) == 1 and seen == ["two"] and asker.idle


def test_a_run_without_an_observation_is_not_offered():
    from workbench.training import Experiment, Run, RunFolder

    for problem in ("two_moons", "two_moons_posterior"):
        settings = {"samples": 64, "batch_size": 32}
        run = Run(Experiment(problem, "realnvp", training=settings, steps=1), device="cpu")
        run.attach(RunFolder.create(home() / "runs"))
        run.step()
        run.save()
    offered = [label for label in models() if "Two moons" in label]
    assert len(offered) == 1 and "inverse problem" in offered[0]
