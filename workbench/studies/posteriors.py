"""Study of posteriors from a few thousand simulations, on the tasks of the simulation-based inference
benchmark.

Tasks     those of the benchmark, with its own C2ST (0.5: the same as the exact posterior; 1: separable)
Recipe    `Experiment.recommended`: one for all tasks, from the problem and the number of simulations alone
Rows      the recipe, and beside it sbi's neural spline flow with its defaults on the same simulations, where
          sbi is installed (the bench extra). On request the recipe on a task in the forms in which users
          bring theirs: a table of simulations without bounds, a simulator with the bounds of x
Exact     independent draws of the exact posterior (`exact_draws`), which never see a network, checked by
          bounds, symmetry and a second seed (`reference_checks`); a cell whose reference fails is not
          measured. The column "floor" is the C2ST between two such sets where they are not drawn in closed
          form, which a perfect sampler would reach.
Budgets   "C2ST" is of a network that may use the simulations and nothing else, and serves any observation.
          "C2ST refined" may evaluate the exact joint density as well, at one observation, as often as
          "evaluations" says; "C2ST chains" may do so as often, from the prior, with no network and no
          simulation (`chain_draws`). The benchmark's sequential NPE has no density, but 10,000 simulations
          for each observation.
Gap       the expected −log q(x | y) on fresh pairs, less that of the exact posterior on the same pairs: the
          expected KL divergence of the exact posterior from q, which no network can bring below zero
Leak      the expected −log of the probability that a draw is inside the bounds of x. Draws outside are
          rejected, which lowers the loss of the accepted ones by this amount.
Observed  drawn from the problem, the same for every row

Source: Lueckmann et al. 2021, arXiv:2101.04653.
"""

from __future__ import annotations

import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar

import param

from workbench.core.capability import Capability
from workbench.core.errors import DataError, WorkbenchError
from workbench.core.lazy import torch
from workbench.studies import catalogues
from workbench.studies.base import STUDIES, Cell, Column, Published, Study
from workbench.studies.posterior_goals import METHODS, TASKS

if TYPE_CHECKING:
    from collections.abc import Callable

    import xarray as xr
    from torch import Tensor

    from workbench.inference import FittedModel
    from workbench.problems import Problem
    from workbench.studies.study_context import StudyContext
    from workbench.training import Run

_SEED, _FRESH, _LEAKS = 5_000, 5000, 200
#: Values of the refined posterior and of chains at each observation.
_REFINED = ("c2st_refined", "refining_seconds", "evaluations", "effective_share", "acceptance", "pareto_k")
_CHAIN = ("c2st_chain", "chain_evaluations", "chain_beta")
_BENCHMARK = "Lueckmann et al. 2021, arXiv 2101.04653, results of the benchmark at 10,000 simulations"
_NPE = (0.606, 0.615, 0.552, 0.553, 0.901, 0.678, 0.680, 0.997)
_SNPE = (0.554, 0.551, 0.544, 0.527, 0.845, 0.614, 0.561, 0.953)


def _figures(column: str, values: tuple[float, ...], tag: str) -> tuple[Published, ...]:
    return tuple(
        Published({"task": task, "method": "recipe"}, column, value, tag, _BENCHMARK)
        for task, value in zip(TASKS, values, strict=True)
    )


#: sbi 0.27 with its defaults on the benchmark's first two observations: C2ST and processor seconds.
_ELSEWHERE = tuple(
    Published({"task": task, "method": "sbi_nsf"}, column, value, "elsewhere", "sbi 0.27.0, NPE, nsf, seed 1")
    for task, pair in {
        "two_moons_posterior": (0.524, 317.0), "gaussian_mixture": (0.573, 175.0), "slcp": (0.907, 329.0),
    }.items()
    for column, value in zip(("c2st", "training_seconds"), pair, strict=True)
)  # fmt: skip


