"""The objective may change while a run goes on: network and history stay, and resuming is exact."""

import json

import pytest
import torch

from workbench.backends import InlineBackend
from workbench.core.errors import IncompatibleError, SpecError
from workbench.objectives import OBJECTIVES
from workbench.training import Experiment, Run, RunFolder

TINY = {"samples": 300, "batch_size": 32, "validate_every": 3}
KL = {"key": "variational", "settings": {"divergence": "kl", "critic_width": 8}}
ENERGY = {"key": "variational", "settings": {"divergence": "energy_distance"}}
AVERAGED = {"key": "variational", "settings": {"critic_width": 8, "critic_averaging": 0.5}}


def tiny(objective="maximum_likelihood", problem="two_moons", **changes):
    experiment = Experiment(problem, "realnvp", objective, TINY, steps=14, seed=1, **changes)
    return experiment.with_setting("architecture.transforms", 2).with_setting("architecture.width", 8)


def weights(run):
    return {k: v.clone() for k, v in run.model.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def steps(run, n):
    for _ in range(n):
        run.step()


def test_network_optimiser_history_and_schedule_stay():
    run = Run(tiny())
    steps(run, 4)
    before, moments = weights(run), run.optimiser.state_dict()["state"][0]["exp_avg"].clone()
    run.change_objective(KL)
    assert same(weights(run), before) and len(run.history) == 4 and run.iteration == 4
    assert torch.equal(run.optimiser.state_dict()["state"][0]["exp_avg"], moments)
    assert run.experiment.objective.key == "variational" and run.critic_optimiser is not None
    record = run.step()
    assert record.iteration == 5 and "kl" in record.parts and not same(weights(run), before)
    run.change_objective("maximum_likelihood")
    assert run.critic_optimiser is None and "critic_optimiser" not in run.guard.parts
    assert "kl" not in run.step().parts


def test_a_change_to_the_same_objective_changes_nothing():
    one, two = Run(tiny()), Run(tiny())
    steps(one, 3), steps(two, 3)
    one.change_objective("maximum_likelihood")
    steps(one, 3), steps(two, 3)
    assert same(weights(one), weights(two))


def test_an_event_records_the_change():
    run = Run(tiny())
    steps(run, 2)
    run.change_objective(OBJECTIVES.make("variational", divergence="kl"))
    event = run.events[-1]
    assert event["kind"] == "objective" and event["iteration"] == 2
    assert event["objective"]["settings"]["divergence"] == "kl" and "Maximum likelihood" in event["message"]
    json.dumps(event)


@pytest.mark.parametrize(
    "changes", [[KL], [KL, ENERGY], [ENERGY, AVERAGED]], ids=["kl", "direct", "averaged"]
)
def test_changed_stopped_and_resumed_equals_straight_on_bit_for_bit(changes, tmp_path):
    straight, partial = Run(tiny()), Run(tiny(), folder=tmp_path / "run")
    for run in (straight, partial):
        steps(run, 3)
        for change in changes:
            run.change_objective(change)
            steps(run, 2)
    partial.set("objective.weight_divergence", 0.5), straight.set("objective.weight_divergence", 0.5)
    partial.save()
    steps(partial, 2)  # work that is lost with the process
    continuation = Run.resume(tmp_path / "run")
    assert continuation.experiment.objective == partial.experiment.objective
    assert [e for e in continuation.events if e["kind"] == "objective"] == partial.events
    list(straight), list(continuation)
    assert same(weights(straight), weights(continuation))
    assert [r.parts for r in straight.history] == [r.parts for r in continuation.history]


def test_the_average_of_the_weights_comes_and_goes_with_the_objective():
    """Adversarial training oscillates, so its weights are averaged; those of a likelihood are not."""
    run = Run(tiny())
    steps(run, 2)
    assert run.average is None and run.optimiser.param_groups[0]["betas"] == (0.9, 0.999)
    run.change_objective(KL)
    assert run.average.decay == run.experiment.objective.model_averaging == 0.99
    assert same(run.average.state, weights(run)) and run.guard.parts["average"] is run.average
    steps(run, 3)
    assert not same(run.average.state, weights(run))
    assert run.optimiser.param_groups[0]["betas"] == run.experiment.objective.momenta != (0.9, 0.999)
    run.change_objective("maximum_likelihood")
    assert run.average is None and "average" not in run.guard.parts
    assert Run(tiny(KL).with_setting("training.averaging", 0.999)).average.decay == 0.999


def test_a_checkpoint_without_an_average_can_be_loaded():
    run = Run(tiny(KL))
    steps(run, 3)
    state = run.state_dict()
    del state["average"]
    continuation = Run(tiny(KL))
    continuation.load_state_dict(state)
    assert same(weights(continuation), weights(run)) and same(continuation.average.state, weights(run))
    continuation.step()


def test_a_crash_between_checkpoint_and_experiment_is_survived(tmp_path):
    run = Run(tiny(), folder=tmp_path / "run")
    first = (tmp_path / "run" / "experiment.json").read_bytes()
    steps(run, 2)
    run.change_objective(KL)
    run.save()
    assert RunFolder(tmp_path / "run").experiment().objective == run.experiment.objective
    (tmp_path / "run" / "experiment.json").write_bytes(first)
    assert Run.resume(tmp_path / "run").experiment.objective == run.experiment.objective


def test_what_does_not_fit_is_refused_and_changes_nothing():
    run, other = Run(tiny()), Run(tiny())
    steps(run, 2), steps(other, 2)
    before = run.experiment.to_dict()
    for wrong, error in (
        ("inn", IncompatibleError),
        ("variatonal", SpecError),
        ({"key": "inn"}, IncompatibleError),
    ):
        with pytest.raises(error):
            run.change_objective(wrong)
    with pytest.raises(SpecError, match="another objective as a whole"):
        run.set("objective.sigma_padding", 0.3)
    assert run.experiment.to_dict() == before and not run.events
    steps(run, 2), steps(other, 2)
    assert same(weights(run), weights(other))


def test_later_changes_to_the_objective_that_was_passed_in_do_not_affect_the_run():
    run, objective = Run(tiny()), OBJECTIVES.make("variational", divergence="kl")
    run.change_objective(objective)
    objective.set("weight_divergence", 7.0)
    assert run.experiment.objective.weight_divergence == run.loss.objective.weight_divergence == 1.0


def test_the_search_for_the_best_weights_starts_anew_and_a_stopped_run_goes_on():
    run = Run(tiny())
    steps(run, 6)
    assert run.best_state is not None
    run.stopped_early = True
    run._finish()
    run.change_objective(KL)
    assert run.best_state is None and run.best_loss == float("inf") and not run.finished
    list(run)
    assert run.iteration == 14


def test_the_guard_goes_back_no_further_than_the_change():
    run = Run(tiny())
    steps(run, 3)
    run.change_objective(KL)
    reference = weights(run)
    steps(run, 2)
    run._recover(run.data.batch(5, 0.0), "the loss")
    assert same(weights(run), reference)


def test_older_checkpoints_load(tmp_path):
    """Those of before the objective could change, and before there was anything measured."""
    run = Run(tiny("variational"), folder=tmp_path / "run")
    steps(run, 2)
    state = run.state_dict()
    old = {k: v for k, v in state.items() if k not in ("objective", "objectives")}
    old["live"] = {
        "training": {k: v for k, v in state["live"]["training"].items() if k != "measured"},
        "objective": {"weight_divergence": 1.0, "critic_steps": 3},
    }
    other = Run(tiny("variational"))
    other.load_state_dict(old)
    assert other.experiment.objective.critic_steps == 3 and other.iteration == 2


def test_through_a_handle(tmp_path):
    handle = InlineBackend(eager=False).start(tiny(), folder=tmp_path / "run")
    handle.step(2)
    handle.advance(2)
    handle.set("objective", KL)
    assert "kl" in handle.status().message and handle.status().state == "paused"
    handle.step(1)
    handle.advance(1)
    assert "kl" in handle.training_run.history[-1].parts
    handle.set("objective", "inn")
    assert "cannot be run" in handle.status().message and handle.live
    handle.stop()
    again = Run.resume(tmp_path / "run")
    assert again.experiment.objective.divergence == "kl"
