"""Menus and forms describe problems without importing torch or any other large package."""

from __future__ import annotations

import subprocess
import sys

from workbench.problems import PROBLEMS

#: Problems whose plot limits or default observation are computed from random numbers or by simulation.
COMPUTED = {"linear_gaussian", "geoacoustic", "geoacoustic_paper"}

PROBE = """
import sys
from workbench.problems import PROBLEMS

def loaded():
    return sorted({"torch", "zuko", "scipy", "sklearn", "pandas", "xarray", "emcee"} & set(sys.modules))

print(*loaded(), sep=",")
for key in sys.argv[1].split(","):
    PROBLEMS[key].settings(), PROBLEMS[key].unavailable()
    if PROBLEMS[key].unavailable():
        continue
    problem = PROBLEMS.make(key)
    problem.x, problem.y, problem.shapes, problem.capabilities, problem.refusals()
    if not problem.refusals():
        problem.window, problem.observation_window, problem.default_observation
print(*loaded(), sep=",")
"""


def packages_loaded(keys: list[str]) -> list[str]:
    """Large packages in memory after the import of `workbench.problems`, and after describing problems."""
    command = [sys.executable, "-c", PROBE, ",".join(keys)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")[:2]


def test_problems_are_described_without_large_packages():
    assert packages_loaded([key for key in PROBLEMS.keys() if key not in COMPUTED]) == ["", ""]  # noqa: SIM118


def test_a_problem_that_computes_its_window_loads_torch():
    after_import, after_window = packages_loaded(["linear_gaussian"])
    assert after_import == "" and "torch" in after_window
