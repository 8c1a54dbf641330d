"""Settings of divergences and critics as settings of the objective, in members, files, links and forms."""

import pytest
import torch

from tests.objectives.analytic import Affine, context, normal_batch
from workbench.architectures import ARCHITECTURES
from workbench.critics import CRITICS
from workbench.critics.stabilisers import gradient_penalty, r1
from workbench.divergences import DIVERGENCES
from workbench.objectives import OBJECTIVES
from workbench.objectives.borrowed import Borrowed
from workbench.objectives.variational import _CRITICS, _DIVERGENCES
from workbench.training import Experiment, Run

#: Version 1 knew these; their names stand in files and links.
FIRST = {
    "divergence": "jensen_shannon",
    "weight_divergence": 1.0,
    "weight_y": 10.0,
    "weight_likelihood": 0.0,
    "critic_width": 64,
    "critic_depth": 2,
    "critic_steps": 2,
    "critic_learning_rate": 2e-3,
    "gradient_penalty": 0.1,
    "model_rate": 1.0,
}


def other(setting):
    """Another value that the setting may have."""
    if setting.kind == "boolean":
        return not setting.default
    if setting.kind == "choice":
        return next(o for o in setting.options if o != setting.default)
    low, high = setting.bounds
    return (
        high
        if setting.default == low
        else (low if setting.kind == "integer" else 0.5 * (low + setting.default))
    )


def member_settings():
    for names, catalogue, which in ((_DIVERGENCES, DIVERGENCES, "divergence"), (_CRITICS, CRITICS, "critic")):
        for member in catalogue:
            for setting in member.settings():
                yield pytest.param(
                    which,
                    member,
                    setting,
                    names.names[member.key][setting.name],
                    id=f"{member.key}-{setting.name}",
                )


@pytest.mark.parametrize("which, member, setting, name", list(member_settings()))
def test_each_setting_of_a_member_reaches_it_and_is_saved(which, member, setting, name):
    value = other(setting)
    objective = OBJECTIVES.make("variational", **{which: member.key, name: value})
    instance = objective.make_divergence() if which == "divergence" else objective.make_critic()
    assert instance.key == member.key and getattr(instance, setting.name) == value
    experiment = Experiment("two_moons", "realnvp", objective)
    assert Experiment.from_json(experiment.to_json()) == experiment
    assert Experiment.from_link(experiment.to_link()) == experiment
    from_text = Experiment("two_moons", "realnvp", "variational").with_setting(
        f"objective.{which}", member.key
    )
    assert from_text.with_setting(f"objective.{name}", str(value)).objective == objective
    architecture = ARCHITECTURES.make("realnvp")
    assert name not in objective.unused(architecture)
    another = next(k for k in (DIVERGENCES if which == "divergence" else CRITICS).keys() if k != member.key)
    others = OBJECTIVES.make("variational", **{which: another}).unused(architecture)
    assert (name in others) == (name not in ("critic_width", "critic_depth") or another == "quadratic")


def test_a_form_shows_no_setting_of_another_member_and_no_critic_where_there_is_none():
    names = {s.name for s in OBJECTIVES["variational"].settings()}
    realnvp = ARCHITECTURES.make("realnvp")
    energy = names - OBJECTIVES.make("variational", divergence="energy_distance").unused(realnvp)
    assert "energy_distance_unbiased" in energy and "direction" in energy
    assert not {n for n in energy if "critic" in n or n in ("gradient_penalty", "generator_gradient")}
    kl = names - OBJECTIVES.make("variational", divergence="kl").unused(realnvp)
    assert {"critic", "critic_steps", "generator_gradient", "mlp_activation"} <= kl and "alpha" not in kl


def test_old_settings_keep_name_default_and_place():
    settings = {s.name: s.default for s in OBJECTIVES["variational"].settings()}
    assert {name: settings[name] for name in FIRST} == FIRST and list(settings)[: len(FIRST)] == list(FIRST)
    old = {
        "version": 1,
        "problem": "two_moons",
        "architecture": "realnvp",
        "objective": {"key": "variational", "settings": FIRST | {"divergence": "kl", "critic_width": 8}},
        "training": {"learning_rate": 0.001},
        "steps": 10,
        "seed": 0,
    }
    experiment = Experiment.from_dict(old)
    assert experiment.objective == OBJECTIVES.make("variational", divergence="kl", critic_width=8)
    assert (
        experiment.objective.direction == "backward_joint"
        and experiment.objective.generator_gradient == "exact"
    )
    assert experiment.objective.critic == "mlp" and not experiment.refusals()


def test_a_new_member_brings_its_settings_without_a_line_here():
    import param

    from workbench.core.catalogue import Catalogue
    from workbench.core.spec import Spec

    class Fresh(Spec):
        key, title, summary = "fresh", "Fresh", "A member."
        size = param.Number(2.0, bounds=(0, 5), doc="How large.")
        fresh = param.Boolean(True, doc="Whether.")

    class Owner(Spec):
        key, title, summary = "owner", "Owner", "An owner."

    catalogue = Catalogue("freshes", "fresh")
    catalogue.register(Fresh)
    names = Borrowed(Owner, catalogue, defaults={"fresh_size": 3.0})
    assert {s.name: s.default for s in Owner.settings()} == {"fresh": True, "fresh_size": 3.0}
    assert names.make("fresh", Owner(fresh_size=4.0)) == Fresh(size=4.0)
    assert Owner.settings()[0].doc.startswith("Fresh: ")