@STUDIES.register
class Posteriors(Study):
    """The recommended experiment on the benchmark's tasks, amortised and refined, beside sbi's NPE."""

    key = "posteriors"
    title = "Posteriors from simulations"
    summary = "One recipe on the tasks of the simulation-based inference benchmark, amortised and refined."
    reference = "Lueckmann et al. 2021, arXiv 2101.04653"
    columns = (
        Column("c2st", "C2ST", "", "low"),
        Column("c2st_refined", "C2ST refined", "", "low"),
        Column("c2st_chain", "C2ST chains", "", "low"),
        Column("evaluations", "evaluations"),
        Column("c2st_floor", "floor"),
        Column("gap", "loss above optimum", "nats", "low"),
        Column("leak", "of it outside bounds", "nats"),
        Column("training_seconds", "training", "s", "low"),
        Column("refining_seconds", "refining", "s", "low"),
        Column("effective_share", "effective draws", "%", "high"),
        Column("acceptance", "accepted", "%"),
        Column("parameters", "parameters"),
    )
    published = (
        _figures("c2st", _NPE, "replicated") + _figures("c2st_refined", _SNPE, "sequential") + _ELSEWHERE
    )
    quick: ClassVar[dict[str, Any]] = {
        "tasks": ["gaussian_linear", "two_moons_posterior"],
        "simulations": 1000,
        "observations": 1,
        "draws": 1000,
    }

    tasks = param.List(
        [task for task in TASKS if task != "gaussian_linear_uniform"],
        item_type=str,
        doc="Keys of the benchmark's problems.",
    )
    methods = param.List(
        ["recipe", "sbi_nsf"], item_type=str, doc="Rows of each task: recipe, table, simulator, sbi_nsf."
    )
    refined = param.Boolean(True, doc="Refine the posteriors of the recipe as well.")
    simulations = param.Integer(10_000, bounds=(100, 10_000_000), doc="Simulations to train on.")
    observations = param.Integer(5, bounds=(1, 1000), doc="Observations whose posteriors are compared.")
    draws = param.Integer(
        10_000, bounds=(200, 100_000), doc="Draws of each of the two posteriors in a comparison."
    )

    def cells(self) -> list[Cell]:
        return [
            self._cell(task, method, seed)
            for seed in range(self.seeds)
            for method in self.methods
            for task in self.tasks
        ]

    def _cell(self, task: str, method: str, seed: int) -> Cell:
        title = f"{TASKS.get(task, task)}, {METHODS.get(method, method)}"
        place = {"task": task, "method": method, "seed": seed}
        if method in ("table", "simulator"):  # their experiments are made when they are measured
            return Cell(place, title)
        if method == "recipe":
            from workbench.training import Experiment

            return Cell(place, title, Experiment.recommended(task, self.simulations, seed=seed))
        reason = "" if find_spec("sbi") else "sbi is not installed; the bench extra brings it."
        return Cell(place, title, None, reason)

    def measure(self, cell: Cell, context: StudyContext) -> xr.Dataset:
        import numpy as np
        import xarray as xr

        from workbench.diagnostics import c2st
        from workbench.studies.reference_checks import floor_fault
        from workbench.studies.sbi_baseline import simulation_based_inference

        problem = catalogues.PROBLEMS.make(cell.coordinates["task"])
        method = cell.coordinates["method"]
        numbers: dict[str, float] = {}
        if method == "sbi_nsf":
            baseline = simulation_based_inference(problem, self.simulations, int(cell.coordinates["seed"]))
            draw, log_prob = baseline.draw, baseline.log_prob
            numbers |= {"training_seconds": baseline.seconds, "parameters": baseline.parameters}
        else:
            if method == "recipe":
                run, seconds = context.train(cell), context.seconds(cell)
            else:
                run, seconds = self._train_form(problem, cell, context)
            model = run.fitted
            numbers |= {"training_seconds": seconds, "parameters": run.parameters}

            def draw(y: Tensor, n: int) -> Tensor:
                return model.sample(n, [y.tolist()], torch.Generator().manual_seed(_SEED)).double()

            def log_prob(x: Tensor, y: Tensor) -> Tensor:
                return model.log_prob(x, y).double()

        numbers["gap"] = self._gap(problem, log_prob)
        if method != "sbi_nsf":
            numbers["leak"] = self._leak(problem, model)
        each: dict[str, list[float]] = {}
        for i, y in enumerate(self._observations(problem)):
            context.say(f"{cell.title}: observation {i + 1} of {self.observations}")
            exact = context.cached(f"exact-{problem.key}-{i}", lambda y=y, i=i: self._exact(problem, y, i))
            row = {"c2st": c2st(exact["x"].values, draw(y, self.draws).numpy())}
            if "again" in exact:
                row["c2st_floor"] = c2st(exact["x"].values, exact["again"].values)
                if fault := floor_fault(row["c2st_floor"], self.draws):
                    raise DataError("A reference of this study is wrong", found=fault)
            if self.refined and method == "recipe":
                row |= self._refine_and_compare(run, problem, y, exact, context)
            for name, value in row.items():
                each.setdefault(name, []).append(float(value))
        # a refinement that fails at one observation leaves no mean of the others
        means = {name: float(np.mean(values)) for name, values in each.items() if name != "refusals"}
        numbers |= {name: float(np.sum(values)) for name, values in each.items() if name == "refusals"}
        return xr.Dataset(numbers | means | {f"each_{k}": ("observation", v) for k, v in each.items()})

    def _observations(self, problem: Problem) -> Tensor:
        return problem.draw(self.observations, torch.Generator().manual_seed(_SEED)).y

    def _train_form(self, problem: Problem, cell: Cell, context: StudyContext) -> tuple[Run, float]:
        """Train the recipe on ``problem`` in the form of the cell's method; return run and seconds."""
        from workbench.studies.study_context import clock
        from workbench.studies.user_forms import as_simulator, as_table
        from workbench.training import Experiment, Run

        seed = int(cell.coordinates["seed"])
        form = as_simulator(problem)
        if cell.coordinates["method"] == "table":
            form = as_table(problem, self.simulations, seed)
        start = clock(context.device)
        run = Run(Experiment.recommended(form, self.simulations, seed=seed), device=context.device)
        for _ in run:
            pass
        return run, clock(context.device) - start

    def _exact(self, problem: Problem, y: Tensor, number: int) -> xr.Dataset:
        """Return a Dataset with draws of the exact posterior at y as ``x``; where they are not drawn in
        closed form, also with those of an independent second set as ``again``. Raises `DataError` where they
        fail a check."""
        import xarray as xr

        from workbench.studies.exact_draws import exact_draws
        from workbench.studies.reference_checks import reference_faults

        seeds = (_SEED + 1 + 2 * number, _SEED + 2 + 2 * number)
        sets = [exact_draws(problem, y, self.draws, torch.Generator().manual_seed(s)) for s in seeds]
        if faults := reference_faults(problem, y, *sets):
            raise DataError(
                f"The reference of '{problem.key}' at observation {number + 1} is wrong",
                found=" ".join(faults),
                suggestion="report it with the settings of this study, or choose other tasks",
            )
        data = xr.Dataset({"x": (("draw", "parameter"), sets[0].numpy())})
        if Capability.REFERENCE_POSTERIOR not in problem.capabilities:
            data["again"] = (("draw", "parameter"), sets[1].numpy())
        return data

    def _refine_and_compare(
        self, run: Run, problem: Problem, y: Tensor, exact: xr.Dataset, context: StudyContext
    ) -> dict[str, float]:
        """Return the columns of the refined posterior at y and of chains of as many evaluations, NaN where
        the refinement fails, and 1 there as ``refusals``."""
        try:
            row = self._refine(run, y, exact)
        except WorkbenchError as error:
            context.say(f"{problem.title}: {error}")
            return dict.fromkeys((*_REFINED, *_CHAIN), float("nan")) | {"refusals": 1.0}
        return row | self._run_chains(problem, y, exact, int(row["evaluations"])) | {"refusals": 0.0}

    def _refine(self, run: Run, y: Tensor, exact: xr.Dataset) -> dict[str, float]:
        """Refine the posterior at y by a Markov chain; return by column name its C2ST against ``exact``,
        processor seconds, evaluations of the joint density, effective sample size and acceptance in %, and
        Pareto k̂."""
        import numpy as np

        from workbench.diagnostics import c2st
        from workbench.refinement import refine

        start = time.process_time()
        posterior = refine(run, y.tolist(), method="markov_chain", draws=self.draws, seed=1)
        seconds = time.process_time() - start
        draws = posterior.sample(self.draws)
        x, gain = np.stack([draws[name].values for name in draws.data_vars], 1), posterior.gain
        return {
            "c2st_refined": c2st(exact["x"].values, x),
            "refining_seconds": seconds,
            "evaluations": gain.evaluations,
            "effective_share": 100 * gain.effective_sample_size / gain.draws,
            "acceptance": 100 * gain.acceptance,
            "pareto_k": gain.pareto_k,
        }

    def _run_chains(self, problem: Problem, y: Tensor, exact: xr.Dataset, budget: int) -> dict[str, float]:
        """Return by column name the C2ST against ``exact`` of Markov chains that start at the prior and may
        evaluate the joint density ``budget`` times, and the evaluations that they took."""
        from workbench.diagnostics import c2st
        from workbench.studies.tempered_draws import chain_draws

        chains = chain_draws(problem, y, self.draws, torch.Generator().manual_seed(_SEED + 5), budget)
        value = c2st(exact["x"].values, chains.x.numpy())
        return {"c2st_chain": value, "chain_evaluations": chains.evaluations, "chain_beta": chains.beta}

    def _gap(self, problem: Problem, log_prob: Callable[[Tensor, Tensor], Tensor]) -> float:
        """Expected KL divergence, in nats, of the exact posterior from the network's, over fresh pairs;
        NaN where the problem's evidence is not known.

        It is infinite where the network excludes a pair that is possible. Only pairs whose exact density is
        not finite are left out: an evidence by quadrature may miss an extreme observation.
        """
        if not hasattr(problem, "log_evidence"):
            return float("nan")
        fresh = problem.draw(_FRESH, torch.Generator().manual_seed(_SEED + 3))
        with torch.no_grad():
            exact = problem.log_joint(fresh.x, fresh.y) - problem.log_evidence(fresh.y)
            gap = exact - log_prob(fresh.x, fresh.y).to(exact)
        return float(gap[exact.isfinite()].mean())

    def _leak(self, problem: Problem, fitted: FittedModel) -> float:
        """Expected −log probability, in nats, that a draw lies inside the bounds of x, over fresh
        observations."""
        low, high = (torch.tensor([getattr(v, side) for v in problem.x]).double() for side in ("low", "high"))
        if not (low.isfinite() | high.isfinite()).any():
            return 0.0
        generator = torch.Generator().manual_seed(_SEED + 4)
        rows = problem.draw(_LEAKS, generator).y.repeat_interleave(_LEAKS, 0)
        x = fitted.sample(len(rows), rows, generator, within_bounds=False).cpu()
        shares = ((x >= low) & (x <= high)).all(1).float().reshape(_LEAKS, _LEAKS).mean(1)
        return float(-shares.clamp(min=0.5 / _LEAKS).log().mean())

    def conclusions(self, data: xr.Dataset) -> list[str]:
        from workbench.studies.posterior_goals import sentences

        return sentences(data)
