"""Small trained models of every architecture, and their files."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

import workbench as wb
from workbench.architectures import ARCHITECTURES
from workbench.core import capability

SMALL = {"transforms": 2, "width": 6, "depth": 1}


@cache
def small_run(key: str, problem: str = "linear_gaussian") -> wb.Run:
    """Three steps of a tiny network: far from trained, and not at its start."""
    density = capability.DENSITY in ARCHITECTURES[key].capabilities
    experiment = wb.Experiment(
        problem,
        {"key": key, "settings": SMALL},
        "maximum_likelihood" if density else "inn",
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
def saved(tmp_path_factory) -> Path:
    """A small RealNVP as a file."""
    return wb.save(small_run("realnvp"), tmp_path_factory.mktemp("saved") / "model.zip")
