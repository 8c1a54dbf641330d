"""The session: what a page does with a run, without a browser and without a worker process."""

from dataclasses import replace
from urllib.parse import parse_qs

import pytest

import workbench as wb
from workbench.backends import InlineBackend
from workbench.core.errors import WorkbenchError
from workbench.training import Runs
from workbench.ui.banner import Banner
from workbench.ui.initial_run import open_initial
from workbench.ui.jobs import Jobs, thin
from workbench.ui.session import Session, fixed_values, run_query

SMALL = {"transforms": 2, "width": 8, "depth": 1}


@pytest.fixture
def session(monkeypatch, tmp_path):
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    messages = []
    page_session = Session(
        Jobs(InlineBackend()), notify=lambda kind, sentence: messages.append((kind, sentence))
    )
    page_session.messages, page_session.views = messages, ("samples", "invertibility")
    page_session.choices.select("architecture", "realnvp")
    for name, value in SMALL.items():
        page_session.choices.spec("architecture").set(name, value)
    page_session.choices.training.set("samples", 200)
    page_session.choices.training.set("batch_size", 32)
    page_session.choices.steps = 6
    yield page_session
    page_session.close()
    page_session.jobs.close()


def test_a_new_run_is_on_display_before_its_first_step(session):
    session.new_run(run=False)
    session.poll()
    assert session.status.state == "paused" and session.snapshot.iteration == 0
    assert {"samples_x", "invertibility_xzx"} <= set(session.snapshot.arrays)


def test_a_page_that_is_still_drawing_gets_the_newest_snapshot_only(session):
    session.new_run(run=False)
    session.poll()
    shown, session.refresh = [], 0.0
    session.param.watch(lambda event: shown.append(event.new.iteration), "snapshot")
    session.is_open = lambda: False
    for _ in range(3):
        session.step(1)
        session.job.request(session.views, session.observation)  # another page looks at the same run
        session.poll()
    assert not shown
    session.is_open = lambda: True
    session.poll()
    assert shown == [3] and len(session.history) == 3


def test_a_page_that_is_still_drawing_hears_of_states_and_not_of_numbers(session):
    session.new_run(run=False)
    session.poll()
    running = replace(session.status, state="running")
    session.job.handle.status = lambda: running
    session.is_open = lambda: False
    session.poll()
    assert session.status.state == "running"
    running = replace(running, iteration=5, loss=0.1)
    session.poll()
    assert session.status.iteration == 0
    session.is_open = lambda: True
    session.poll()
    assert session.status.iteration == 5


def test_stepping_moves_by_exactly_that_many(session):
    session.new_run(run=False)
    session.step(1)
    session.poll()
    assert session.status.iteration == 1
    session.step(2)
    session.poll()
    session.poll()
    assert session.status.iteration == 3 and [r.iteration for r in session.history] == [1, 2, 3]


def test_playing_to_the_end_and_then_again_starts_a_new_run(session):
    session.new_run()
    session.poll()
    first = session.job
    assert session.status.state == "finished" and not session.can_continue
    session.play()
    assert session.job is not first


def test_changed_choices_are_for_a_new_run_and_live_ones_are_not(session):
    session.new_run(run=False)
    session.choices.training.set("learning_rate", 1e-4)
    session.set_live("training.learning_rate", 1e-4)
    session.compare_choices()
    assert not session.dirty
    session.choices.spec("architecture").set("transforms", 3)
    session.compare_choices()
    assert session.dirty


def test_a_run_continues_with_another_objective(session):
    banner = Banner(session, lambda work: work())
    session.views = ("samples", "invertibility")
    session.new_run(run=False)
    session.step(2)
    session.poll()
    job, folder = session.job, session.job.handle.folder
    assert not banner.change.visible and not session.only_objective
    with pytest.raises(WorkbenchError, match="nothing else"):
        session.change_objective()
    session.choices.select("objective", "variational")
    session.choices.spec("objective").set("divergence", "energy_distance")
    session.compare_choices()
    assert banner.change.visible and "objective" in banner._text.object
    session.change_objective()
    assert session.job is job and not session.dirty and not banner.change.visible
    assert session.experiment.objective.divergence == "energy_distance" and session.can_continue
    assert session.messages[-1][0] == "info" and "energy_distance" in session.messages[-1][1]
    session.step(2)
    session.poll(), session.poll()  # one poll requests, the next receives
    assert [r.iteration for r in session.history] == [1, 2, 3, 4]
    has_part = ["energy_distance" in record.parts for record in session.history]
    assert has_part == [False, False, True, True]
    session.open(folder)  # what a reload shows
    assert session.experiment.objective.divergence == "energy_distance"


