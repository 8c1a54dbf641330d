"""The session: what a page does with a run, without a browser and without a worker process."""

import time

import pytest

from workbench.backends import InlineBackend
from workbench.core.errors import WorkbenchError
from workbench.training import Runs
from workbench.ui.banner import Banner
from workbench.ui.initial_run import open_first
from workbench.ui.jobs import Jobs, thinned
from workbench.ui.session import Session, frozen

SMALL = {"transforms": 2, "width": 8, "depth": 1}


@pytest.fixture
def session(monkeypatch, tmp_path):
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    said = []
    made = Session(Jobs(InlineBackend()), say=lambda kind, sentence: said.append((kind, sentence)))
    made.said, made.views = said, ("samples", "invertibility")
    made.choices.pick("architecture", "realnvp")
    for name, value in SMALL.items():
        made.choices.spec("architecture").set(name, value)
    made.choices.training.set("samples", 200)
    made.choices.training.set("batch_size", 32)
    made.choices.steps = 6
    yield made
    made.close()
    made.jobs.close()


def test_a_new_run_is_shown_before_its_first_step(session):
    session.new_run(run=False)
    session.look()
    assert session.status.state == "paused" and session.snapshot.iteration == 0
    assert {"samples_x", "invertibility_xzx"} <= set(session.snapshot.arrays)


def test_pages_share_the_time_that_drawing_may_take(session):
    session.new_run(run=False)
    session.param.watch(lambda event: time.sleep(0.05), "snapshot")

    def rest(pages: int) -> float:
        session.crowd = lambda: pages
        session.step(1)
        session.look()
        session.look()
        return session._next - time.monotonic()

    session.refresh = 0.0
    assert rest(8) > 3 * rest(1) > 0.1


def test_stepping_moves_by_exactly_that_many(session):
    session.new_run(run=False)
    session.step(1)
    session.look()
    assert session.status.iteration == 1
    session.step(2)
    session.look()
    session.look()
    assert session.status.iteration == 3 and [r.iteration for r in session.history] == [1, 2, 3]


def test_playing_to_the_end_and_then_again_starts_a_new_run(session):
    session.new_run()
    session.look()
    first = session.job
    assert session.status.state == "finished" and not session.can_go_on
    session.play()
    assert session.job is not first


def test_changed_choices_are_for_a_new_run_and_live_ones_are_not(session):
    session.new_run(run=False)
    session.choices.training.set("learning_rate", 1e-4)
    session.set_live("training.learning_rate", 1e-4)
    session.judge()
    assert not session.dirty
    session.choices.spec("architecture").set("transforms", 3)
    session.judge()
    assert session.dirty


def test_a_run_goes_on_with_another_objective(session):
    banner = Banner(session, lambda work: work())
    session.views = ("samples", "invertibility")
    session.new_run(run=False)
    session.step(2)
    session.look()
    job, folder = session.job, session.job.handle.folder
    assert not banner.change.visible and not session.only_objective
    with pytest.raises(WorkbenchError, match="nothing else"):
        session.change_objective()
    session.choices.pick("objective", "variational")
    session.choices.spec("objective").set("divergence", "energy_distance")
    session.judge()
    assert banner.change.visible and "objective" in banner._text.object
    session.change_objective()
    assert session.job is job and not session.dirty and not banner.change.visible
    assert session.shown.objective.divergence == "energy_distance" and session.can_go_on
    assert session.said[-1][0] == "info" and "energy_distance" in session.said[-1][1]
    session.step(2)
    session.look(), session.look()  # one look asks, the next finds
    assert [r.iteration for r in session.history] == [1, 2, 3, 4]
    found = ["energy_distance" in record.parts for record in session.history]
    assert found == [False, False, True, True]
    session.open(folder)  # what a reload shows
    assert session.shown.objective.divergence == "energy_distance"


def test_with_more_than_the_objective_changed_it_is_a_new_run(session):
    session.new_run(run=False)
    session.look()
    session.choices.pick("objective", "variational")
    session.choices.spec("architecture").set("transforms", 3)
    session.judge()
    assert session.dirty and not session.only_objective
    session.choices.spec("architecture").set("transforms", 2)
    session.judge()
    assert session.only_objective


def test_what_is_live_is_not_compared(session):
    experiment = session.choices.experiment()
    assert "learning_rate" not in frozen(experiment)["training"]
    assert "batch_size" in frozen(experiment)["training"]


