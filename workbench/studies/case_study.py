"""What VINA's case studies on a posterior share: the settings, the three ways to train, and the judges.

printed   as the paper prints it: losses of eqs. 50 and 52 with the reconstruction at weight 1, marginal laws
code      as the authors' program does it: joint laws, the data first, the non-saturating gradient, the
          reconstruction at 0.01, logits within ±4, other angles of the arm
ours      backward joint or forward with the true y, the exact gradient, L_y, no surplus latent, and for the
          critic two steps and a gradient penalty

Not copied: the program's initial weights N(0, 0.02²), the second moment of its Adam (0.9 there), and its
data, which are rejection samples around 500 targets; here pairs are drawn from the prior. The paper judges at
one target, here the mean over many observations is taken.
Source: VINA, arXiv:2602.20480, section 4.1, and the authors' program.
"""

from __future__ import annotations

from typing import Any, ClassVar

import param
import xarray as xr

from workbench.core.errors import WorkbenchError
from workbench.divergences import DIVERGENCES
from workbench.problems import PROBLEMS, Problem
from workbench.studies.base import Cell, Published, Study
from workbench.studies.comparison import curves
from workbench.studies.posterior_quality import COLUMNS, fresh_pairs, judged
from workbench.studies.study_context import Bench
from workbench.training import Experiment, Training

#: Ways to train, with what the rows say.
SETTINGS = {"printed": "as printed", "code": "as in the code", "ours": "ours"}
#: Latents of the paper's network, and components of z that are needed.
LATENTS, NEEDED = 14, 2
TEST_SEED = 20_260_224


