"""Every divergence with every kind of network on four problems: one table to sort.

Networks   couplings (RealNVP), splines and residual blocks given y, and the network of [y, z]
Problems   a Gaussian that is known in closed form, the arm, eight modes with labels, and a density without y
Objective  the defaults of this workbench: backward joint, exact gradient, L_y where the network predicts y
Judges     as in the case studies; without y, MMD², C2ST and spread against fresh draws of the density
What does not fit together stays in the table with the reason.
"""

from __future__ import annotations

import numpy as np
import param
import torch
import xarray as xr

from workbench.core.capability import Capability
from workbench.divergences import DIVERGENCES, mmd_squared
from workbench.problems import PROBLEMS
from workbench.studies.base import STUDIES, Figure
from workbench.studies.case_study import TEST_SEED, PosteriorCase
from workbench.studies.cell_means import grouped
from workbench.studies.comparison import curves
from workbench.studies.posterior_quality import COLUMNS, fresh_pairs, judged, spread, told_apart
from workbench.studies.study_context import Bench

NETWORKS = {
    "coupling": "realnvp",
    "spline": "neural_spline_coupling",
    "residual": "residual_flow",
    "inn": "inn",
}
#: Draws of a density that are compared, at most.
_DENSITY_DRAWS = 2000
_PROBLEMS = ("linear_gaussian", "inverse_kinematics", "eight_modes", "two_moons")


@STUDIES.register
class EveryDivergence(PosteriorCase):
    """The cross table."""

    key = "every_divergence"
    # what comes first is what rows are compared by: where y is a label the distance to it says nothing
    columns = tuple(sorted(COLUMNS, key=lambda column: column.name != "mmd"))
    title = "Every divergence, every kind of network"
    summary = "All divergences with couplings, splines, residual blocks and the INN on four problems."
    reference = "VINA, arXiv:2602.20480, equations 2, 6, 9 and 10; the grid is ours"
    figure = Figure(("divergence",), ("problem",), ("mmd", "spread"), connected=False)
    quick = PosteriorCase.quick | {
        "networks": ["coupling", "inn"],
        "steps": 100,
    }

    seeds = param.Integer(3, bounds=(1, 100), doc="How often each cell is repeated.")
    steps = param.Integer(3000, bounds=(1, 100_000_000), doc="Steps of training, the same for all.")
    samples = param.Integer(50_000, bounds=(200, 50_000_000), doc="Pairs drawn for training.")
    batch_size = param.Integer(256, bounds=(2, 1_000_000), doc="Pairs in a mini-batch.")
    width = param.Integer(64, bounds=(4, 1024), doc="Units in the hidden layers of the networks inside.")
    problems = param.List(list(_PROBLEMS), item_type=str, doc="Keys of problems.")
    networks = param.List(list(NETWORKS), item_type=str, doc="coupling, spline, residual, inn.")
    divergences = param.List([], item_type=str, doc="Keys of divergences; empty: all that train.")

    def trained(self) -> list[str]:
        """Keys of the divergences of the table."""
        return self.divergences or DIVERGENCES.keys()

    def cells(self):
        return [
            self._cell(problem, network, divergence, seed)
            for seed in range(self.seeds)  # outermost: what was interrupted has whole repetitions
            for network in self.networks
            for problem in self.problems
            for divergence in self.trained()
        ]

    def _cell(self, problem: str, network: str, divergence: str, seed: int):
        place = {
            "problem": problem, "network": network, "divergence": divergence, "setting": "ours", "seed": seed,
        }  # fmt: skip
        settings = {"transforms": 4, "width": self.width}
        if network == "residual":  # no divergence asks for the log-determinant: its cheapest form
            settings |= {"log_det": "series", "terms": 1}
        return self.cell(
            place,
            f"{PROBLEMS[problem].title} · {network} · {DIVERGENCES[divergence].title}",
            {"key": NETWORKS[network], "settings": settings},
            {"key": "variational", "settings": {"divergence": divergence}},
            problem=PROBLEMS.make(problem),
        )

    def measure(self, cell, bench: Bench) -> xr.Dataset:
        problem = cell.experiment.problem
        run = bench.train(cell)
        seed = TEST_SEED + 1 + run.experiment.seed
        if Capability.OBSERVATION in problem.capabilities:
            test = bench.kept(
                f"reference-{problem.key}",
                lambda: fresh_pairs(problem, self.observations, self.draws, TEST_SEED),
            )
            numbers = judged(run.fitted, problem, test, seed=seed)
        else:
            numbers = self._density(run.fitted, problem, seed)
        numbers["training_minutes"] = ((), bench.seconds(cell) / 60)
        return xr.Dataset(numbers | curves(run))

    def _density(self, fitted, problem, seed: int) -> dict:
        """The judges without an observation."""
        generator = torch.Generator().manual_seed(seed)
        count = min(_DENSITY_DRAWS, self.observations * self.draws)
        reference = problem.draw(count, generator).x
        own = torch.Generator(device=fitted.model.device).manual_seed(seed)
        draws = fitted.sample(count, None, own).detach().to("cpu", torch.float64)
        kept, scale = draws[draws.isfinite().all(1)], reference.std(0)
        if len(kept) < 2:
            return {"non_finite_share": ((), 1.0)}
        found = {
            "mmd": float(mmd_squared(kept / scale, reference / scale, unbiased=True)),
            "c2st": told_apart(kept, reference),
            "spread": spread(kept[None], reference[None]),
            "non_finite_share": 1 - len(kept) / len(draws),
        }
        return {name: ((), value) for name, value in found.items()}

    def conclusions(self, data: xr.Dataset) -> list[str]:
        """The best three and the last of each problem, by MMD², over the networks that all were trained
        with."""
        done = data.isel(cell=data["status"].values == "done")
        found, every = [], set(self.trained())
        for problem in self.problems:
            here = done.isel(cell=done["problem"].values == problem)
            by_network = {n: grouped(here, "mmd", "divergence", network=n) for n in self.networks}
            whole = [n for n, found_there in by_network.items() if found_there.keys() == every]
            order = grouped(here.isel(cell=np.isin(here["network"].values, whole)), "mmd", "divergence")
            ranked = sorted(order, key=order.get)
            if len(ranked) > 3:
                best = ", ".join(f"{DIVERGENCES[key].title} ({order[key]:.3g})" for key in ranked[:3])
                last = ranked[-1]
                found.append(
                    f"{PROBLEMS[problem].title}: smallest MMD² on average over {', '.join(whole)}: {best}; "
                    f"largest: {DIVERGENCES[last].title} ({order[last]:.3g})."
                )
        return found
