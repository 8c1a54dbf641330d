"""Trained networks and damaged files that the fuzz tests share, and the number of examples that they try."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, settings


def _surface() -> ModuleType:
    """Import the list of public functions beside this file: tests are no package."""
    name = "tests_fuzz_surface"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("surface.py"))
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


#: The same examples in every run, without a database of earlier failures; `make slow` tries a thousand.
settings.register_profile(
    "quick",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=60,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("quick")


@pytest.fixture(scope="session")
def surface() -> ModuleType:
    return _surface()


@pytest.fixture(scope="session")
def material(surface, tmp_path_factory):
    return surface.make_material(tmp_path_factory.mktemp("fuzz"))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch) -> Iterator[Path]:
    """Work in a folder that is thrown away: an odd path may well be one that can be written to."""
    monkeypatch.chdir(tmp_path)
    home = os.environ.get("WORKBENCH_HOME", "")
    assert home and Path(home).is_absolute()
    yield tmp_path


@pytest.fixture(scope="session")
def thorough() -> settings:
    """Settings of a thousand examples, for tests that are slow."""
    return settings(max_examples=1000)
