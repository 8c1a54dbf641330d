"""VINA §4.1.6 where its theorem applies: heavy-tailed data that a flow of the class can reach.

The study `moments` follows the paper, whose flows have normal tails and reach no Pareto law. Here the data
are T*⁻¹(Z) with Z Pareto and T* a flow of the class that learns (bounded residual blocks), so that
realisability, Lipschitz bounds and the moments of order below α are all there.

The student descends D(P_Z, P_T(X)), the theorem's own direction, with the KL critic. For α ≤ 1 the true W1
is infinite, and what is printed is that of so many draws.
Source: VINA, arXiv:2602.20480, section 4.1.6, Definition 3.1 and Theorem 3.1; the case is ours.
"""

from __future__ import annotations

from typing import Any, ClassVar

import param
import torch
import xarray as xr
from torch import Tensor

from workbench.divergences import DIVERGENCES
from workbench.studies.adversarial_training import Rules, play
from workbench.studies.base import STUDIES, Cell, Figure, Study
from workbench.studies.heavy_tails import COLUMNS, build, measured, pareto, trend
from workbench.studies.study_context import Bench, clock

#: VINA's Definition 3.1: bounded residual blocks.
CLASS = {"transforms": 4, "width": 16, "bounded": True, "lipschitz": 0.7, "log_det": "exact"}
#: The teacher is one network for all cells, so that only the moments differ.
_TEACHER_SEED, _TEACHER_STRENGTH = 7, 4.0


@STUDIES.register
class RealisableMoments(Study):
    """A student of the teacher's class, on data with more and more moments."""

    key = "realisable_moments"
    title = "Finite moments, where a flow can be exact"
    summary = "Heavy-tailed data that a flow of the class can reach exactly: what the moments alone do."
    reference = "VINA, arXiv:2602.20480, section 4.1.6, Definition 3.1 and Theorem 3.1"
    columns = COLUMNS
    figure = Figure(("alpha",), (), ("w1", "w1_relative", "floor_relative"))
    quick: ClassVar[dict[str, Any]] = {
        "steps": 300, "seeds": 1, "batch_size": 256, "alphas": [1, 2, 3, 5, 10], "points": 4000, "rate": 1e-3,
    }  # fmt: skip

    seeds = param.Integer(3, bounds=(1, 100), doc="How often each cell is repeated.")
    alphas = param.List(list(range(1, 11)), item_type=int, doc="Tail index α of the latent's Pareto law.")
    steps = param.Integer(1880, bounds=(1, 1_000_000), doc="Steps of training.")
    batch_size = param.Integer(512, bounds=(8, 100_000), doc="Points of each law in a step.")
    rate = param.Number(
        2e-4, bounds=(1e-6, 1.0), doc="Adam's step size: five times it for the network, ten for the critic."
    )
    points = param.Integer(10_000, bounds=(200, 10_000_000), doc="Draws of each law that are compared.")

    def cells(self):
        return [
            Cell({"alpha": alpha, "seed": seed}, f"realisable · α = {alpha}")
            for alpha in self.alphas
            for seed in range(self.seeds)
        ]

    def measure(self, cell: Cell, bench: Bench) -> xr.Dataset:
        alpha, seed = float(cell.coordinates["alpha"]), cell.coordinates["seed"]
        teacher = strong_teacher()
        student = build("residual_flow", CLASS, 1, seed)

        def data(n: int, generator: torch.Generator) -> Tensor:
            with torch.no_grad():
                return teacher.inverse(pareto(n, alpha, generator), None)[0]

        def image(x: Tensor) -> Tensor:
            # an f-divergence does not change under a bijection, and this one lets the critic see the tail
            return torch.asinh(student.latent(x, None)[0])

        rules = Rules(
            DIVERGENCES.make("kl"), self.steps, self.batch_size, rate=5 * self.rate,
            critic_rate=10 * self.rate, critic_steps=2, gradient_penalty=0.01, settles=True,
        )  # fmt: skip
        start = clock("cpu")
        values = play(
            image,
            list(student.parameters()),
            data,
            lambda n, g: torch.asinh(pareto(n, alpha, g)),
            rules,
            seed=seed,
        )
        seconds = clock("cpu") - start
        generator = torch.Generator().manual_seed(seed + 10_000)
        with torch.no_grad():
            truth, again = (data(self.points, generator)[:, 0].double() for _ in range(2))
            made = student.inverse(pareto(self.points, alpha, generator), None)[0][:, 0].double()
        return xr.Dataset(
            measured(truth, again, made, alpha)
            | {
                "training_seconds": ((), seconds),
                "curve_training": ("point", values[:: max(1, len(values) // 60)][:60]),
            }
        )

    def conclusions(self, data: xr.Dataset) -> list[str]:
        """How much of the fall is the width of the data and the floor."""
        said = trend(data, "Realisable")
        return [said] if said else []


def strong_teacher():
    """The network that makes the data: far from the identity, and inside the class whatever its weights."""
    with torch.no_grad():
        teacher = build("residual_flow", CLASS, 1, _TEACHER_SEED)
        for parameter in teacher.parameters():
            parameter.mul_(_TEACHER_STRENGTH)
    return teacher
