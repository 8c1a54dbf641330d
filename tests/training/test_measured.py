"""Validation metrics: they detect a wrong posterior, and do not disturb the training."""

import math

import pytest
import torch

from workbench.core.errors import SpecError
from workbench.divergences import DIVERGENCES
from workbench.snapshots import VIEWS
from workbench.training import Experiment, Run
from workbench.training.history import MEASURED, History, Record
from workbench.training.settings import Training
from workbench.training.validation_metrics import POINTS

TINY = {"samples": 2000, "batch_size": 32, "validate_every": 2}


def trained(steps=4, problem="linear_gaussian", objective="maximum_likelihood", **training):
    experiment = Experiment(problem, "realnvp", objective, TINY | training, steps=steps)
    experiment = experiment.with_setting("architecture.transforms", 2).with_setting("architecture.width", 8)
    run = Run(experiment)
    list(run)
    return run


@pytest.mark.parametrize("objective", ["maximum_likelihood", "variational"])
def test_measuring_changes_no_number_of_the_training(objective):
    runs = [
        trained(2, objective=objective, measured=keys)
        for keys in ([], ["energy_distance", "maximum_mean_discrepancy"], ["sinkhorn", "kl"])
    ]
    for run in runs[1:]:
        assert [r.parts for r in run.history] == [r.parts for r in runs[0].history]
        for p, q in zip(run.model.parameters(), runs[0].model.parameters(), strict=True):
            assert torch.equal(p, q)
    assert [set(run.history.measured()) for run in runs] == [
        set(),
        {"energy_distance", "maximum_mean_discrepancy"},
        {"sinkhorn", "kl"},
    ]


def test_by_default_a_cheap_pair_is_measured_at_each_validation():
    run = trained()
    assert all(
        issubclass(DIVERGENCES[k], DIVERGENCES["energy_distance"].__mro__[1]) for k in run.settings.measured
    )
    curves = run.history.measured()
    assert curves.keys() == {"energy_distance", "maximum_mean_discrepancy"}
    for iterations, values in curves.values():
        assert iterations == [2, 4] and all(math.isfinite(v) for v in values)
    assert set(run.history[-1].measured) == curves.keys() and not run.history[0].measured
    assert set(run.history[-1].validation) >= {MEASURED + key for key in curves}
    assert not any(name.startswith(MEASURED) for name in run.history[-1].parts)


def test_records_and_older_lines_go_round():
    record = Record(1, 0.5, 1e-3, {"loss": 1.0}, {"loss": 2.0, MEASURED + "kl": 0.1})
    assert Record.from_json(record.to_json()) == record and record.measured == {"kl": 0.1}
    assert History([record]).measured() == {"kl": ([1], [0.1])}


def test_the_plot_of_the_loss_leaves_them_to_another():
    run = trained()
    assert not [n for n in VIEWS["losses"](run.snapshot()).part.values if str(n).startswith(MEASURED)]


def test_divergences_vanish_for_the_exact_posterior_and_not_for_a_wrong_one():
    """The exact map, put in place of the network: both divergences are zero but for their noise."""
    run = trained(problem="linear_gaussian", samples=6000)
    p, s = run.problem.parts, run.data.standardisation
    factor = torch.linalg.cholesky(p.covariance - p.gain @ p.operator @ p.covariance + 1e-12 * torch.eye(3))

    def inverse(z, y, gain=p.gain):
        x = s.y_out(y.double()) @ gain.T + z.double() @ factor.T
        return s.x_in(x).to(z), z.new_zeros(len(z))

    run.model.inverse = inverse
    right = run.validation_metrics.measure(run)
    run.model.inverse = lambda z, y: inverse(z, y, -p.gain)
    wrong = run.validation_metrics.measure(run)
    for key in run.settings.measured:
        assert abs(right[MEASURED + key]) < 0.4 * wrong[MEASURED + key] and wrong[MEASURED + key] > 0.04


def test_both_sides_have_other_observations():
    metrics = trained().validation_metrics
    assert len(metrics.x) == len(metrics.other_y) <= POINTS
    assert not torch.isin(metrics.y, metrics.other_y).any()
    assert len(trained(problem="two_moons").validation_metrics.x) == 200


def test_an_unknown_divergence_is_refused_where_it_is_named():
    for wrong in (["energy_distanc"], [3], "kl"):
        with pytest.raises(SpecError, match="measured|divergence"):
            Training(measured=wrong)
    experiment = Experiment("two_moons").with_setting("measured", "kl, sinkhorn")
    assert experiment.training.measured == ["kl", "sinkhorn"]
    assert Experiment.from_link(experiment.to_link()) == experiment
    assert experiment.with_setting("measured", "").training.measured == []


def test_what_is_measured_may_change_while_it_trains():
    run = trained()
    run.set("measured", ["sliced_wasserstein"])
    run.step(), run.step()
    assert set(run.history[-1].measured) == {"sliced_wasserstein"}


def test_critics_are_left_out_where_there_are_too_few_points():
    run = trained(samples=100, measured=["kl", "energy_distance"])
    assert set(run.history[-1].measured) == {"energy_distance"}