def test_with_more_than_the_objective_changed_it_is_a_new_run(session):
    session.new_run(run=False)
    session.poll()
    session.choices.select("objective", "variational")
    session.choices.spec("architecture").set("transforms", 3)
    session.compare_choices()
    assert session.dirty and not session.only_objective
    session.choices.spec("architecture").set("transforms", 2)
    session.compare_choices()
    assert session.only_objective


def test_live_settings_are_not_compared(session):
    experiment = session.choices.experiment()
    assert "learning_rate" not in fixed_values(experiment)["training"]
    assert "batch_size" in fixed_values(experiment)["training"]


def test_an_impossible_choice_is_refused_with_a_sentence(session):
    session.choices.select("problem", "drawn")
    with pytest.raises(WorkbenchError, match="10 points"):
        session.new_run()


def test_the_posterior_is_shown_at_a_chosen_observation(session):
    session.choices.select("problem", "inverse_kinematics")
    session.views = ("posterior", "invertibility")
    session.new_run(run=False)
    session.observe((1.2, 0.3))
    session.poll()
    assert session.snapshot.arrays["observation"].tolist() == [1.2, 0.3]


def test_a_stored_run_is_opened_with_its_experiment(session):
    session.new_run()
    experiment, folder = session.choices.experiment(), session.job.handle.folder
    session.choices.select("problem", "rings")
    session.new_run(run=False)
    session.open(folder)
    session.poll()
    assert session.choices.experiment() == experiment and session.status.iteration == 6


def test_a_link_is_followed(session):
    experiment = session.choices.experiment().replace(seed=11)
    open_initial(session, {"e": [experiment.to_link().encode()]})
    assert session.experiment == experiment and session.choices.experiment() == experiment
    # nothing is started for it
    assert session.unopened and session.job is None and not session.dirty and not Runs().list()
    assert session.status.state == "ready" and session.address == f"?e={experiment.to_link()}"
    session.play()
    assert session.job.handle.status().iteration == 6 and session.job.experiment == experiment
    assert not session.unopened and len(Runs().list()) == 1 and not session.address


def test_a_link_is_shown_untrained_on_request(session):
    experiment = session.choices.experiment().replace(seed=11)
    open_initial(session, {"e": [experiment.to_link().encode()]})
    session.ensure_job()
    session.poll()
    assert session.status.state == "paused" and session.status.iteration == 0
    session.step(2)
    assert session.job.handle.status().iteration == 2


def test_a_saved_run_in_the_address_waits_for_a_click(session):
    session.new_run()
    folder, jobs = session.job.handle.folder, session.jobs
    joined = Session(jobs)
    open_initial(joined, {"run": [folder.name.encode()]})
    assert joined.job is session.job  # it is open already, and a page more watches it
    joined.detach()
    session.detach()
    assert not jobs.live()
    open_initial(joined, {"run": [folder.name.encode()]})
    assert joined.unopened and joined.status.state == "saved" and joined.status.iteration == 6
    assert joined.address == f"?run={folder.name}" and joined.source == folder and not jobs.live()
    assert not joined.can_continue  # it has done all its steps
    joined.ensure_job()
    assert joined.job.handle.folder == folder and joined.job.handle.status().iteration == 6


