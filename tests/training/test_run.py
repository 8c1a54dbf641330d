"""Runs: same seed, same run; stopped and continuation equals straight on; a non-finite loss is survived or
reported."""

import math

import numpy as np
import pytest
import torch

from workbench.architectures import ARCHITECTURES
from workbench.core.capability import Capability
from workbench.core.errors import NonFiniteError, RunError, SpecError
from workbench.objectives import OBJECTIVES
from workbench.objectives.base import Batch
from workbench.problems import PROBLEMS
from workbench.snapshots import SnapshotRequest
from workbench.training import Experiment, Run, RunFolder, Runs, refusals
from workbench.training.device import pick_device
from workbench.training.history import MEASURED
from workbench.training.optimisation import schedule
from workbench.training.settings import Training

TINY = {"samples": 300, "batch_size": 32, "validate_every": 3}


def tiny(problem="two_moons", architecture="realnvp", objective="maximum_likelihood", **changes):
    changes = {"steps": 12, "seed": 1} | changes
    training = TINY | changes.pop("training", {})
    experiment = Experiment(problem, architecture, objective, training, **changes)
    for name, value in {"transforms": 2, "width": 8, "blocks": 2}.items():
        if name in {s.name for s in experiment.architecture.settings()}:
            experiment = experiment.with_setting(f"architecture.{name}", value)
    return experiment


def runnable():
    for problem in (
        p for p in ("two_moons", "linear_gaussian", "inverse_kinematics", "eight_modes") if p in PROBLEMS
    ):
        for architecture in ARCHITECTURES.keys():
            for objective in OBJECTIVES.keys():
                experiment = tiny(problem, architecture, objective)
                if not refusals(experiment.problem, experiment.architecture, experiment.objective):
                    expensive = Capability.EXACT_INVERSE not in experiment.architecture.capabilities
                    own = ("maximum_likelihood", "flow_matching")
                    usual = problem in ("two_moons", "linear_gaussian") and objective in own
                    marks = [pytest.mark.slow] if expensive and not usual else []
                    yield pytest.param(experiment, id=f"{problem}-{architecture}-{objective}", marks=marks)


