"""Small trained models of every architecture, and their files."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

import workbench as wb
from workbench.architectures import ARCHITECTURES
from workbench.core.capability import Capability

SMALL = {"transforms": 2, "width": 6, "depth": 1}


def usual_objective(key: str) -> str:
    """The objective that a member is made for."""
    capabilities = ARCHITECTURES[key].capabilities
    for objective, need in (
        ("flow_matching", Capability.VELOCITY),
        ("maximum_likelihood", Capability.DENSITY),
        ("evidence_lower_bound", Capability.EVIDENCE),
        ("inn", Capability.EXACT_INVERSE),
        ("maximum_likelihood", Capability.JOINT_LIKELIHOOD),
        ("reconstruction", Capability.DECODER),
    ):
        if need in capabilities:
            return objective
    raise KeyError(key)


@cache
def small_run(key: str, problem: str = "") -> wb.Run:
    """Three steps of a tiny network: far from trained, and not at its start. Without a problem one that
    suits it: linear Gaussian, or for those that take no observation two moons."""
    conditional = Capability.CONDITIONAL in ARCHITECTURES[key].capabilities
    problem = problem or ("linear_gaussian" if conditional else "two_moons")
    names = {s.name for s in ARCHITECTURES[key].settings()}
    experiment = wb.Experiment(
        problem,
        {"key": key, "settings": {name: value for name, value in SMALL.items() if name in names}},
        usual_objective(key),
        {"samples": 256, "batch_size": 64, "learning_rate": 0.05, "warm_up": 0},
        steps=3,
        seed=1,
    )
    run = wb.Run(experiment, device="cpu")
    for _ in run:
        pass
    return run


@pytest.fixture(params=ARCHITECTURES.keys())
def run(request) -> wb.Run:
    return small_run(request.param)


@pytest.fixture(scope="session")
def model_file(tmp_path_factory) -> Path:
    """A small RealNVP as a file."""
    return wb.save(small_run("realnvp"), tmp_path_factory.mktemp("models") / "model.zip")
