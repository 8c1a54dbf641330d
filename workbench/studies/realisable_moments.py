"""Study of VINA §4.1.6 where its theorem applies: heavy-tailed data that a flow of its class can represent.

The study `moments` follows the paper, whose flows have normal tails and cannot represent a Pareto
distribution. Here the data are T*⁻¹(Z) with Z Pareto and T*, the teacher, a flow of the class that learns
(bounded residual blocks), so that realisability, Lipschitz bounds and moments of order below α all hold.

The student T descends D(P_Z, P_T(X)), the theorem's own direction, with the KL critic. For α ≤ 1 the true W1
is infinite, and the number printed is that of n draws.

Source: VINA, arXiv:2602.20480, section 4.1.6, Definition 3.1 and Theorem 3.1; the case is this project's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import param

from workbench.core.lazy import torch
from workbench.studies import catalogues
from workbench.studies.adversarial_training import AdversarialSettings, train_adversarially
from workbench.studies.base import STUDIES, Cell, Figure, Study
from workbench.studies.heavy_tails import COLUMNS, build, cell_dataset, pareto, trend

if TYPE_CHECKING:
    import xarray as xr
    from torch import Tensor

    from workbench.core.model import Model
    from workbench.studies.study_context import StudyContext

#: Settings of the flows of VINA's Definition 3.1: bounded residual blocks.
CLASS = {"transforms": 4, "width": 16, "bounded": True, "lipschitz": 0.7, "log_det": "exact"}
#: Seed and factor on the weights of the teacher: one network for all cells, so that only the moments differ.
_TEACHER_SEED, _TEACHER_STRENGTH = 7, 4.0


@STUDIES.register
class RealisableMoments(Study):
    """A student flow trained on data of a teacher flow of the same class, which have more and more finite
    moments."""

    key = "realisable_moments"
    title = "Finite moments, where a flow can be exact"
    summary = (
        "Heavy-tailed data that a flow of the class can represent exactly: the effect of the moments alone."
    )
    reference = "VINA, arXiv:2602.20480, section 4.1.6, Definition 3.1 and Theorem 3.1"
    columns = COLUMNS
    figure = Figure(("alpha",), (), ("w1", "w1_relative", "floor_relative"))
    quick: ClassVar[dict[str, Any]] = {
        "steps": 300, "seeds": 1, "batch_size": 256, "alphas": [1, 2, 3, 5, 10], "points": 4000, "rate": 1e-3,
    }  # fmt: skip

    seeds = param.Integer(3, bounds=(1, 100), doc="Repetitions of each cell.")
    alphas = param.List(
        list(range(1, 11)), item_type=int, doc="Tail index α of the latent's Pareto distribution."
    )
    steps = param.Integer(1880, bounds=(1, 1_000_000), doc="Training steps.")
    batch_size = param.Integer(512, bounds=(8, 100_000), doc="Points of each distribution in a step.")
    rate = param.Number(
        2e-4,
        bounds=(1e-6, 1.0),
        doc="Learning rate of Adam, times five for the network and times ten for the critic.",
    )
    points = param.Integer(
        10_000, bounds=(200, 10_000_000), doc="Draws of each distribution for the metrics."
    )

    def cells(self) -> list[Cell]:
        return [
            Cell({"alpha": alpha, "seed": seed}, f"realisable · α = {alpha}")
            for alpha in self.alphas
            for seed in range(self.seeds)
        ]

    def measure(self, cell: Cell, context: StudyContext) -> xr.Dataset:
        alpha, seed = float(cell.coordinates["alpha"]), cell.coordinates["seed"]
        teacher = strong_teacher()
        student = build("residual_flow", CLASS, 1, seed)

        def data(n: int, generator: torch.Generator) -> Tensor:
            with torch.no_grad():
                return teacher.inverse(pareto(n, alpha, generator), None)[0]

        def image(x: Tensor) -> Tensor:
            # an f-divergence is invariant under a bijection; asinh brings the tail within the critic's reach
            return torch.asinh(student.latent(x, None)[0])

        settings = AdversarialSettings(
            catalogues.DIVERGENCES.make("kl"), self.steps, self.batch_size, rate=5 * self.rate,
            critic_rate=10 * self.rate, critic_steps=2, gradient_penalty=0.01, settles=True,
        )  # fmt: skip
        checkpoint = context.checkpoint(cell)
        losses = train_adversarially(
            image,
            student,
            data,
            lambda n, g: torch.asinh(pareto(n, alpha, g)),
            settings,
            seed=seed,
            checkpoint=checkpoint,
        )
        seconds = checkpoint.seconds
        generator = torch.Generator().manual_seed(seed + 10_000)
        with torch.no_grad():
            truth, again = (data(self.points, generator)[:, 0].double() for _ in range(2))
            draws = student.inverse(pareto(self.points, alpha, generator), None)[0][:, 0].double()
        return cell_dataset((truth, again, draws), alpha, seconds, losses)

    def conclusions(self, data: xr.Dataset) -> list[str]:
        """Return a list with a sentence on the trend of W1 with α, absolute and relative to the width of the
        data; empty for fewer than three values of α."""
        sentence = trend(data, "Realisable")
        return [sentence] if sentence else []


def strong_teacher() -> Model:
    """Build the flow that generates the data: far from the identity, and inside the class, as bounded
    blocks are for any weights."""
    with torch.no_grad():
        teacher = build("residual_flow", CLASS, 1, _TEACHER_SEED)
        for parameter in teacher.parameters():
            parameter.mul_(_TEACHER_STRENGTH)
    return teacher
