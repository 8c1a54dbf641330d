"""Train the model that the posterior explorer opens with, and write it to workbench/ui/example_run (minutes).

python tools/make_posterior_example.py
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.make_example import train  # noqa: E402
from workbench.export import save  # noqa: E402
from workbench.ui import example  # noqa: E402

EXPERIMENT = {
    "problem": "inverse_kinematics",
    "objective": "maximum_likelihood",
    "architecture": {"key": "neural_spline_coupling", "settings": {"width": 64, "transforms": 6}},
    "training": {"early_stopping": False, "samples": 100_000, "batch_size": 512},
    "steps": 8000,
    "seed": 0,
}


def main() -> None:
    run = train(EXPERIMENT)
    path = save(run, example.FOLDER / example.POSTERIOR)
    print(f"{path}: {path.stat().st_size / 1024:.0f} kB, {run.parameters} parameters")


if __name__ == "__main__":
    main()
