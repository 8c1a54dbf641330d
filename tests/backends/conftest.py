"""One process backend and one run for each backend in most tests, since starting a worker is slow."""

from __future__ import annotations

import pytest

from workbench.backends import InlineBackend, ProcessBackend
from workbench.training import Experiment


@pytest.fixture(scope="session")
def workers():
    backend = ProcessBackend()
    backend.warm_up()
    yield backend
    backend.close()


@pytest.fixture(params=["inline", "process"], scope="session")
def backend(request):
    """Both backends, which must have the same properties."""
    if request.param == "inline":
        return InlineBackend(eager=False)
    return request.getfixturevalue("workers")


@pytest.fixture(scope="session")
def experiment():
    """Small and quick, and far from its end."""
    return Experiment(
        "two_moons",
        {"key": "realnvp", "settings": {"transforms": 2}},
        steps=100_000,
        seed=3,
        training={"samples": 512, "batch_size": 32, "early_stopping": False},
    )


@pytest.fixture(scope="session")
def shared(backend, experiment, tmp_path_factory):
    """A run shared by many tests."""
    handle = backend.start(experiment, folder=tmp_path_factory.mktemp("shared") / "run")
    yield handle
    handle.stop()


@pytest.fixture
def handle(shared):
    """The shared run, at rest."""
    shared.set("steps", 100_000)
    shared.pause()
    shared.wait("paused")
    return shared


@pytest.fixture
def old_folder(experiment, tmp_path):
    """The folder of a run that was stopped after 15 steps."""
    handle = InlineBackend().start(experiment, folder=tmp_path / "old")
    handle.step(15)
    handle.stop()
    return handle.folder
