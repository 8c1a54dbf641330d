"""PosteriorExplorer: evaluates the posterior of a trained model for interactive pages.

It is in the same process as the network, and returns labelled arrays that can be sent to another process. All
observations use the same random numbers, so that draws change smoothly with the observation.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from workbench.core.capability import Capability
from workbench.core.errors import SpecError, WorkbenchError
from workbench.core.lazy import torch
from workbench.diagnostics.posterior_explorer import physical, refinement_summary, resimulation
from workbench.diagnostics.posterior_explorer.histogram import RunningHistogram, histogram
from workbench.diagnostics.posterior_explorer.query import PART, QUICK, Answer, ModelInfo, Query, brush
from workbench.diagnostics.posterior_explorer.training_summary import TrainingSummary
from workbench.inference.posterior import Posterior
from workbench.inference.reference_posteriors import REFERENCES

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

    from workbench.inference.fitted_model import FittedModel
    from workbench.problems import Problem

#: While the observation moves, views whose latest evaluation took more seconds than this are skipped.
EXPENSIVE = 0.02
#: Number of draws that are passed to a physical view.
_PICTURE_DRAWS = 200
_SEED = 7


class PosteriorExplorer:
    """Answers queries for the posterior of a fitted model, see `answer`.

    ``problem`` may be None for an imported model whose problem is not available. Raises `SpecError` for a
    model that takes no observation.
    """

    def __init__(self, fitted: FittedModel, problem: Problem | None = None, *, title: str = "") -> None:
        if not fitted.y:
            raise SpecError(
                "This model has no posterior to explore",
                expected="a model that was trained with an observation y",
                found="one of x alone",
                suggestion="look at its samples in the studio",
            )
        self.fitted, self.problem, self.title = fitted, problem, title
        self.training = TrainingSummary(fitted, problem)
        self.problem_capabilities = frozenset() if problem is None else problem.capabilities
        self._histogram: RunningHistogram | None = None
        self._sampling_key: tuple = ()
        self._cost: dict[str, float] = {}
        self._picture_windows: dict[str, dict[str, list[float]]] = {}

    def about(self) -> ModelInfo:
        """Return the static description of the model: variables, plotted ranges, example rows, options."""
        training = self.training
        return ModelInfo(
            title=self.title,
            x=self.fitted.x,
            y=self.fitted.y,
            window=training.window,
            observation_window=training.observation_window,
            default_observation=training.default_observation,
            capabilities=self.fitted.capabilities,
            problem_capabilities=self.problem_capabilities,
            pictures=physical.views(self.problem),
            rows=training.y[: training.ROWS],
            truths=training.x[: training.ROWS],
            note=training.note,
            refinements=refinement_summary.options(self.fitted, self.problem),
        )

    def prior(self, query: Query) -> xr.Dataset | None:
        """Return the prior's histogram over the plotted ranges of a query; None without prior samples."""
        return self._histogram_of(self.training.x, query) if len(self.training.x) else None

    def observation(self, query: Query) -> tuple[float, ...]:
        """Return the observation (M,) of a query, simulated where the query gives true parameters.

        Raises `SpecError` for an observation or parameters that do not fit the model.
        """
        if query.truth:
            return self._simulate(query.truth)
        return Posterior(self.fitted, query.observation).observation

    def answer(self, query: Query) -> Answer:
        """Draw from the posterior at the observation of a query, and evaluate the views it asks for.

        Raises `SpecError` for an observation that does not fit the model.
        """
        start = time.perf_counter()
        observation = self.observation(query)
        if query.more and self._histogram is not None and self._sampling_key == query.sampling_key():
            n = min(PART, query.draws - self._histogram.total)
        else:
            windows = query.windows or self.training.window
            self._histogram = RunningHistogram(self.fitted.x, self._axes(query), windows)
            self._sampling_key = query.sampling_key()
            n = min(query.draws, QUICK)
        if n > 0:
            self._histogram.add(self._draws(observation, n, self._histogram.total))
        posterior = self._histogram.dataset(observation=list(observation))
        draws = brush(posterior["draw"].values, query.within)
        picture = self._unless_expensive(
            f"picture {query.picture}", query, lambda: self._picture(query, draws, observation)
        )
        predictive = self._unless_expensive(
            "resimulation", query, lambda: self._resimulation(draws, observation, query.at_rest)
        )
        seconds = time.perf_counter() - start
        warnings = self._warnings(posterior, observation)
        return Answer(query, observation, posterior, picture, predictive, warnings, seconds)

    def reference(self, query: Query, n: int = 2000) -> xr.Dataset:
        """Return the histogram of n samples of the problem's reference posterior.

        If the query's physical view plots the reference apart from the posterior, its lines are added as
        ``reference_line``.
        Raises the `WorkbenchError` of a problem without a reference posterior at this observation.
        """
        observation = self.observation(query)
        draws = self._reference_draws(observation, n)
        result = self._histogram_of(draws, query)
        view = physical.PHYSICAL.get(query.picture)
        separate = view is not None and not view.beside
        picture = self._picture(query, draws, observation) if separate else None
        lines = None if picture is None else picture.get("line")
        return result if lines is None else result.assign(reference_line=lines)

    def refine(
        self, observation: tuple[float, ...], method: str, callback: Callable[[], None] = lambda: None
    ) -> refinement_summary.RefinementSummary:
        """Refine the posterior at one observation by the refinement method with this key.

        ``callback`` is called repeatedly; an error that it raises ends the refinement. Raises the errors of
        `workbench.refine`, and `WorkbenchError` for a model without its problem.
        """
        observation = Posterior(self.fitted, observation).observation
        if self.problem is None:
            raise WorkbenchError("This posterior cannot be refined", found="a model without its problem")
        draws = self._draws(observation, QUICK, 0)
        return refinement_summary.refine_and_compare(
            self.fitted, self.problem, observation, method, draws, callback
        )

    def view_with_reference(self, query: Query) -> xr.Dataset | None:
        """Return the physical view of a query with model and reference posterior in one plot.

        None for a view that cannot show both in one. Raises as `reference` does.
        """
        view = physical.PHYSICAL.get(query.picture)
        if view is None or not view.beside:
            return None
        observation = self.observation(query)
        reference = self._reference_draws(observation)
        draws = brush(self._draws(observation, QUICK, 0), query.within)
        return self._picture(query, draws, observation, reference)

    # ---- inside
    def _axes(self, query: Query) -> tuple[int, ...]:
        return query.axes or tuple(range(min(4, len(self.fitted.x))))

    def _histogram_of(self, draws: np.ndarray, query: Query) -> xr.Dataset:
        return histogram(draws, self.fitted.x, self._axes(query), query.windows or self.training.window)

    def _draws(self, observation: tuple[float, ...], n: int, offset: int) -> np.ndarray:
        """Return ``n`` posterior draws (n, D); ``offset``, the number of earlier draws, changes the seed."""
        device = self.fitted.model.device
        generator = torch.Generator(device=device).manual_seed(_SEED + offset)
        return self.fitted.sample(n, [observation], generator).double().cpu().numpy()

    def _reference_draws(self, observation: tuple[float, ...], n: int = 2000) -> np.ndarray:
        if Capability.REFERENCE_POSTERIOR not in self.problem_capabilities:
            raise WorkbenchError(
                "There is no reference posterior", found="a problem whose exact posterior is not known"
            )
        return REFERENCES.draws(self.problem, observation, n, _SEED + 1).numpy()

    def _simulate(self, truth: tuple[float, ...]) -> tuple[float, ...]:
        """Simulate an observation (M,) from parameters (D,). Raises `SpecError` where that is impossible."""
        if Capability.SIMULATE not in self.problem_capabilities:
            raise SpecError("An observation was to be simulated", found="a problem that cannot simulate")
        x = torch.as_tensor(truth, dtype=torch.float64).reshape(1, -1)
        if x.shape[1] != len(self.fitted.x) or not x.isfinite().all():
            raise SpecError(
                "The parameters to simulate from do not fit",
                expected=f"{len(self.fitted.x)} numbers",
                found=str(list(truth)),
            )
        y = self.problem.simulate(x, torch.Generator().manual_seed(_SEED + 2))[0]
        return Posterior(self.fitted, y).observation

    def _unless_expensive(
        self, name: str, query: Query, evaluate: Callable[[], xr.Dataset | None]
    ) -> xr.Dataset | None:
        """Return ``evaluate()``; None while the observation moves, if view ``name`` was slow last time."""
        if not query.at_rest and self._cost.get(name, 0.0) > EXPENSIVE:
            return None
        start = time.perf_counter()
        result = evaluate()
        self._cost[name] = time.perf_counter() - start
        return result

    def _picture(
        self,
        query: Query,
        draws: np.ndarray,
        observation: tuple[float, ...],
        reference: np.ndarray | None = None,
    ) -> xr.Dataset | None:
        """Return the query's physical view, with fixed axis limits that cover the prior; None without one."""
        key = query.picture
        if key and key not in self._picture_windows:
            prior = physical.physical(
                self.problem, key, self.training.x[:_PICTURE_DRAWS], self.training.default_observation
            )
            sides = ("horizontal_window", "vertical_window")
            # views of snapshots bring their own fixed axes
            has_axes = prior is None or prior.attrs["view"] != "physical"
            self._picture_windows[key] = {} if has_axes else {side: prior.attrs[side] for side in sides}
        picture = physical.physical(self.problem, key, draws[:_PICTURE_DRAWS], observation, reference)
        return picture if picture is None else picture.assign_attrs(self._picture_windows[key])

    def _resimulation(
        self, draws: np.ndarray, observation: tuple[float, ...], complete: bool
    ) -> xr.Dataset | None:
        if Capability.SIMULATE not in self.problem_capabilities:
            return None
        count = resimulation.MOST if complete else resimulation.FEW
        return resimulation.resimulate(self.problem, draws[:count], observation, self.training)

    def _warnings(self, posterior: xr.Dataset, observation: tuple[float, ...]) -> tuple[str, ...]:
        warnings = list(self.training.warnings(observation))
        if posterior.attrs["lost"]:
            share = posterior.attrs["lost"] / posterior.attrs["total"]
            warnings.append(f"{100 * share:.2g} % of the draws are not finite: the network fails here.")
        return tuple(warnings)