class PosteriorCase(Study):
    """Base of the case studies on inverse kinematics."""

    columns = COLUMNS
    #: What a small setting changes in all of them.
    quick: ClassVar[dict[str, Any]] = {
        "samples": 20_000,
        "steps": 150,
        "batch_size": 128,
        "learning_rate": 2e-3,
        "width": 48,
        "observations": 16,
        "draws": 200,
        "seeds": 1,
    }

    settings_compared = param.List(
        list(SETTINGS), item_type=str, doc="Ways to train: printed, code, ours; in the order of the table."
    )
    samples = param.Integer(500_000, bounds=(200, 50_000_000), doc="Pairs drawn for training.")
    steps = param.Integer(7800, bounds=(1, 100_000_000), doc="Steps; 7800 are ten epochs of 400 000 pairs.")
    batch_size = param.Integer(512, bounds=(2, 1_000_000), doc="Pairs in a mini-batch.")
    learning_rate = param.Number(
        2e-4, bounds=(1e-7, 1.0), doc="Adam's step size for network and critic where the paper is followed."
    )
    width = param.Integer(128, bounds=(4, 1024), doc="Units in the hidden layers of the networks inside.")
    observations = param.Integer(200, bounds=(8, 100_000), doc="Fresh observations to judge by.")
    draws = param.Integer(1000, bounds=(50, 100_000), doc="Draws for each, and of the exact posterior.")

    # ---- what is trained
    def problem(self, setting: str) -> Problem:
        """The arm, with the angles of the setting."""
        return PROBLEMS.make("inverse_kinematics", convention="paper" if setting == "printed" else "code")

    def network(self, setting: str, *, kind: str = "inn", latents: int | None = None) -> dict[str, Any]:
        """The network with ``latents`` latent components, as a table; by default the paper's number, or for
        ours as many as are needed."""
        latents = latents or (NEEDED if setting == "ours" else LATENTS)
        chosen: dict[str, Any] = {"transforms": 4, "width": self.width, "extra_latent": latents - NEEDED}
        if kind == "inn":
            chosen |= {"activation": "gelu", "clamp": 2.0}
        else:  # the log-determinant is not used: its cheapest form
            chosen |= {"lipschitz": 0.8, "log_det": "series", "terms": 1}
        return {"key": kind, "settings": chosen}

    def followed(self, setting: str, divergence: str, *, forward: bool = False) -> dict[str, Any]:
        """Settings of the variational objective where the paper or its program is followed."""
        pace = DIVERGENCES[divergence].pace
        values: dict[str, Any] = {
            "divergence": divergence, "weight_y": 0.0, "reconstruction": "independent",
            "critic_steps": 1, "critic_learning_rate": self.learning_rate, "gradient_penalty": 0.0,
            "model_rate": min(10.0, 1.0 / pace), "model_averaging": 0.0,
        }  # fmt: skip
        if setting == "printed":
            direction = "forward_full" if forward else "backward_marginal"
            order = "data_first" if forward else "model_first"
            return values | {"direction": direction, "order": order, "weight_reconstruction": 1.0}
        return values | {
            "direction": "forward_full" if forward else "backward_joint",
            "generator_gradient": "non_saturating",
            "weight_reconstruction": 0.01,
            "logit_clamp": 4.0,
        }

    def transport(self, *, blur: float = 0.1, debiased: bool = True) -> dict[str, Any]:
        """The program's objective with Sinkhorn: 100 S_ε between laws of x, and misfit of y and distance to x
        at weight 10 (here their squares, there the roots of them). Its ``blur`` is the root of ε."""
        return {
            "divergence": "sinkhorn", "sinkhorn_blur": blur, "sinkhorn_debiased": debiased,
            "direction": "backward_marginal", "weight_divergence": 100.0, "weight_y": 10.0,
            "weight_reconstruction": 10.0, "reconstruction": "independent",
            "model_rate": min(10.0, 1.0 / DIVERGENCES["sinkhorn"].pace), "model_averaging": 0.0,
        }  # fmt: skip

    def ours(self, divergence: str, *, forward: bool = False, **values: Any) -> dict[str, Any]:
        """Settings of the variational objective as this workbench advises them."""
        return {
            "divergence": divergence,
            "direction": "forward_true_y" if forward else "backward_joint",
        } | values

    def training(self, setting: str) -> Training:
        """Of the network; ours has its own rate, schedule and the little noise on y that densities need."""
        same = {
            "samples": self.samples,
            "batch_size": self.batch_size,
            "early_stopping": False,
            "validate_every": max(1, self.steps // 10),
            "measured": [],
        }
        if setting == "ours":
            return Training(**same, noise_y=0.02, warm_up=self.steps // 40, averaging=0.99)
        return Training(
            **same, learning_rate=self.learning_rate, schedule="constant", warm_up=0, gradient_clip=0.0
        )

    def cell(
        self,
        place: dict[str, Any],
        title: str,
        architecture: dict[str, Any],
        objective: dict[str, Any],
        training: Training | None = None,
        problem: Problem | None = None,
    ) -> Cell:
        """A cell of the setting that ``place`` names; what does not fit is refused with the reason."""
        setting = place["setting"]
        title = f"{title} · {SETTINGS[setting]}"
        try:
            made = Experiment(
                problem or self.problem(setting),
                architecture,
                objective,
                training or self.training(setting),
                steps=self.steps,
                seed=place["seed"],
            )
        except WorkbenchError as error:
            return Cell(place, title, refused=" ".join(str(error).split()))
        reasons = made.refusals()
        return Cell(place, title, refused=reasons[0]) if reasons else Cell(place, title, made)

    # ---- one cell
    def measure(self, cell: Cell, bench: Bench) -> xr.Dataset:
        problem = cell.experiment.problem
        test = bench.kept(
            f"reference-{problem.convention}",
            lambda: fresh_pairs(problem, self.observations, self.draws, TEST_SEED),
        )
        run = bench.train(cell)
        numbers = judged(run.fitted, problem, test, seed=TEST_SEED + 1 + run.experiment.seed)
        numbers["training_minutes"] = ((), bench.seconds(cell) / 60)
        return xr.Dataset(numbers | curves(run))


def digitised(
    column: str, table: dict[tuple, float], axes: tuple[str, ...], source: str
) -> tuple[Published, ...]:
    """Figures that were read off a plot, as `Published`."""
    return tuple(
        Published(dict(zip(axes, place, strict=True)), column, value, "digitised", source)
        for place, value in table.items()
    )
