"""Study of the recommended recipe on eight tasks that no part of it was developed on.

Recipe   `Experiment.recommended`, from the problem and the number of simulations alone. It was developed on
         the tasks of the study `posteriors`, and holds parts that suit these: mixtures of bells, which
         contain the posterior of gaussian_mixture; the bounds of x; blocks of y whose order does not matter,
         as in slcp. The figures of that study therefore say less about a new problem than those here.
Tasks    `unseen_tasks`: heavy tails, counts, one unknown, twenty, a time series, a sample in any order, a
         periodic unknown, a seabed. Their exact posteriors are closed forms or grids
C2ST     between draws of the network and of the exact posterior, mean and worst of the observations, which
         are drawn from the problem; ½ is perfect
Loss     the expected −log q(x | y) on fresh pairs, less that of the exact posterior on the same pairs: the
         expected KL divergence of the exact posterior from q, with its standard error
Prior    the same difference for the best normal distribution that does not depend on y: what there is to
         learn from y
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import param

from workbench.core.lazy import torch
from workbench.studies.base import STUDIES, Cell, Column, Study

if TYPE_CHECKING:
    import xarray as xr
    from torch import Tensor

    from workbench.studies.study_context import StudyContext
    from workbench.studies.unseen_tasks import UnseenTask

#: Keys of `unseen_tasks.TASKS` with their titles; listed here so that the study's form needs no torch.
TITLES = {
    "heavy_tails": "Line with heavy-tailed noise",
    "counts": "Poisson counts",
    "one_unknown": "One unknown, several modes",
    "twenty_unknowns": "Twenty correlated unknowns",
    "autoregression": "Autoregressive series",
    "sample": "Sample of eight, in any order",
    "direction": "Direction, periodic",
    "ocean": "Seabed from sound, SWX-2",
}
#: Seed of observations and fresh pairs, and their number for the loss.
_SEED, _FRESH = 7_000, 500
#: C2ST above which a sentence names a task.
_POOR = 0.6


@STUDIES.register
class Recipe(Study):
    """The recommended experiment on eight tasks that it was not developed on, against exact posteriors."""

    key = "recipe"
    title = "The recipe on unseen tasks"
    summary = (
        "The recommended experiment on eight tasks that it was not developed on, against exact posteriors."
    )
    reference = "Lueckmann et al. 2021, arXiv 2101.04653 (C2ST)"
    columns = (
        Column("c2st", "C2ST", "", "low"),
        Column("c2st_worst", "worst", "", "low"),
        Column("gap", "loss above optimum", "nats", "low"),
        Column("gap_error", "its error", "nats"),
        Column("prior_gap", "without y", "nats"),
        Column("training_seconds", "training", "s", "low"),
        Column("parameters", "parameters"),
    )
    remark = (
        "The recipe was developed on the tasks of the study `posteriors`; none of the eight tasks here took "
        "part. C2ST with 2,000 draws each tells differences of about 0.02; one training each unless `seeds` "
        "says more."
    )
    quick: ClassVar[dict[str, Any]] = {
        "tasks": ["one_unknown", "counts"],
        "simulations": 1000,
        "observations": 1,
        "draws": 500,
    }

    tasks = param.List(list(TITLES), item_type=str, doc="Keys of the tasks.")
    simulations = param.Integer(10_000, bounds=(100, 10_000_000), doc="Simulations to train on.")
    observations = param.Integer(5, bounds=(1, 1000), doc="Observations whose posteriors are compared.")
    draws = param.Integer(
        2000, bounds=(200, 100_000), doc="Draws of each of the two posteriors in a comparison."
    )

    def cells(self) -> list[Cell]:
        return [
            Cell({"task": task, "seed": seed}, TITLES.get(task, task))
            for seed in range(self.seeds)
            for task in self.tasks
        ]

    def measure(self, cell: Cell, context: StudyContext) -> xr.Dataset:
        import xarray as xr

        from workbench.diagnostics import c2st
        from workbench.studies.study_context import clock
        from workbench.studies.unseen_tasks import unseen_task
        from workbench.training import Experiment, Run

        task, seed = unseen_task(cell.coordinates["task"]), int(cell.coordinates["seed"])
        start = clock(context.device)
        run = Run(Experiment.recommended(task.problem, self.simulations, seed=seed), device=context.device)
        for _ in run:
            pass
        seconds, model, each = clock(context.device) - start, run.fitted, []
        for i, y in enumerate(task.problem.draw(self.observations, torch.Generator().manual_seed(_SEED)).y):
            context.say(f"{cell.title}: observation {i + 1} of {self.observations}")
            exact = task.draw(y.double(), self.draws, torch.Generator().manual_seed(_SEED + 1 + i))
            x = model.sample(self.draws, [y.tolist()], torch.Generator().manual_seed(_SEED + seed)).double()
            each.append(float(c2st(exact.numpy(), x.numpy())))
        loss = self._losses(task, lambda x, y: model.log_prob(x, y).double())
        numbers = {
            "c2st": sum(each) / len(each),
            "c2st_worst": max(each),
            "training_seconds": seconds,
            "parameters": run.parameters,
        }
        return xr.Dataset(numbers | loss | {"each_c2st": ("observation", each)})

    def _losses(self, task: UnseenTask, log_prob: Any) -> dict[str, float]:
        """Return by column name the expected loss of ``log_prob(x, y)`` above the optimum, its standard
        error, and that of a normal distribution that does not depend on y, all in nats."""
        fresh = task.problem.draw(_FRESH, torch.Generator().manual_seed(_SEED - 1))
        with torch.no_grad():
            exact = task.log_posterior(fresh.x.double(), fresh.y.double())
            gap = exact - log_prob(fresh.x, fresh.y).to(exact)
            prior = exact - _normal_fit(fresh.x.double())
        return {
            "gap": float(gap.mean()),
            "gap_error": float(gap.std() / len(gap) ** 0.5),
            "prior_gap": float(prior.mean()),
        }

    def conclusions(self, data: xr.Dataset) -> list[str]:
        from workbench.studies.table import number, rows

        results = [row for row in rows(data) if row["status"] == "done"]
        if not results:
            return []
        good = [row["title"] for row in results if row["c2st"] < _POOR]
        sentences = [f"C2ST below {_POOR:g} on {len(good)} of {len(results)} trainings."]
        return sentences + [
            f"{row['title']}: C2ST {number(row['c2st'])}, {number(row['c2st_worst'])} at worst; do not "
            "expect the exact posterior of such a problem from this many simulations."
            for row in results
            if row["c2st"] >= _POOR
        ]


def _normal_fit(x: Tensor) -> Tensor:
    """Return log densities (n,) of x (n, D) under the normal distribution with their moments."""
    covariance = torch.cov(x.T).reshape(x.shape[1], x.shape[1])
    return torch.distributions.MultivariateNormal(x.mean(0), covariance).log_prob(x)
