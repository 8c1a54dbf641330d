"""Base class of VINA's case studies: up to three ways to train a network, and metrics of its posterior.

printed   as the VINA paper prints it: losses of eqs. 50 and 52 with the reconstruction at weight 1, marginal
          distributions
code      as the authors' program does it: joint distributions, D(data || model), the non-saturating gradient,
          the reconstruction at weight 0.01, logits clamped to ±4, another convention for the arm's angles
ours      as this workbench recommends: backward joint or forward with the true y, the exact gradient, L_y, no
          surplus latent, two critic steps per step of the network and a gradient penalty (R1)

Not copied: the program's initial weights N(0, 0.02²), the second moment of its Adam (0.9 there), and its
data, which are rejection samples around 500 targets; here pairs are drawn from the prior. The paper evaluates
the posterior at one target, here the mean over many observations is taken. The directions are described in
`workbench.objectives.directions`.

Source: VINA, arXiv:2602.20480, section 4.1, and the authors' program.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import param

from workbench.studies import catalogues
from workbench.studies.base import Cell, Published, Study
from workbench.studies.comparison import curves
from workbench.studies.posterior_quality import COLUMNS, evaluate_posterior, fresh_pairs

if TYPE_CHECKING:
    import xarray as xr

    from workbench.problems import Problem
    from workbench.studies.study_context import StudyContext
    from workbench.training import Training

#: Ways to train, with their names in the row titles.
SETTINGS = {"printed": "as printed", "code": "as in the code", "ours": "ours"}
#: Latent components of the VINA paper's network, and the smallest number that the arm's posterior needs.
LATENTS, NEEDED = 14, 2
TEST_SEED = 20_260_224


class PosteriorCase(Study):
    """Base class of studies that repeat VINA's experiments, by default on inverse kinematics: it makes
    problem, network, objective and training per way to train, and measures a trained cell's posterior."""

    columns = COLUMNS
    #: Values of the fast setting that the case studies share.
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
        list(SETTINGS),
        item_type=str,
        doc="Ways to train, in table order: printed (VINA paper), code (its authors' program), ours.",
    )
    samples = param.Integer(500_000, bounds=(200, 50_000_000), doc="Pairs drawn for training.")
    steps = param.Integer(
        7800, bounds=(1, 100_000_000), doc="Training steps; 7800 are ten epochs of 400 000 pairs."
    )
    batch_size = param.Integer(512, bounds=(2, 1_000_000), doc="Pairs in a mini-batch.")
    learning_rate = param.Number(
        2e-4,
        bounds=(1e-7, 1.0),
        doc="Adam's learning rate of network and critic, in the ways printed and code.",
    )
    width = param.Integer(128, bounds=(4, 1024), doc="Hidden units of the networks inside each block.")
    observations = param.Integer(
        200, bounds=(8, 100_000), doc="Fresh observations whose posteriors are evaluated."
    )
    draws = param.Integer(
        1000, bounds=(50, 100_000), doc="Draws per observation, and of its exact posterior."
    )

    # ---- what is trained
    def problem(self, setting: str) -> Problem:
        """Return the inverse kinematics problem for a way to train: joint angles as in the formula that the
        VINA paper prints for "printed", as in its authors' program for "code" and "ours"."""
        convention = "paper" if setting == "printed" else "code"
        return catalogues.PROBLEMS.make("inverse_kinematics", convention=convention)

    def network(self, setting: str, *, kind: str = "inn", latents: int | None = None) -> dict[str, Any]:
        """Return an architecture with ``latents`` latent components, as a dict of its catalogue key and its
        settings; by default 14 components as in the VINA paper, and for "ours" the two that are needed."""
        latents = latents or (NEEDED if setting == "ours" else LATENTS)
        values: dict[str, Any] = {"transforms": 4, "width": self.width, "extra_latent": latents - NEEDED}
        if kind == "inn":
            values |= {"activation": "gelu", "clamp": 2.0}
        else:  # the log-determinant is not used: its cheapest form
            values |= {"lipschitz": 0.8, "log_det": "series", "terms": 1}
        return {"key": kind, "settings": values}

    def followed(self, setting: str, divergence: str, *, forward: bool = False) -> dict[str, Any]:
        """Return settings of the variational objective that follow the VINA paper (``setting`` "printed") or
        its authors' program ("code"), with a divergence given by its key."""
        pace = catalogues.DIVERGENCES[divergence].pace
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
        """Return settings of the objective that VINA's authors use with the Sinkhorn divergence S_ε: 100 S_ε
        between the distributions of draws and of data x, plus the misfit of y and the distance of draws to
        x, each at weight 10 (squared here, not squared in their program). ``blur`` is √ε."""
        return {
            "divergence": "sinkhorn", "sinkhorn_blur": blur, "sinkhorn_debiased": debiased,
            "direction": "backward_marginal", "weight_divergence": 100.0, "weight_y": 10.0,
            "weight_reconstruction": 10.0, "reconstruction": "independent",
            "model_rate": min(10.0, 1.0 / catalogues.DIVERGENCES["sinkhorn"].pace), "model_averaging": 0.0,
        }  # fmt: skip

    def ours(self, divergence: str, *, forward: bool = False, **values: Any) -> dict[str, Any]:
        """Return settings of the variational objective as this workbench recommends them; ``values``
        replace or extend them."""
        return {
            "divergence": divergence,
            "direction": "forward_true_y" if forward else "backward_joint",
        } | values

    def training(self, setting: str) -> Training:
        """Return the training settings of a way to train. "printed" and "code" keep Adam's learning rate
        constant; "ours" uses the workbench's default rate and schedule, and adds noise to y, without which
        the posterior has no density."""
        from workbench.training import Training

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
        """Make the cell at the coordinates ``place`` (name -> value), whose ``setting`` is the way to train.
        Where its parts cannot be combined, the cell has no experiment, and ``refused`` holds the reason."""
        setting = place["setting"]
        title = f"{title} · {SETTINGS[setting]}"
        problem, training = problem or self.problem(setting), training or self.training(setting)
        parts = (problem, architecture, objective, training)
        return Cell.of_experiment(place, title, *parts, steps=self.steps, seed=place["seed"])

    # ---- one cell
    def measure(self, cell: Cell, context: StudyContext) -> xr.Dataset:
        import xarray as xr

        problem = cell.experiment.problem
        test = context.cached(
            f"reference-{problem.convention}",
            lambda: fresh_pairs(problem, self.observations, self.draws, TEST_SEED),
        )
        run = context.train(cell)
        numbers = evaluate_posterior(run.fitted, problem, test, seed=TEST_SEED + 1 + run.experiment.seed)
        numbers["training_minutes"] = ((), context.seconds(cell) / 60)
        return xr.Dataset(numbers | curves(run))


def digitised(
    column: str, table: dict[tuple, float], axes: tuple[str, ...], source: str
) -> tuple[Published, ...]:
    """Return numbers that were read off a published plot as `Published`, with the tag "digitised".

    Parameters
    ----------
    column : name of the study's column that they are compared with.
    table : for each number, its place, the values of the coordinates ``axes`` as a tuple -> the number.
    axes : names of the coordinates that identify a cell of the study, such as "divergence".
    source : citation.
    """
    return tuple(
        Published(dict(zip(axes, place, strict=True)), column, value, "digitised", source)
        for place, value in table.items()
    )
