"""Choices: what fits, what is exchanged, and why."""

import pytest

from workbench.snapshots import VIEWS, applicable, at_first, missing, requested_parts
from workbench.training import Experiment
from workbench.ui.badge import badge
from workbench.ui.choices import CATALOGUES, Choices
from workbench.ui.picker import option_label


def test_the_first_choices_fit():
    assert Choices().refusal() == ""


@pytest.mark.parametrize("key", CATALOGUES["problem"].keys())
def test_after_any_problem_something_that_fits_is_picked(key):
    choices = Choices()
    if choices.reason("problem", key):
        pytest.skip(choices.reason("problem", key))
    choices.select("problem", key)
    assert choices.refusal() == "" or choices.spec("problem").refusals()


def test_what_does_not_fit_has_a_reason_and_is_exchanged_with_a_sentence():
    choices = Choices()
    choices.select("problem", "inverse_kinematics")
    choices.select("architecture", "inn")
    sentences = choices.select("problem", "two_moons")
    assert choices.reason("architecture", "inn")
    assert choices.selection["architecture"] != "inn" and any("Architecture changed" in s for s in sentences)


def test_a_problem_that_is_not_ready_does_not_grey_out_the_rest():
    choices = Choices()
    choices.select("problem", "drawn")
    assert not any(choices.reasons("architecture").values())
    assert "10 points" in choices.refusal()


def test_settings_survive_going_back_and_forth():
    choices = Choices()
    choices.spec("architecture").set("transforms", 3)
    choices.select("architecture", "realnvp")
    choices.select("architecture", "neural_spline_coupling")
    assert choices.spec("architecture").transforms == 3


def test_an_opened_experiment_is_picked_and_independent():
    experiment = Experiment("rings", "realnvp", "maximum_likelihood", steps=7, seed=3)
    choices = Choices()
    choices.load(experiment)
    assert choices.experiment() == experiment
    choices.spec("architecture").set("transforms", 4)
    assert choices.experiment() != experiment


def test_a_reason_stands_in_the_menu():
    assert option_label("INN", "") == "INN"
    assert option_label("INN", "It needs a y").startswith("INN — It needs")


@pytest.mark.parametrize(
    "key", ["two_moons", "inverse_kinematics", "linear_gaussian", "radial_velocity", "geoacoustic"]
)
def test_views_apply_to_problems(key):
    experiment = Experiment(key)
    names = applicable(experiment)
    assert set(names) <= set(VIEWS.keys()) and len(at_first(experiment)) == 6
    assert ("posterior" in names) == bool(experiment.problem.y)
    assert ("arm" in names) == (key == "inverse_kinematics")
    assert ({"radial_velocity", "phase_folded"} <= set(names)) == (key == "radial_velocity")
    assert ({"sound_speed_profile", "ambiguity_surface"} <= set(names)) == (key == "geoacoustic")
    assert "invertibility" in requested_parts(names, experiment)


def test_what_a_network_cannot_show_is_said_in_a_sentence():
    mixture = Experiment("linear_gaussian", "mixture_density_network")
    names, (sentence, theorem) = applicable(mixture), missing(mixture)
    assert not {"latent", "grid", "invertibility", "bound"} & set(names) and "posterior" in names
    assert (
        all(title in sentence for title in ("Latent", "Layers", "Round trips"))
        and "Mixture density network" in sentence
    )
    assert missing(Experiment("two_moons", "flow_matching", "flow_matching")) == (
        theorem.replace("Mixture density network", "Flow matching"),
    )
    assert missing(Experiment("linear_gaussian")) == ()
    assert "no inverse" in badge(None, sentence) and "latent code" in badge(None, sentence)


def test_picking_a_network_with_a_loss_of_its_own_picks_that_loss():
    choices = Choices()
    sentences = choices.select("architecture", "flow_matching")
    assert choices.selection["objective"] == "flow_matching" and "changed to Flow matching" in sentences[0]
    choices.select("architecture", "mixture_density_network")
    assert choices.selection["objective"] == "maximum_likelihood"


def test_the_recommendation_is_that_of_the_library_and_only_for_inverse_problems():
    choices = Choices()
    assert not choices.recommendable  # two moons, a density
    choices.select("problem", "gaussian_mixture")
    choices.training.set("samples", 5000)
    choices.seed = 3
    assert choices.recommendable
    choices.recommend()
    recommendation = Experiment.recommended("gaussian_mixture", 5000, seed=3)
    assert choices.experiment().to_dict() == recommendation.to_dict() and choices.refusal() == ""