def test_a_critic_that_is_too_wide_for_its_class_is_refused_before_it_is_built():
    wide = OBJECTIVES.make("variational", critic="spectral_norm_mlp", critic_width=1000)
    assert "width" in wide.conflicts(Experiment("two_moons").problem, ARCHITECTURES.make("realnvp"))[0]


def test_without_a_critic_the_learning_rate_is_three_times_as_large():
    rates = {
        k: OBJECTIVES.make("variational", divergence=k, model_rate=0.5).network_rate
        for k in DIVERGENCES.keys()
    }
    assert rates["kl"] == rates["f_gamma"] == 0.5 and rates["sinkhorn"] == rates["energy_distance"] == 1.5
    run = Run(Experiment("two_moons", "nice", "variational", {"samples": 100, "warm_up": 0}))
    assert run.step().learning_rate == pytest.approx(run.settings.learning_rate)
    run.change_objective({"key": "variational", "settings": {"divergence": "energy_distance"}})
    assert run.step().learning_rate == pytest.approx(3 * run.settings.learning_rate, rel=1e-3)


# ---- stabilisers


def model_and_loss(**settings):
    torch.manual_seed(0)
    model = Affine()
    return model, OBJECTIVES.make("variational", **settings).build(model, context()).to(torch.float64)


def critic_loss(**settings):
    """Value of the critic's loss, the loss, and the samples of data and model."""
    model, loss = model_and_loss(**settings)
    batch = normal_batch(64)
    value = loss.critic_loss(model, batch, torch.Generator().manual_seed(4)).detach()
    return value, loss, batch.x, model.inverse(batch.x, None)[0].detach()


def test_r1_is_added_at_the_data():
    plain, loss, data, _ = critic_loss(gradient_penalty=0.0)
    with_penalty, *_ = critic_loss(gradient_penalty=3.0)
    assert (
        torch.allclose(with_penalty - plain, 3.0 * r1(loss.critic, data).detach()) and with_penalty != plain
    )


@pytest.mark.parametrize("target, one_sided", [(0.0, True), (0.5, False)])
def test_the_slope_penalty_is_added_between_data_and_model(target, one_sided):
    plain, loss, data, draws = critic_loss()
    with_penalty, *_ = critic_loss(slope_penalty=2.0, slope_target=target, slope_one_sided=one_sided)
    generator = torch.Generator().manual_seed(4)
    torch.randn(64, 1, generator=generator, dtype=torch.float64)  # the latents
    penalty = gradient_penalty(loss.critic, data, draws, generator, target=target, one_sided=one_sided)
    assert torch.allclose(with_penalty - plain, 2.0 * penalty.detach()) and with_penalty != plain


def test_the_clamp_holds_the_logits_for_critic_and_model():
    model, loss = model_and_loss(logit_clamp=0.01)
    with torch.no_grad():
        loss.critic[-1].weight.mul_(100)
    logits = loss._logits(normal_batch(64).x)
    assert logits.abs().max() == 0.01
    assert model_and_loss(logit_clamp=0.0)[1]._logits(normal_batch(64).x).abs().max() > 0.01


def test_instance_noise_falls_to_nothing_and_draws_nothing_then():
    from dataclasses import replace

    model, loss = model_and_loss(instance_noise=1.0)
    _, quiet = model_and_loss()
    batch = normal_batch(64)
    key = "jensen_shannon"

    def value(loss, progress):
        generator = torch.Generator().manual_seed(1)
        part = loss.parts(model, replace(batch, progress=progress), generator)[key].detach()
        return float(part), torch.rand(1, generator=generator)

    assert value(loss, 1.0) == value(quiet, 1.0) and value(loss, 0.0)[0] != value(quiet, 0.0)[0]


def test_the_model_descends_the_averaged_critic():
    model, loss = model_and_loss(critic_averaging=0.75)
    batch = normal_batch(64)
    start = [p.clone() for p in loss.critic.parameters()]
    with torch.no_grad():
        for p in loss.critic.parameters():
            p.add_(1.0)
    loss.after_critic_step()
    for p, q in zip(loss.averaged.parameters(), start, strict=True):
        assert torch.allclose(p, q + 0.25) and not p.requires_grad
    value_before = loss.parts(model, batch, torch.Generator().manual_seed(1))["jensen_shannon"]
    loss.critic, loss.averaged = loss.averaged, None
    assert torch.equal(
        value_before, loss.parts(model, batch, torch.Generator().manual_seed(1))["jensen_shannon"]
    )


def test_settings_of_the_divergence_act_while_it_trains():
    model, loss = model_and_loss(divergence="alpha")
    batch = normal_batch(64)

    def value():
        return loss.parts(model, batch, torch.Generator().manual_seed(1))["alpha"].detach()

    before = value()
    assert "alpha" in loss.objective.live
    loss.objective.set("alpha", 0.9)
    torch.manual_seed(0)
    fresh = (
        OBJECTIVES.make("variational", divergence="alpha", alpha=0.9)
        .build(model, context())
        .to(torch.float64)
    )
    assert value() != before
    assert value() == fresh.parts(model, batch, torch.Generator().manual_seed(1))["alpha"].detach()
