"""Properties of a handle, the same for a run in this thread and in a worker process."""

from __future__ import annotations

import json
import math

import pytest
import torch

from workbench.backends import InlineBackend, ProcessHandle
from workbench.core.errors import IncompatibleError, RunError
from workbench.snapshots import Snapshot, SnapshotRequest
from workbench.training import RunFolder

REQUEST = SnapshotRequest(views=("samples",))


def test_a_run_starts_paused_and_saved(shared, experiment):
    status = shared.wait("paused")
    assert (status.state, status.iteration, status.steps, status.saved) == ("paused", 0, experiment.steps, 0)
    assert math.isnan(status.loss) and status.device in ("cpu", "cuda", "mps") and len(shared.id) >= 20
    assert RunFolder(shared.folder).has_checkpoint and shared.experiment == experiment


def test_step_moves_by_exactly_n(handle):
    before = handle.status().iteration
    handle.step(3)
    assert handle.wait("paused").iteration == before + 3
    handle.step(1)
    handle.step(2)
    assert handle.wait("paused").iteration == before + 6


def test_pause_holds_and_saves(handle):
    before = handle.status().iteration
    handle.run()
    handle.wait_for(lambda status: status.iteration > before + 20)
    handle.pause()
    status = handle.wait("paused")
    assert status.saved == status.iteration and math.isfinite(status.loss)
    snapshot = handle.wait_snapshot(REQUEST)  # the operator has had its turn since
    assert snapshot.iteration == handle.status().iteration == status.iteration


def test_a_step_of_a_running_run_is_its_last(handle):
    before = handle.status().iteration
    handle.run()
    handle.wait_for(lambda status: status.iteration > before + 5)
    handle.step(4)
    assert handle.wait().state == "paused"


def test_a_snapshot_is_requested_and_never_pushed(handle):
    before, (version, _) = handle.status().iteration, handle.latest()
    versions = []
    unsubscribe = handle.subscribe(lambda: versions.append(handle.latest()[0]))
    handle.step(5)
    handle.wait()
    assert handle.latest()[0] == version and versions
    request = SnapshotRequest(views=("samples", "density"), since=before + 2)
    snapshot = handle.wait_snapshot(request)
    assert isinstance(snapshot, Snapshot) and {"data_x", "samples_x", "density"} <= set(snapshot.arrays)
    assert [record.iteration for record in snapshot.records] == [before + 3, before + 4, before + 5]
    assert handle.latest() == (version + 1, snapshot) and versions[-1] == version + 1
    unsubscribe()
    count = len(versions)
    handle.wait_snapshot(REQUEST)
    assert len(versions) == count


def test_a_failing_callback_does_not_affect_others(handle):
    calls, before = [], handle.status().iteration
    handle.subscribe(lambda: 1 / 0)
    unsubscribe = handle.subscribe(lambda: calls.append(True))
    handle.step(1)
    assert handle.wait().iteration == before + 1 and calls
    unsubscribe()


def test_requests_do_not_pile_up(handle):
    before, (version, _) = handle.status().iteration, handle.latest()
    handle.run()
    for since in range(20, 0, -1):
        handle.request(SnapshotRequest(views=("samples",), since=since))
    handle.wait_for(lambda status: status.iteration > before + 10)
    handle.pause()
    handle.wait("paused")
    handle.wait_snapshot(REQUEST)
    handle.wait_snapshot(REQUEST)
    count = handle.latest()[0] - version - 2
    # in a process: the first, and one for all that came meanwhile; inline each is served at once
    assert count <= (2 if isinstance(handle, ProcessHandle) else 20)


def test_live_settings_are_answered(handle):
    handle.set("learning_rate", 1e-4)
    assert "learning_rate is now 0.0001" in handle.wait().message
    handle.set("learning_rat", 1e-4)
    assert "Did you mean 'learning_rate'?" in handle.wait().message
    handle.set("learning_rate", -1.0)
    assert "-1.0" in handle.wait().message
    handle.set("samples", 100)
    assert "cannot be changed" in handle.wait().message
    handle.step(60)  # past the warm-up
    now = handle.wait().iteration
    (record,) = handle.wait_snapshot(SnapshotRequest(views=(), since=now - 1)).records
    assert record.learning_rate == pytest.approx(1e-4, rel=0.01)


