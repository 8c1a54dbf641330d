"""An experiment is a short text: JSON, link and Python bring it back, and what cannot run is refused with
a sentence."""

import base64
import json
import zlib

import pytest

from workbench.architectures import ARCHITECTURES
from workbench.core.errors import IncompatibleError, SpecError
from workbench.objectives import OBJECTIVES
from workbench.problems import PROBLEMS
from workbench.training import Experiment, fits, refusals

READY = [p for p in PROBLEMS if not p.unavailable() and not p().refusals()]


def some():
    return Experiment(
        "inverse_kinematics", "realnvp", "maximum_likelihood", {"batch_size": 64}, steps=7, seed=3
    ).with_setting("transforms", "4")


@pytest.mark.parametrize("problem", READY, ids=lambda p: p.key)
def test_json_and_link_bring_every_problem_back(problem):
    experiment = Experiment(problem())
    assert Experiment.from_json(experiment.to_json()) == experiment
    assert Experiment.from_link(experiment.to_link()) == experiment


def test_changed_settings_travel():
    experiment = some()
    assert Experiment.from_json(experiment.to_json()) == experiment
    assert Experiment.from_link(f"http://localhost:5006/studio?e={experiment.to_link()}") == experiment
    assert Experiment.from_link(experiment.to_link()).architecture.transforms == 4


def test_the_python_text_repeats_the_experiment():
    namespace = {}
    text = some().to_python()
    exec(text[: text.index("run = ")], namespace)  # our own text
    assert namespace["experiment"] == some()


@pytest.mark.parametrize(
    "change, words",
    [
        ({"problm": "two_moons"}, "did you mean 'problem'"),
        ({"version": 99}, "update the workbench"),
        ({"problem": "two_mons"}, "did you mean 'two_moons'"),
        ({"steps": 0}, "whole number"),
        ({"training": {"batchsize": 3}}, "did you mean 'batch_size'"),
        ({"seed": True}, "whole number"),
        ({"architecture": {"key": "realnvp", "settings": {"transform": 2}}}, "did you mean 'transforms'"),
        ({"objective": ["a"]}, "expected: a text"),
    ],
)
def test_a_wrong_text_is_refused_with_what_to_try(change, words):
    with pytest.raises(SpecError) as refusal:
        Experiment.from_json(json.dumps(some().to_dict() | change))
    assert words in str(refusal.value).lower()


def link_text(values):
    return base64.urlsafe_b64encode(zlib.compress(json.dumps(values).encode())).decode()


@pytest.mark.parametrize("link", ["", "%%%", "e=", "AAAA", "x" * 30_000, link_text({"pad": "0" * 900_000})])
def test_a_damaged_or_swollen_link_is_refused(link):
    with pytest.raises(SpecError, match="link"):
        Experiment.from_link(link)


def test_a_link_cannot_make_the_server_read_a_file():
    with pytest.raises(SpecError, match="link cannot carry"):
        Experiment.from_link(
            link_text({"problem": {"key": "table", "settings": {"path": "/etc/passwd", "x": ["a"], "y": []}}})
        )


def test_with_setting_reads_texts_and_names_the_part_when_it_must():
    experiment = some().with_setting("architecture.width", "16").with_setting("learning_rate", 0.01)
    assert experiment.architecture.width == 16 and experiment.training.learning_rate == 0.01
    assert some().with_setting("steps", "12").steps == 12
    for name, words in (
        ("widht", "did you mean 'width'"),
        ("net.width", "no part"),
        ("architecture.widht", "width"),
    ):
        with pytest.raises(SpecError, match="(?i)" + words):
            some().with_setting(name, "1")


@pytest.mark.parametrize(
    "problem, architecture, objective, words",
    [
        ("two_moons", "realnvp", "inn", "observation y"),
        ("two_moons", "inn", "maximum_likelihood", "no y"),
        ("checkerboard", "realnvp", "reverse_kl", "positive everywhere"),
        ("inverse_kinematics", "realnvp", "reverse_kl", "joint density"),
        ("slcp", "realnvp", "reverse_kl", "positive everywhere"),
        ("inverse_kinematics", "maf", "inn", "predicts y"),
    ],
)
def test_incompatible_choices_are_refused_with_a_sentence(problem, architecture, objective, words):
    experiment = Experiment(problem, architecture, objective)
    assert words in "; ".join(experiment.refusals())
    with pytest.raises(IncompatibleError, match="cannot be run"):
        experiment.check()


def test_the_form_greys_out_with_the_same_sentence():
    experiment = Experiment("two_moons", "realnvp", "maximum_likelihood")
    assert fits("objective", "inn", experiment) == "; ".join(
        refusals(experiment.problem, experiment.architecture, OBJECTIVES.make("inn"))
    )
    assert "no y" in fits("architecture", "inn", experiment)
    assert (
        fits("objective", "variational", experiment) == ""
        and fits("problem", "inverse_kinematics", experiment) == ""
    )
    assert fits("problem", "simulator", experiment) and fits("problem", "table", experiment)


@pytest.mark.parametrize("problem", READY, ids=lambda p: p.key)
def test_every_problem_can_be_run_by_something(problem):
    member = problem()
    assert any(not refusals(member, a(), o()) for a in ARCHITECTURES for o in OBJECTIVES)
