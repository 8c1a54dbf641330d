"""Every divergence can be trained with, for flows and for invertible networks."""

import math

import pytest
import torch

from workbench.divergences import DIVERGENCES, VariationalDivergence
from workbench.objectives import OBJECTIVES
from workbench.training import Experiment, Run

KEYS = sorted(DIVERGENCES.keys(), key=lambda k: not issubclass(DIVERGENCES[k], VariationalDivergence))


def experiment(key, problem="two_moons", architecture="realnvp"):
    objective = OBJECTIVES.make("variational", divergence=key, critic_width=8)
    return Experiment(
        problem=problem,
        architecture=architecture,
        objective=objective,
        training={"samples": 200, "batch_size": 32},
        steps=3,
        seed=0,
    )


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("problem, architecture", [("two_moons", "realnvp"), ("inverse_kinematics", "inn")])
def test_three_steps_stay_finite(key, problem, architecture):
    run = Run(experiment(key, problem, architecture))
    records = list(run)
    assert len(records) == 3 and all(math.isfinite(record.parts[key]) for record in records)
    assert not [event for event in run.events if event["kind"] == "recovery"]


def test_the_choices_are_the_catalogue_and_the_default_is_jensen_shannon():
    assert list(OBJECTIVES["variational"].param["divergence"].objects) == KEYS
    assert OBJECTIVES.make("variational").divergence == "jensen_shannon"


def test_for_precision_recall_critic_and_model_maximise_and_minimise_different_numbers():
    """The critic learns the ratio through the auxiliary divergence, the model descends the primal
    estimate."""
    at_p, at_q = torch.tensor([0.5, 2.0]), torch.tensor([-1.0, 1.5])
    for auxiliary in ("kl", "jensen_shannon"):
        divergence = DIVERGENCES.make("precision_recall", trade_off=2.0, auxiliary=auxiliary)
        assert divergence.critic_value(at_p, at_q) == DIVERGENCES.make(auxiliary).critic_value(at_p, at_q)
        assert divergence.critic_value(at_p, at_q) != divergence.value(at_p, at_q)


@pytest.mark.slow
def test_precision_recall_by_default_keeps_two_moons():
    """With the Kullback-Leibler divergence as the auxiliary one the model is lost here within 400 steps."""
    plan = Experiment(
        problem="two_moons",
        architecture="realnvp",
        objective={"key": "variational", "settings": {"divergence": "precision_recall"}},
        training={"batch_size": 128, "samples": 4000},
        steps=400,
    )
    run = Run(plan, device="cpu")
    for _ in run:
        pass
    generator = torch.Generator().manual_seed(0)
    samples = run.fitted.sample(500, None, generator).double()
    exact = plan.problem.draw(500, generator).x.double()
    distance = DIVERGENCES.make("maximum_mean_discrepancy", kernel="gaussian_median")
    assert float(distance.between(exact, samples)) < 0.02