def test_a_failing_snapshot_does_not_end_the_run(handle):
    handle.step(1)
    now = handle.wait().iteration
    request = SnapshotRequest(views=("samples",))
    object.__setattr__(request, "since", "never")  # past the check of the class
    handle.request(request)
    handle.wait_for(lambda status: "could not be looked at" in status.message)
    assert handle.wait_snapshot(REQUEST).iteration == now


def test_the_end_is_kept_and_can_be_moved(handle):
    now = handle.status().iteration
    handle.set("steps", now + 4)
    handle.run()
    status = handle.wait("finished")
    assert status.iteration == status.saved == status.steps == now + 4 and status.message
    handle.run()
    assert handle.wait().iteration == now + 4
    handle.set("steps", now + 6)
    assert handle.wait().state == "paused"
    handle.run()
    assert handle.wait("finished").iteration == now + 6


def test_stop_saves_and_resume_goes_on_bit_for_bit(backend, experiment, tmp_path, old_folder):
    straight = InlineBackend().start(experiment, folder=tmp_path / "straight")
    straight.step(40)
    continuation = backend.start(folder=old_folder, resume=True)
    assert continuation.wait("paused").iteration == 15 and continuation.experiment == experiment
    continuation.step(25)
    continuation.wait()
    continuation.stop()
    over = continuation.wait("stopped")
    assert (over.iteration, over.saved) == (40, 40) and not continuation.live
    continuation.run()  # without effect
    assert continuation.status() == over
    assert same_state(straight.folder, continuation.folder)
    assert len(RunFolder(continuation.folder).history()) == 40


def test_a_damaged_checkpoint_fails_with_its_sentence(backend, old_folder):
    for name in ("checkpoint.pt", "checkpoint-previous.pt"):
        (old_folder / name).write_bytes(b"damaged")
    handle = backend.start(folder=old_folder, resume=True)
    with pytest.raises(RunError, match="will not be paused"):
        handle.wait("paused")
    status = handle.status()
    assert status.state == "failed" and "damaged" in status.message
    assert "Traceback" in (handle.folder / "error.txt").read_text()
    assert json.loads((handle.folder / "status.json").read_text())["message"] == status.message


def test_invalid_requests_are_refused_at_once(backend, experiment, tmp_path, handle):
    with pytest.raises(RunError, match="nothing to start"):
        backend.start()
    with pytest.raises(RunError, match="is not a run"):
        backend.start(folder=tmp_path, resume=True)
    with pytest.raises(RunError, match="from its folder"):
        backend.start(resume=True)
    with pytest.raises(RunError, match="already holds a run"):
        backend.start(experiment, folder=handle.folder)
    with pytest.raises(IncompatibleError):
        backend.start(experiment.replace(architecture="inn"), folder=tmp_path / "no")


def same_state(first, second) -> bool:
    """Compare weights, optimiser and random numbers of two folders, bit for bit."""

    def flat(value):
        if isinstance(value, dict):
            return [part for key in value for part in flat(value[key])]
        if isinstance(value, (list, tuple)):
            return [part for entry in value for part in flat(entry)]
        return [value]

    states = [RunFolder(folder).checkpoint() for folder in (first, second)]
    for state in states:
        state.pop("seconds")  # of the clock
    pairs = zip(*map(flat, states), strict=True)
    return all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in pairs)


def test_the_objective_changes_while_it_runs_in_both_places(handle):
    objective = {"key": "variational", "settings": {"divergence": "energy_distance"}}
    handle.set("objective", objective)
    assert "energy_distance" in handle.wait("paused").message
    handle.step(2)
    handle.wait("paused")
    request = SnapshotRequest(views=("samples",))
    assert "energy_distance" in handle.wait_snapshot(request).records[-1].parts
    handle.set("objective", "inn")
    assert "cannot be run" in handle.wait("paused").message
    handle.set("objective", "maximum_likelihood")
    handle.wait("paused")
    handle.step(1)
    handle.wait("paused")
    assert "negative_log_likelihood" in handle.wait_snapshot(request).records[-1].parts