@pytest.mark.parametrize(
    "arguments",
    [
        {"e": [b"nonsense"]},
        {"e": [b"http://[::1/?e="]},
        {"e": [b"\xff"]},
        {"run": [b"../../etc"]},
        {"run": [b"\0"]},
        {"run": [b"a" * 5000]},
        {"colour": [b"blue"]},
    ],
)
def test_an_invalid_address_is_reported_and_the_example_is_shown(session, arguments):
    open_initial(session, arguments)
    assert session.messages[0][0] == "warning" and "gnored" in session.messages[0][1]
    assert session.title == "The trained example" and session.job is None


def test_a_link_to_files_on_the_server_is_not_followed(session):
    from workbench.training import Experiment

    experiment = Experiment({"key": "table", "settings": {"path": "/etc/passwd", "x_columns": ["a"]}})
    try:
        link = experiment.to_link()
    except WorkbenchError:
        return  # it does not even travel
    open_initial(session, {"e": [link.encode()]})
    assert "gnored" in session.messages[0][1]


def test_detaching_frees_the_worker_and_the_folder_stays(session):
    session.new_run(run=False)
    job = session.job
    session.detach()
    assert not job.handle.live and Runs().list()[0].id == job.handle.folder.name


def test_a_long_history_is_thinned_but_keeps_its_validations():
    class Record:
        def __init__(self, iteration):
            self.iteration, self.validation = iteration, {"loss": 1.0} if iteration % 7 == 0 else {}

    history = [Record(i) for i in range(7000)]
    short = thin(history)
    assert len(short) < 6000 and short[-1] is history[-1]
    assert {r.iteration for r in short} >= {i for i in range(7000) if i % 7 == 0}


def test_an_observation_unlike_the_training_is_warned_of_over_the_cards(session):
    from workbench.ui.view_grid import ViewGrid

    session.choices.select("problem", "linear_gaussian")
    grid = ViewGrid(session, lambda work: work())
    session.new_run(run=False)
    session.poll()
    assert not grid.warning.visible
    session.observe((1500.0,))
    session.poll()
    assert grid.warning.visible and "is the unit right?" in grid.warning.object
    session.observe((0.5,))
    session.poll()
    assert not grid.warning.visible


def test_an_observation_that_is_not_finite_is_refused_and_the_run_continues(session):
    session.choices.select("problem", "linear_gaussian")
    session.views = ("posterior", "invertibility")
    session.new_run(run=False)
    session.poll()
    with pytest.raises(WorkbenchError, match="not finite"):
        session.observe((float("nan"),))
    session.step(1)
    session.observe((0.5,))
    session.poll()
    assert session.status.iteration == 1 and session.snapshot.arrays["observation"].tolist() == [0.5]


def test_an_observation_of_many_numbers_is_typed_into_one_field(session):
    from workbench.ui.observation import Observation

    session.choices.select("problem", "gaussian_linear")
    session.new_run(run=False)
    errors = []

    def guard(action):
        try:
            action()
        except WorkbenchError as error:
            errors.append(str(error))

    field = Observation(session, guard)
    assert not field.fields and field.line.label == "y, 10 numbers"
    field.line.value = ", ".join(["0.1"] * 10)
    assert session.observation == (0.1,) * 10 and not errors
    for wrong in ("0.1, 0.2", "a, b"):
        field.line.value = wrong
    assert len(errors) == 2 and "10 numbers" in errors[0] and session.observation == (0.1,) * 10


@pytest.mark.parametrize("name", ["my_run-1", "Long run, 2nd try", "größer & besser", "a%20b?run=c"])
def test_a_run_with_a_name_of_its_own_is_listed_and_opened(session, name):
    """As ``workbench train --out .../runs/NAME`` makes it."""
    experiment = session.choices.experiment()
    run = wb.Run(experiment, device="cpu", folder=Runs().root / name)
    run.step()
    run.save()
    run.folder.ownership.release()
    assert name in [info.id for info in Runs().list()]
    query = parse_qs(run_query(name).removeprefix("?"))
    assert query == {"run": [name]}
    open_initial(session, {"run": [query["run"][0].encode()]})
    assert session.experiment == experiment and session.status.iteration == 1 and not session.messages
    session.open(Runs().folder(name).path)
    session.poll()
    assert session.job.handle.folder.name == name and session.status.iteration == 1
