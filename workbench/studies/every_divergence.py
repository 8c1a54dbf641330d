"""Every divergence with every kind of network on four problems, as one sortable table.

Networks   coupling (RealNVP), spline and residual flows of x given y, and the INN from x to [y, z]
Problems   a Gaussian in closed form, the robot arm, eight modes with labels, and a density without y
Objective  the defaults of this workbench: backward joint, exact gradient, L_y where the network predicts y
Metrics    those of the case studies; without y, MMD², C2ST and spread against fresh draws of the density

Combinations that are not possible stay in the table with the reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import param

from workbench.core.capability import Capability
from workbench.core.lazy import torch
from workbench.studies import catalogues
from workbench.studies.base import STUDIES, Cell, Figure
from workbench.studies.case_study import TEST_SEED, PosteriorCase
from workbench.studies.cell_means import grouped
from workbench.studies.comparison import curves
from workbench.studies.posterior_quality import (
    COLUMNS,
    evaluate_posterior,
    fresh_pairs,
    neighbour_c2st,
    spread,
)

if TYPE_CHECKING:
    import xarray as xr

    from workbench.inference import FittedModel
    from workbench.problems import Problem
    from workbench.studies.study_context import StudyContext

NETWORKS = {
    "coupling": "realnvp",
    "spline": "neural_spline_coupling",
    "residual": "residual_flow",
    "inn": "inn",
}
#: Largest number of draws that are compared on a problem without y.
_DENSITY_DRAWS = 2000
_PROBLEMS = ("linear_gaussian", "inverse_kinematics", "eight_modes", "two_moons")


@STUDIES.register
class EveryDivergence(PosteriorCase):
    """One cell for every combination of divergence, network and problem, each trained alike."""

    key = "every_divergence"
    # rows are compared by the first column, and where y is a label the distance to it is meaningless
    columns = tuple(sorted(COLUMNS, key=lambda column: column.name != "mmd"))
    title = "Every divergence, every kind of network"
    summary = "All divergences with couplings, splines, residual blocks and the INN on four problems."
    reference = "VINA, arXiv:2602.20480, equations 2, 6, 9 and 10; the grid is ours"
    figure = Figure(("divergence",), ("problem",), ("mmd", "spread"), connected=False)
    quick = PosteriorCase.quick | {
        "networks": ["coupling", "inn"],
        "steps": 100,
    }

    seeds = param.Integer(3, bounds=(1, 100), doc="Repetitions of each cell.")
    steps = param.Integer(3000, bounds=(1, 100_000_000), doc="Training steps, the same for all.")
    samples = param.Integer(50_000, bounds=(200, 50_000_000), doc="Pairs drawn for training.")
    batch_size = param.Integer(256, bounds=(2, 1_000_000), doc="Pairs in a mini-batch.")
    width = param.Integer(64, bounds=(4, 1024), doc="Hidden units of the networks inside each block.")
    problems = param.List(list(_PROBLEMS), item_type=str, doc="Keys of problems.")
    networks = param.List(list(NETWORKS), item_type=str, doc="Networks: coupling, spline, residual, inn.")
    divergences = param.List([], item_type=str, doc="Keys of divergences; empty: all.")

    def divergence_keys(self) -> list[str]:
        """Return the keys of the divergences that are compared: those in the settings, or else all."""
        return self.divergences or catalogues.DIVERGENCES.keys()

    def cells(self) -> list[Cell]:
        return [
            self._cell(problem, network, divergence, seed)
            for seed in range(self.seeds)  # outermost: an interrupted study has whole repetitions
            for network in self.networks
            for problem in self.problems
            for divergence in self.divergence_keys()
        ]

    def _cell(self, problem: str, network: str, divergence: str, seed: int) -> Cell:
        place = {
            "problem": problem, "network": network, "divergence": divergence, "setting": "ours", "seed": seed,
        }  # fmt: skip
        settings = {"transforms": 4, "width": self.width}
        if network == "residual":  # no divergence asks for the log-determinant: its cheapest form
            settings |= {"log_det": "series", "terms": 1}
        return self.cell(
            place,
            f"{catalogues.PROBLEMS[problem].title} · {network} · {catalogues.DIVERGENCES[divergence].title}",
            {"key": NETWORKS[network], "settings": settings},
            {"key": "variational", "settings": {"divergence": divergence}},
            problem=catalogues.PROBLEMS.make(problem),
        )

    def measure(self, cell: Cell, context: StudyContext) -> xr.Dataset:
        import xarray as xr

        problem = cell.experiment.problem
        run = context.train(cell)
        seed = TEST_SEED + 1 + run.experiment.seed
        if Capability.OBSERVATION in problem.capabilities:
            test = context.cached(
                f"reference-{problem.key}",
                lambda: fresh_pairs(problem, self.observations, self.draws, TEST_SEED),
            )
            numbers = evaluate_posterior(run.fitted, problem, test, seed=seed)
        else:
            numbers = self._density(run.fitted, problem, seed)
        numbers["training_minutes"] = ((), context.seconds(cell) / 60)
        return xr.Dataset(numbers | curves(run))

    def _density(self, fitted: FittedModel, problem: Problem, seed: int) -> dict[str, Any]:
        """Return metrics of a model on a problem without y, by column name: its draws against fresh draws
        of the problem."""
        from workbench.divergences import mmd_squared

        generator = torch.Generator().manual_seed(seed)
        count = min(_DENSITY_DRAWS, self.observations * self.draws)
        reference = problem.draw(count, generator).x
        own = torch.Generator(device=fitted.model.device).manual_seed(seed)
        draws = fitted.sample(count, None, own).detach().to("cpu", torch.float64)
        finite, scale = draws[draws.isfinite().all(1)], reference.std(0)
        if len(finite) < 2:
            return {"non_finite_share": ((), 1.0)}
        numbers = {
            "mmd": float(mmd_squared(finite / scale, reference / scale, unbiased=True)),
            "c2st": neighbour_c2st(finite, reference),
            "spread": spread(finite[None], reference[None]),
            "non_finite_share": 1 - len(finite) / len(draws),
        }
        return {name: ((), value) for name, value in numbers.items()}

    def conclusions(self, data: xr.Dataset) -> list[str]:
        """Return a sentence for each problem: its best three divergences and its worst by MMD², averaged
        over the networks that were trained with all divergences."""
        results = data.isel(cell=data["status"].values == "done")
        titles = {member.key: member.title for member in catalogues.DIVERGENCES}
        sentences, every = [], set(self.divergence_keys())
        for problem in self.problems:
            here = results.isel(cell=results["problem"].values == problem)
            by_network = {n: grouped(here, "mmd", "divergence", network=n) for n in self.networks}
            whole = [n for n, means in by_network.items() if means.keys() == every]
            order = grouped(here.isel(cell=np.isin(here["network"].values, whole)), "mmd", "divergence")
            ranking = sorted(order, key=order.get)
            if len(ranking) > 3:
                best = ", ".join(f"{titles[key]} ({order[key]:.3g})" for key in ranking[:3])
                last = ranking[-1]
                title = catalogues.PROBLEMS[problem].title
                sentences.append(
                    f"{title}: smallest MMD² on average over {', '.join(whole)}: {best}; "
                    f"largest: {titles[last]} ({order[last]:.3g})."
                )
        return sentences
