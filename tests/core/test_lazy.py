"""Packages that describe, list and serve runs are imported and used without torch."""

import subprocess
import sys
import textwrap

import pytest

import workbench.inference
import workbench.training
from workbench.core.lazy import lazy_attributes, torch


def without_torch(code: str) -> None:
    """Run code in a fresh interpreter, which must not import torch."""
    script = textwrap.dedent(code) + "\nimport sys\nassert 'torch' not in sys.modules, 'torch was imported'\n"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    "package", ["core.observation", "training", "inference", "backends", "backends.operator"]
)
def test_packages_are_imported_without_torch(package):
    without_torch(f"import workbench.{package}")


def test_experiments_and_run_folders_are_used_without_torch(tmp_path):
    without_torch(f"""
        from pathlib import Path
        from workbench.training import Experiment, RunFolder, Runs, fits
        experiment = Experiment("two_moons", "realnvp", training={{"samples": 200}}, steps=3)
        experiment.check()
        assert Experiment.from_link(experiment.to_link()) == experiment
        assert fits("objective", "inn", experiment) and not fits("architecture", "maf", experiment)
        folder = RunFolder.create(Path({str(tmp_path)!r}))
        folder.write_experiment(experiment)
        folder.write_status("stopped", iteration=0)
        assert folder.experiment() == experiment and len(folder.history()) == 0
        assert [run.state for run in Runs({str(tmp_path)!r}).list()] == ["stopped"]
    """)


def test_a_server_controls_a_worker_process_without_torch(tmp_path):
    without_torch(f"""
        from workbench.backends import ProcessBackend
        from workbench.snapshots import SnapshotRequest
        from workbench.training import Experiment
        experiment = Experiment("two_moons", "realnvp", training={{"samples": 200}}, steps=3)
        backend = ProcessBackend(warm=False)
        handle = backend.start(experiment, folder={str(tmp_path / "run")!r}, device="cpu")
        handle.step(2)
        assert handle.wait("paused").iteration == 2
        snapshot = handle.wait_snapshot(SnapshotRequest(views=("samples",)))
        assert snapshot.arrays["samples_x"].shape[1] == 2
        backend.close()
    """)


def test_names_of_a_package_are_imported_on_first_use():
    assert workbench.training.Run.__module__ == "workbench.training.run"
    assert workbench.training.FittedModel is workbench.inference.FittedModel
    assert torch.zeros(2).shape == (2,) and "lazy module 'torch'" in repr(torch)
    find = lazy_attributes("package", {"Spec": "workbench.core.spec"})
    assert find("Spec").__name__ == "Spec"
    with pytest.raises(AttributeError, match="module 'package' has no attribute 'Spek'"):
        find("Spek")
    with pytest.raises(ImportError, match="Rum"):
        from workbench.training import Rum  # noqa: F401
