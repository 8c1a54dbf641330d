"""Train the example that the studio opens with, and write it to workbench/ui/example_run (a minute or two).

python tools/make_example.py
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from workbench.export import save  # noqa: E402
from workbench.training import Experiment, Run  # noqa: E402
from workbench.ui import example  # noqa: E402

EXPERIMENT = {
    "problem": "two_moons",
    "objective": "maximum_likelihood",
    "architecture": {"key": "neural_spline_coupling", "settings": {"width": 32}},
    "training": {"early_stopping": False},
    "steps": 2000,
    "seed": 0,
}
#: Approximate number of records in the shipped training history: enough for the loss curves.
RECORDS = 400


def train(experiment: dict[str, Any]) -> Run:
    """Train an experiment on the CPU and print its loss from time to time."""
    run = Run(Experiment.from_dict(experiment), device="cpu")
    for record in run:
        if record.iteration % 200 == 0:
            print(record.iteration, f"{record.loss:.3f}", flush=True)
    return run


def main() -> None:
    run = train(EXPERIMENT)
    folder = example.FOLDER
    folder.mkdir(exist_ok=True)
    every = max(1, len(run.history) // RECORDS)
    records = [
        r for i, r in enumerate(run.history) if i % every == 0 or r.validation or i == len(run.history) - 1
    ]
    (folder / example.EXPERIMENT).write_text(run.experiment.to_json() + "\n", encoding="utf-8")
    (folder / example.HISTORY).write_text("".join(r.to_json() + "\n" for r in records), encoding="utf-8")
    (folder / example.SNAPSHOT).write_bytes(example.pack(run.snapshot()))
    save(run, folder / example.MODEL)
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{folder}: {size / 1024:.0f} kB, {run.parameters} parameters")


if __name__ == "__main__":
    main()