def test_an_impossible_choice_is_refused_with_a_sentence(session):
    session.choices.pick("problem", "drawn")
    with pytest.raises(WorkbenchError, match="10 points"):
        session.new_run()


def test_an_observation_is_looked_at(session):
    session.choices.pick("problem", "inverse_kinematics")
    session.views = ("posterior", "invertibility")
    session.new_run(run=False)
    session.observe((1.2, 0.3))
    session.look()
    assert session.snapshot.arrays["observation"].tolist() == [1.2, 0.3]


def test_a_run_on_the_shelf_is_opened_with_its_experiment(session):
    session.new_run()
    wanted, folder = session.choices.experiment(), session.job.handle.folder
    session.choices.pick("problem", "rings")
    session.new_run(run=False)
    session.open(folder)
    session.look()
    assert session.choices.experiment() == wanted and session.status.iteration == 6


def test_a_link_is_followed(session):
    experiment = session.choices.experiment().replace(seed=11)
    open_first(session, {"e": [experiment.to_link().encode()]})
    assert session.shown == experiment


@pytest.mark.parametrize("arguments", [{"e": [b"nonsense"]}, {"run": [b"../../etc"]}, {"colour": [b"blue"]}])
def test_what_cannot_be_followed_is_said_and_the_example_is_shown(session, arguments):
    open_first(session, arguments)
    assert session.said[0][0] == "warning" and "gnored" in session.said[0][1]
    assert session.title == "The trained example" and session.job is None


def test_the_link_of_the_users_own_files_is_not_followed(session):
    from workbench.training import Experiment

    experiment = Experiment({"key": "table", "settings": {"path": "/etc/passwd", "x_columns": ["a"]}})
    try:
        link = experiment.to_link()
    except WorkbenchError:
        return  # it does not even travel
    open_first(session, {"e": [link.encode()]})
    assert "gnored" in session.said[0][1]


def test_leaving_gives_the_worker_back_and_the_folder_stays(session):
    session.new_run(run=False)
    job = session.job
    session.detach()
    assert not job.handle.live and Runs().list()[0].id == job.handle.folder.name


def test_a_long_history_is_thinned_but_keeps_its_validations():
    class Record:
        def __init__(self, iteration):
            self.iteration, self.validation = iteration, {"loss": 1.0} if iteration % 7 == 0 else {}

    history = [Record(i) for i in range(7000)]
    kept = thinned(history)
    assert len(kept) < 6000 and kept[-1] is history[-1]
    assert {r.iteration for r in kept} >= {i for i in range(7000) if i % 7 == 0}


def test_an_observation_unlike_the_training_is_warned_of_over_the_cards(session):
    from workbench.ui.view_grid import Board

    session.choices.pick("problem", "linear_gaussian")
    board = Board(session, lambda work: work())
    session.new_run(run=False)
    session.look()
    assert not board.concern.visible
    session.observe((1500.0,))
    session.look()
    assert board.concern.visible and "is the unit right?" in board.concern.object
    session.observe((0.5,))
    session.look()
    assert not board.concern.visible


def test_an_observation_that_is_no_number_is_said_and_the_run_goes_on(session):
    session.choices.pick("problem", "linear_gaussian")
    session.views = ("posterior", "invertibility")
    session.new_run(run=False)
    session.look()
    with pytest.raises(WorkbenchError, match="not finite"):
        session.observe((float("nan"),))
    session.step(1)
    session.observe((0.5,))
    session.look()
    assert session.status.iteration == 1 and session.snapshot.arrays["observation"].tolist() == [0.5]


def test_an_observation_of_many_numbers_is_typed_into_one_field(session):
    from workbench.ui.observation import Observation

    session.choices.pick("problem", "gaussian_linear")
    session.new_run(run=False)
    refused = []

    def guard(action):
        try:
            action()
        except WorkbenchError as error:
            refused.append(str(error))

    field = Observation(session, guard)
    assert not field.fields and field.line.label == "y, 10 numbers"
    field.line.value = ", ".join(["0.1"] * 10)
    assert session.observation == (0.1,) * 10 and not refused
    for wrong in ("0.1, 0.2", "a, b"):
        field.line.value = wrong
    assert len(refused) == 2 and "10 numbers" in refused[0] and session.observation == (0.1,) * 10