def weights(run):
    return {k: v.clone() for k, v in run.model.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("experiment", list(runnable()))
def test_every_combination_steps_validates_and_gives_snapshots(experiment):
    run = Run(experiment)
    records = [run.step() for _ in range(3)]
    assert [r.iteration for r in records] == [1, 2, 3] and run.iteration == 3
    assert all(math.isfinite(v) for r in records for v in (*r.parts.values(), *r.validation.values()))
    metrics = {MEASURED + key for key in records[2].measured}
    assert set(records[2].validation) - metrics == set(records[2].parts) and not records[0].validation
    snapshot = run.snapshot()
    assert all(np.isfinite(a).all() for a in snapshot.arrays.values()) and len(snapshot.records) == 3
    capabilities = run.model.capabilities
    assert ("invertibility_zxz" in snapshot.arrays) == ("latent_z" in snapshot.arrays)
    assert ("latent_z" in snapshot.arrays) == (Capability.LATENT in capabilities)
    # a padded network drops its padding on the way
    if Capability.BIJECTION in capabilities and getattr(run.model, "width", 2) <= run.model.features:
        assert snapshot.arrays["invertibility_zxz"].max() < 1e-2
    changes = [
        not torch.equal(p, q)
        for p, q in zip(run.model.parameters(), Run(experiment).model.parameters(), strict=True)
    ]
    assert all(changes), "a parameter never changed"


@pytest.mark.parametrize(
    "objective, problem, architecture",
    [
        ("maximum_likelihood", "two_moons", "realnvp"),
        ("variational", "two_moons", "realnvp"),
        ("inn", "inverse_kinematics", "inn"),
    ],
)
def test_same_seed_same_run_and_another_seed_another(objective, problem, architecture):
    experiment = tiny(problem, architecture, objective)
    one, two = Run(experiment), Run(experiment)
    assert [r.parts for r in one] == [r.parts for r in two] and same(weights(one), weights(two))
    assert not same(weights(one), weights(Run(experiment.replace(seed=2))))


def test_snapshots_do_not_disturb_training():
    experiment = tiny(training={"averaging": 0.9})
    observer, alone = Run(experiment), Run(experiment)
    for _ in range(8):
        observer.step(), observer.snapshot(), alone.step()
        torch.rand(3)  # other uses of the global random numbers must not matter either
    assert same(weights(observer), weights(alone))


@pytest.mark.parametrize(
    "objective, training",
    [
        ("maximum_likelihood", {"averaging": 0.9}),
        ("variational", {}),
        ("maximum_likelihood", {"optimiser": "adamw"}),
    ],
)
@pytest.mark.parametrize("stop_at", [1, 7])
def test_stopped_and_resumed_equals_straight_on_bit_for_bit(objective, training, stop_at, tmp_path):
    experiment = tiny(objective=objective, training=training, steps=15)
    straight = Run(experiment)
    list(straight)
    partial = Run(experiment, folder=tmp_path / "run")
    for _ in range(stop_at):
        partial.step()
    partial.set("learning_rate", partial.settings.learning_rate)
    partial.save()
    for _ in range(2):  # work that is lost with the process
        partial.step()
    continuation = Run.resume(tmp_path / "run")
    assert continuation.iteration == stop_at and len(continuation.history) == stop_at
    list(continuation)
    assert same(weights(straight), weights(continuation))
    assert [r.parts for r in straight.history] == [r.parts for r in continuation.history]
    continuation.save()
    assert [r.iteration for r in RunFolder(tmp_path / "run").history()] == list(range(1, 16))


def test_state_dict_goes_round_in_memory():
    experiment = tiny()
    one, two = Run(experiment), Run(experiment)
    for _ in range(5):
        one.step()
    two.load_state_dict(one.state_dict())
    assert one.step().parts == two.step().parts


class Poison:
    """Makes the loss non-finite at chosen calls."""

    def __init__(self, run, calls):
        self.calls, self.count, self.inner = set(calls), 0, run.loss.parts
        run.loss.parts = self

    def __call__(self, model, batch, generator):
        self.count += 1
        parts = self.inner(model, batch, generator)
        return {k: v * float("nan") for k, v in parts.items()} if self.count in self.calls else parts


def test_a_non_finite_loss_goes_back_slows_down_keeps_the_batch_and_says_so(tmp_path):
    run = Run(tiny(training={"validate_every": 100}), folder=tmp_path / "run")
    Poison(run, {4})
    records = [run.step() for _ in range(5)]
    assert all(math.isfinite(r.loss) for r in records)
    assert [r.iteration for r in records] == [1, 2, 3, 5, 6]
    assert run.guard.factor == 0.5 and "halved the learning rate" in run.events[0]["message"]
    assert run.bad_batch["x"].shape == (32, 2)
    arrays = np.load(tmp_path / "run" / "nonfinite-4.npz", allow_pickle=False)
    assert arrays["x"].shape == (32, 2)


def test_it_goes_back_to_the_state_before_the_damage():
    run = Run(tiny(training={"validate_every": 100}))
    start = weights(run)
    for _ in range(3):
        run.step()
    Poison(run, {1})
    with torch.no_grad():
        next(run.model.parameters()).fill_(float("inf"))
    before = run.optimiser.param_groups[0]["lr"]
    run._recover(run.data.batch(3, 0.0), "the loss")
    assert same(start, weights(run)) and before > 0


def test_it_gives_up_with_a_clear_error_after_a_few_times():
    run = Run(tiny(training={"recoveries": 2}))
    Poison(run, range(1, 100))
    with pytest.raises(NonFiniteError, match="2 recoveries did not help"):
        run.step()


def test_a_non_finite_gradient_is_caught_too():
    run = Run(tiny())
    parameter = next(run.model.parameters())
    hook = parameter.register_hook(lambda g: g * float("nan"))
    with pytest.raises(NonFiniteError, match="gradient"):
        run.step()
    hook.remove()


def test_early_stopping_keeps_the_best_weights():
    run = Run(
        tiny(
            steps=400,
            training={
                "learning_rate": 0.5,
                "gradient_clip": 0.0,
                "patience": 4,
                "warm_up": 0,
                "samples": 100,
            },
        )
    )
    list(run)
    assert run.finished and run.stopped_early and run.iteration < 400
    values = {r.iteration: r.validation["loss"] for r in run.history if r.validation}
    assert run.best_iteration == min(values, key=values.get)
    batch = run.data.held_out(2048, 0.0)
    again = float(run.loss.parts(run.model, batch, run.generator)["negative_log_likelihood"].detach())
    assert again == pytest.approx(values[run.best_iteration], rel=1e-5)
    assert "stopped improving" in run.events[-1]["message"]


def test_evaluation_uses_the_average_and_training_continues_with_its_own_weights():
    run = Run(tiny(training={"averaging": 0.99}))
    for _ in range(6):
        run.step()
    training_weights = weights(run)
    with run.evaluation_mode():
        assert same(weights(run), run.average.state) and not same(weights(run), training_weights)
    assert same(weights(run), training_weights)


def test_the_schedule_warms_up_and_falls_to_a_hundredth():
    settings = Training(warm_up=10)
    factors = [schedule(settings, i, 100) for i in range(101)]
    assert factors[0] < 0.1 and factors[10] == pytest.approx(1.0) and factors[100] == pytest.approx(0.01)
    assert all(a >= b for a, b in zip(factors[10:], factors[11:], strict=False))
    assert schedule(Training(schedule="constant", warm_up=0), 77, 100) == 1.0


def test_live_settings_act_at_once_and_others_are_refused():
    run = Run(tiny(training={"schedule": "constant", "warm_up": 0}))
    run.step()
    run.set("learning_rate", 1e-5)
    assert run.step().learning_rate == pytest.approx(1e-5)
    assert run.experiment.training.learning_rate == 1e-5
    with pytest.raises(SpecError, match="(?i)did you mean"):
        run.set("learning_rat", 1)
    with pytest.raises(SpecError, match="cannot be changed while a run goes on"):
        run.set("batch_size", 3)


def test_a_live_weight_changes_the_sum():
    run = Run(tiny("inverse_kinematics", "inn", "inn"))
    run.set("objective.weight_y", 0.0)
    parts = run.step().parts
    run2 = Run(tiny("inverse_kinematics", "inn", "inn"))
    assert run2.step().parts["loss"] - parts["loss"] == pytest.approx(10.0 * parts["misfit_y"], rel=1e-4)


def test_a_run_takes_a_copy_of_its_experiment():
    experiment = tiny()
    run = Run(experiment)
    experiment.training.set("learning_rate", 0.9)
    assert run.step().learning_rate < 0.1


def test_batches_cover_an_epoch_once_and_follow_from_seed_and_iteration():
    data = Run(tiny()).data
    rows = torch.cat([data.batch(i, 0).x for i in range(data.batches)])
    assert len(torch.unique(rows, dim=0)) == len(rows) == data.batches * 32
    later = data.batch(40, 0).x.clone()
    data.batch(0, 0)
    assert torch.equal(data.batch(40, 0).x, later)


def test_noise_on_y_is_new_in_each_batch_and_follows_from_the_seed():
    def batches(noise, seed=0):
        data = Run(
            tiny(
                "linear_gaussian", training={"noise_y": noise, "samples": 4096, "batch_size": 2048}, seed=seed
            ),
            device="cpu",
        ).data
        return [data.batch(i, 0.0) for i in (0, 1, 0)], data.held_out(100, 1.0)

    (clean, clean_held_out), (noisy, noisy_held_out) = batches(0.0), batches(0.3)
    difference = [b.y - a.y for a, b in zip(clean, noisy, strict=True)]
    assert all(torch.equal(a.x, b.x) for a, b in zip(clean, noisy, strict=True))
    assert abs(float(difference[0].std()) - 0.3) < 0.02 and abs(float(difference[0].mean())) < 0.03
    assert torch.equal(difference[0], difference[2]) and not torch.allclose(difference[0], difference[1])
    assert 0.2 < float((noisy_held_out.y - clean_held_out.y).std()) < 0.4


def test_standardisation_is_learned_from_the_training_part_alone():
    run = Run(tiny("linear_gaussian", training={"precision": "float64"}))
    assert (
        run.data.train_x.mean(0).abs().max() < 1e-9
        and (run.data.train_x.std(0, unbiased=False) - 1).abs().max() < 1e-9
    )
    assert run.data.held_out_x.mean(0).abs().max() > 1e-3
    back = run.data.standardisation.x_out(run.data.standardisation.x_in(run.data.train_x))
    assert torch.allclose(back, run.data.train_x)


def test_the_likelihood_is_in_the_units_of_the_data():
    """One standard normal flow: the loss equals the Gaussian's entropy in data units, not in standardised
    ones."""
    run = Run(tiny("linear_gaussian", training={"precision": "float64", "samples": 4000}))
    model = run.fitted
    x, y = run.data.held_out_x[:50], run.data.held_out_y[:50]
    s = run.data.standardisation
    batch = Batch(x, y, 0.0)
    loss = run.loss.parts(run.model, batch, run.generator)["negative_log_likelihood"].detach()
    assert torch.allclose(-model.log_prob(s.x_out(x), s.y_out(y)).mean().detach(), loss)


def test_an_observation_without_a_reference_still_has_a_posterior_view(monkeypatch):
    run = Run(tiny("inverse_kinematics"))
    calls = []
    search = type(run.problem)._reference_posterior
    monkeypatch.setattr(type(run.problem), "_reference_posterior",
                        lambda *a: calls.append(1) or search(*a))  # fmt: skip
    for _ in range(2):
        arrays = run.snapshot(SnapshotRequest(("posterior",), observation=(4.0, 4.0))).arrays
        assert len(arrays["posterior_x"]) and "reference_x" not in arrays
        assert "can reach" in str(arrays["reference_needs"])
    assert len(calls) == 1, "a failed search is not repeated for every snapshot"


def test_draws_do_not_depend_on_how_many_pass_at_once(monkeypatch):
    from workbench.inference import fitted_model as module

    model = Run(tiny("linear_gaussian", "conditional_inn")).fitted
    assert module.chunk_size(model.model) == 16_384  # narrow
    wide = ARCHITECTURES.make("conditional_inn", width=200).build(PROBLEMS.make("linear_gaussian").shapes)
    assert module.chunk_size(wide) == 1024
    y = model.y and torch.randn(2500, len(model.y), generator=torch.Generator().manual_seed(0))
    whole = model.sample(2500, y)
    monkeypatch.setattr(module, "chunk_size", lambda model: 1024)
    assert torch.allclose(model.sample(2500, y), whole, atol=1e-5)


def test_posterior_samples_are_labelled_and_reproducible():
    run = Run(tiny("inverse_kinematics"))
    run.step()
    samples = run.posterior([1.5, 0.0]).sample(50)
    assert dict(samples.sizes) == {"draw": 50} and len(samples.data_vars) == 4
    assert all("units" in v.attrs for v in samples.data_vars.values()) and samples.attrs["observation"] == [
        1.5,
        0.0,
    ]
    assert samples.equals(run.posterior([1.5, 0.0]).sample(50)) and not samples.equals(
        run.posterior([1.5, 0.0]).sample(50, seed=1)
    )
    for wrong in ([1.5], [1.0, float("nan")], []):
        with pytest.raises(SpecError):
            run.posterior(wrong)
    assert dict(Run(tiny()).sample(20).sizes) == {"draw": 20}
    with pytest.raises(SpecError, match="needs an observation"):
        run.sample(5)


def test_snapshots_refuse_unknown_views_and_use_fixed_points():
    run = Run(tiny("inverse_kinematics"))
    with pytest.raises(SpecError, match="(?i)did you mean 'samples'"):
        SnapshotRequest(views=("sample",))
    with pytest.raises(SpecError, match="wrong number of values"):
        run.snapshot(SnapshotRequest(observation=(1.0, 2.0, 3.0)))
    first = run.snapshot()
    run.step()
    second = run.snapshot(SnapshotRequest(since=0))
    assert np.array_equal(first.arrays["data_x"], second.arrays["data_x"]) and len(second.records) == 1
    assert np.array_equal(first.arrays["latent_reference"], second.arrays["latent_reference"])
    assert np.array_equal(first.arrays["reference_x"], second.arrays["reference_x"])
    assert not np.array_equal(first.arrays["samples_x"], second.arrays["samples_x"])


def test_devices_by_name():
    assert pick_device("cpu").type == "cpu"
    for name, words in (("gpu", "no device"), ("cuda:x", "no device"), ("cuda:99", "not there")):
        with pytest.raises(RunError, match=words):
            pick_device(name)


def test_folder_survives_a_torn_line_and_a_damaged_checkpoint(tmp_path):
    run = Run(tiny(), folder=tmp_path / "run")
    for _ in range(3):
        run.step()
    folder = run.save()
    with open(folder.path / "history.jsonl", "a") as stream:
        stream.write('{"iteration": 4, "sec')
    assert len(folder.history()) == 3
    (folder.path / "checkpoint.pt").write_bytes(b"\x80\x04not a checkpoint")
    with pytest.raises(RunError, match="damaged"):
        Run.resume(folder)
    with pytest.raises(RunError, match="not a run"):
        Run.resume(tmp_path / "nowhere")


def test_a_folder_is_opened_for_evaluation_without_being_changed(tmp_path):
    run = Run(tiny(), folder=tmp_path / "run")
    for _ in range(3):
        run.step()
    folder = run.save(state="running")
    for _ in range(2):  # steps after the checkpoint, as of a run that is still being trained
        folder.append_history([run.step()])
    files = {path.name: path.read_bytes() for path in folder.path.iterdir() if path.is_file()}
    copy = folder.open(device="cpu")
    assert copy.iteration == 3 and len(copy.history) == 3 and copy.folder is None
    x = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(folder.fitted(device="cpu").log_prob(x), copy.fitted.log_prob(x))
    assert {path.name: path.read_bytes() for path in folder.path.iterdir() if path.is_file()} == files
    (folder.path / "experiment.json").write_text(tiny(architecture="maf").to_json())
    with pytest.raises(RunError, match="does not fit its experiment"):
        folder.open()
    (folder.path / "checkpoint.pt").unlink()
    with pytest.raises(RunError, match="no checkpoint yet"):
        folder.open()


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path):
    import pickle

    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "owned"), "w"))

    run = Run(tiny(), folder=tmp_path / "run")
    run.step()
    folder = run.save()
    torch.save({"iteration": Evil()}, folder.path / "checkpoint.pt", pickle_module=pickle)
    with pytest.raises(RunError):
        Run.resume(folder)
    assert not (tmp_path / "owned").exists()


def test_runs_are_listed_detected_as_dead_and_deleted(tmp_path):
    runs = Runs(tmp_path)
    folder = RunFolder.create(tmp_path)
    run = Run(tiny(steps=2), folder=folder)
    list(run)
    run.save()
    assert [(i.id, i.state, i.iteration) for i in runs.list()] == [(folder.id, "finished", 2)]
    folder.write_status("running", iteration=1)
    with pytest.raises(RunError, match="still alive"):
        runs.delete(folder.id)
    folder.write_status("running", iteration=1, pid=2**22 + 12345)
    assert runs.list()[0].state == "killed" and "Resume" in runs.list()[0].message
    for wrong in ("../etc", "nosuchrun", ""):
        with pytest.raises(RunError):
            runs.folder(wrong)
    runs.delete(folder.id)
    assert runs.list() == []
