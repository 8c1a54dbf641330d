"""A small study for the tests of the frame: two flows on a problem with a known posterior."""

from __future__ import annotations

import param
import torch
import xarray as xr

from workbench.core.errors import DataError
from workbench.studies import Cell, Column, Published, Study
from workbench.training import Experiment

TRAINING = {"samples": 256, "batch_size": 64, "early_stopping": False, "validate_every": 5, "noise_y": 0.1}


class Toy(Study):
    key, title, summary, reference = "toy", "Toy", "For the tests.", "None."
    quick = {"steps": 10}
    columns = (Column("error", "error", "m", "low"), Column("loss", "loss"))
    published = (Published({"method": "good"}, "error", 0.25, "paper", "A paper"),)

    steps = param.Integer(20, bounds=(1, 1000), doc="Steps.")
    stop_at = ""  # id of the cell at which the study is interrupted

    def cells(self):
        trained_cells = [
            Cell({"method": method, "seed": seed}, method.title(), self._experiment(seed))
            for method in ("good", "bad")
            for seed in range(self.seeds)
        ]
        return [*trained_cells, Cell({"method": "absent", "seed": 0}, "Absent", refused="It is not here.")]

    def _experiment(self, seed):
        architecture = {"key": "realnvp", "settings": {"transforms": 2, "width": 8, "depth": 1}}
        return Experiment("linear_gaussian", architecture, training=TRAINING, steps=self.steps, seed=seed)

    def measure(self, cell, context):
        self.measured = [*getattr(self, "measured", []), cell.id]
        if cell.id == self.stop_at:
            raise KeyboardInterrupt
        reference = context.cached("shared", lambda: xr.Dataset({"value": ((), 3.0)}))
        if cell.coordinates["method"] == "bad":
            raise DataError("The bad one cannot be measured")
        run = context.train(cell)
        weights = torch.cat([p.detach().reshape(-1) for p in run.model.parameters()])
        return xr.Dataset(
            {
                "error": ((), float(reference["value"]) + cell.coordinates["seed"]),
                "loss": ((), run.history[-1].loss),
                "weights": ("weight", weights.numpy()),
            }
        )
