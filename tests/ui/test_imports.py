"""The server's process holds no network: importing and building its pages loads neither torch nor zuko."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FORBIDDEN = ["torch", "zuko", "scipy", "sklearn", "sympy", "netCDF4", "zarr", "dask", "distributed"]
SCRIPT = """
import json, sys, warnings
from concurrent.futures import Future
from importlib import import_module

warnings.simplefilter("ignore")
report = {}

def record(name):
    report[name] = [module for module in sys.argv[1:] if module in sys.modules]

for page in ("studio", "compare", "explorer_page", "inversion_page", "serve"):
    import_module(f"workbench.ui.{page}")
    record(f"import {page}")

class IdlePool:
    "A pool that never answers: queries belong to another process."
    def submit(self, work, *arguments):
        return Future()

from workbench.ui import compare, explorer_page, inversion_page, jobs, studio

class IdleBackend:
    "A backend that starts nothing."

page = studio.Studio(jobs.Jobs(IdleBackend()))
record("build studio")
for name in ("runs", "import_export", "share", "side_by_side"):
    page.navigation.show(name)
    record(f"open {name}")
page.controls._on_pick("problem", "inverse_kinematics")
record("choose another problem")
explorer_page.ExplorerPage(pool=IdlePool())
record("build explorer")
inversion_page.InversionPage()
record("build inversion")
compare.Compare()
record("build compare")
print(json.dumps(report))
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Which of the forbidden modules are loaded after each step, in a process of its own."""
    home = tmp_path_factory.mktemp("home")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "WORKBENCH_HOME": str(home)}
    command = [sys.executable, "-c", SCRIPT, *FORBIDDEN]
    result = subprocess.run(
        command, capture_output=True, text=True, env=environment, timeout=300, check=False
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return json.loads(result.stdout.splitlines()[-1])


def test_importing_and_building_the_pages_loads_no_network_library(report):
    assert len(report) == 14
    assert {step: modules for step, modules in report.items() if {"torch", "zuko"} & set(modules)} == {}


def test_the_pages_load_no_other_heavy_library(report):
    assert {step: modules for step, modules in report.items() if modules} == {}
