"""Every compatible architecture, divergence and critic takes three finite steps.

By default a covering design: every divergence with every critic on a small flow, and every architecture with
an exact inverse with a few of them in turn; the rest are slow tests.
"""

import math

import pytest

from workbench.architectures import ARCHITECTURES
from workbench.core.capability import Capability
from workbench.critics import CRITICS
from workbench.divergences import DIVERGENCES, VariationalDivergence
from workbench.objectives import OBJECTIVES
from workbench.training import Experiment, Run

#: (divergence, critic); those that are computed from the samples have none.
ESTIMATORS = [
    (d.key, critic)
    for d in DIVERGENCES
    for critic in (CRITICS.keys() if issubclass(d, VariationalDivergence) else [""])
]
#: Precision-recall has no gradient as long as an untrained critic finds every draw well covered by data.
PATIENCE = 60
CHEAP, EACH = "nice", 2
SMALL = {"transforms": 2, "width": 8, "blocks": 2, "depth": 1, "components": 4, "bins": 4}


def experiment(architecture, divergence, critic, **more):
    objective = {"divergence": divergence, "critic_width": 8, "rkhs_ball_landmarks": 8} | more
    if critic:
        objective["critic"] = critic
    plan = Experiment(
        "linear_gaussian",
        architecture,
        OBJECTIVES.make("variational", **objective),
        {"samples": 100, "batch_size": 16, "validate_every": 3, "measured": []},
        steps=3 if divergence != "precision_recall" else PATIENCE,
    ).with_setting("problem.noise", 0.5)
    names = {s.name: s for s in plan.architecture.settings()}
    for name in SMALL.keys() & names.keys():
        low, high = names[name].bounds
        plan = plan.with_setting(f"architecture.{name}", min(max(SMALL[name], low), high))
    return plan


def triples():
    """(architecture, divergence, critic) with marks; compatibility depends on the architecture alone."""
    for number, architecture in enumerate(ARCHITECTURES):
        if experiment(architecture.key, "kl", "mlp").refusals():
            continue
        each = EACH if Capability.EXACT_INVERSE in architecture.capabilities else 0
        usual = {(EACH * number * 7 + i * 13) % len(ESTIMATORS) for i in range(each)}
        for index, (divergence, critic) in enumerate(ESTIMATORS):
            is_fast = architecture.key == CHEAP or index in usual
            name = "-".join(filter(None, (architecture.key, divergence, critic)))
            marks = [] if is_fast else [pytest.mark.slow]
            yield pytest.param(architecture.key, divergence, critic, id=name, marks=marks)


@pytest.mark.parametrize("architecture, divergence, critic", list(triples()))
def test_three_steps_stay_finite_and_move_the_network(architecture, divergence, critic):
    check(experiment(architecture, divergence, critic))


def check(plan):
    run = Run(plan)
    before = [p.detach().clone() for p in run.model.parameters()]
    records = [run.step() for _ in range(3)]
    key = plan.objective.divergence
    assert all(math.isfinite(v) for r in records for v in (*r.parts.values(), *r.validation.values()))
    assert key in records[2].parts and key in records[2].validation
    assert not [event for event in run.events if event["kind"] == "recovery"]

    def has_moved():
        return any((p != q).any() for p, q in zip(run.model.parameters(), before, strict=True))

    while not has_moved() and run.iteration < plan.steps:
        run.step()
    assert has_moved()


#: Each setting of these at least once with each of the others, rather than all products.
CHOICES = [
    ("kl", {"direction": "forward_true_y", "order": "model_first", "critic_averaging": 0.9}),
    (
        "jensen_shannon",
        {"direction": "forward_full", "generator_gradient": "non_saturating", "logit_clamp": 4.0},
    ),
    ("neyman", {"direction": "backward_marginal", "order": "model_first", "logit_clamp": 4.0}),
    ("wasserstein_critic", {"direction": "forward_true_y", "slope_penalty": 1.0, "instance_noise": 0.1}),
    ("sinkhorn", {"direction": "forward_full", "order": "model_first", "weight_reconstruction": 1.0}),
    ("energy_distance", {"direction": "backward_marginal", "prior_loss": "gaussian"}),
    (
        "precision_recall",
        {
            "order": "model_first",
            "prior_loss": "uniform",
            "weight_reconstruction": 0.1,
            "reconstruction": "independent",
        },
    ),
]


@pytest.mark.parametrize("architecture", ["inn", "realnvp"])
@pytest.mark.parametrize("divergence, settings", CHOICES, ids=lambda v: v if isinstance(v, str) else "")
def test_directions_orders_and_stabilisers_step_together(architecture, divergence, settings):
    plan = experiment(architecture, divergence, "", **settings)
    if architecture == "realnvp" and settings.get("direction") == "forward_full":
        assert plan.refusals()
        return
    check(plan)


def test_the_design_covers_every_pair_and_every_architecture():
    everything = list(triples())
    usual = [p for p in everything if not p.marks]
    possible = {p.values[0] for p in everything}
    exact = {a.key for a in ARCHITECTURES if Capability.EXACT_INVERSE in a.capabilities}
    assert {p.values[0] for p in usual} == possible & exact >= {"nice", "inn", "maf", "realnvp"}
    assert {p.values[1:] for p in usual if p.values[0] == CHEAP} == set(ESTIMATORS)
    assert len(everything) == len(possible) * len(ESTIMATORS)
