"""State of an open posterior explorer, without widgets; the page redraws when ``answer_count`` changes.

While the user moves the observation, each query returns 2,000 posterior draws, their 50 % and 90 %
highest-density regions and the physical view. Once it rests, expensive queries follow: the reference
posterior, the resimulation and the chosen number of draws, in batches, so that the page stays responsive.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import param

from workbench.core.errors import DataError, SpecError
from workbench.core.observation import checked_values
from workbench.diagnostics.posterior_explorer import Answer, ModelInfo, Query
from workbench.diagnostics.posterior_explorer.histogram import histogram
from workbench.diagnostics.posterior_explorer.query import QUICK, inside
from workbench.diagnostics.posterior_explorer.refinement_summary import RefinementSummary
from workbench.ui import latest_query
from workbench.ui.process_pool import POOL, ProcessPool

if TYPE_CHECKING:
    import xarray as xr
    from bokeh.document import Document

#: Milliseconds without a movement after which an observation is at rest.
REST = 250
#: Largest number of variables in the pair plot.
MAX_VARIABLES = 6


class Exploration(param.Parameterized):
    """State of an explorer page: model, optional second model, observation and latest posteriors."""

    observation = param.Parameter((), doc="The y whose posterior is shown, a tuple.")
    error = param.String("", doc="The error in place of an answer.")
    model_count = param.Integer(0, doc="Counts the models that were opened.")
    answer_count = param.Integer(0, doc="Counts the answers.")

    def __init__(self, document: Document | None = None, *, pool: ProcessPool | None = None) -> None:
        super().__init__()
        self.document = document
        query = partial(latest_query.LatestQuery, on_error=self._on_error, document=document, pool=pool)
        self._answer_queries = {
            name: query(latest_query.answer, on_result=partial(self._receive_answer, name))
            for name in ("model", "other")
        }
        self._info_queries = {
            "model": query(latest_query.model_info, self._receive_info),
            "other": query(latest_query.model_info, self._receive_other, on_error=self._refuse_other),
        }
        self._prior_query = query(latest_query.prior, on_result=self._receive_prior)
        # a reference may take long: it must not delay the next quick answer
        slow = pool or POOL
        self._reference_query = latest_query.LatestQuery(
            latest_query.reference, self._receive_reference, self._on_error, document=document, pool=slow
        )
        self.sources: dict[str, str] = {}
        self.info: ModelInfo | None = None
        self.other_info: ModelInfo | None = None
        self.draws = QUICK
        self.variables: tuple[int, ...] = ()  # on the axes of the pair plot
        self.windows: tuple[tuple[float, float], ...] = ()  # plotted ranges; empty: the problem's
        self.picture = ""
        self.answers: dict[str, Answer] = {}
        self.reference: tuple[Query, xr.Dataset, xr.Dataset | None] | None = None
        self.no_reference = ""  # the reason, where there is no reference
        self.prior: xr.Dataset | None = None
        self.refined: RefinementSummary | None = None
        self._refined_histogram: xr.Dataset | None = None
        self.truth: tuple[float, ...] = ()  # true parameters: of a row of the data, or the sliders'
        self.simulating = False  # the observation is simulated from `truth`
        self.within: tuple[tuple[int, float, float], ...] = ()  # variable, low, high of the brush
        self._timer: Any = None
        self._initial_observation: tuple[float, ...] = ()

    # ---- models
    def open(self, source: Path | str, observation: tuple[float, ...] = ()) -> None:
        """Open the model in a run's folder or an exported file; its `ModelInfo` arrives later."""
        self._answer_queries["model"].cancel()
        # before watchers hear of the closed second model: nothing of the last model is drawn again
        self.info, self.answers, self.error = None, {}, ""
        self.close_other()
        self.sources["model"], self._initial_observation = str(source), observation
        self._info_queries["model"].submit(str(source))

    def compare(self, source: Path | str) -> None:
        """Open a second model, in a run's folder or an exported file, to compare with the first."""
        self.sources["other"] = str(source)
        self._info_queries["other"].submit(str(source))

    def close_other(self) -> None:
        """Remove the second model from the comparison."""
        self.sources.pop("other", None)
        self._answer_queries["other"].cancel()
        self.answers.pop("other", None)
        self.other_info = None
        self.answer_count += 1

    def _receive_info(self, info: ModelInfo) -> None:
        self.info, self.answers, self.reference, self.no_reference = info, {}, None, ""
        self.prior, self.truth, self.simulating, self.within = None, (), False, ()
        self.variables, self.windows = tuple(range(min(4, len(info.x)))), ()
        self.picture = info.pictures[0] if info.pictures else ""
        first, self._initial_observation = self._initial_observation, ()
        if len(first) != len(info.y):
            first = info.default_observation
        # before watchers hear of the model: what they set then must not query the last one's observation
        self.observation = tuple(first)
        self.model_count += 1
        self.observe(first)
        self._prior_query.submit(self.sources["model"], self.query())

    def _receive_other(self, info: ModelInfo) -> None:
        ours = self.info
        if ours is None or [v.name for v in info.x + info.y] != [v.name for v in ours.x + ours.y]:
            error = SpecError(
                "The second model cannot be compared with the first",
                expected="the same variables x and y" + (f": {_names(ours)}" if ours else ""),
                found=_names(info),
            )
            return self._refuse_other(error)
        self.other_info = info
        self._submit()

    def _refuse_other(self, error: BaseException) -> None:
        self.sources.pop("other", None)
        self._on_error(error)

    # ---- the observation
    def observe(self, values: tuple[float, ...], truth: tuple[float, ...] = ()) -> None:
        """Query the posterior at this observation; ``truth`` are the parameters behind it, if known.

        Raises `DataError` for the wrong number of values or one that is not finite.
        """
        if self.info is None:  # a model is being opened
            return
        self.observation = checked_values(values, self.info.y, error=DataError)
        self.truth, self.simulating, self.within = tuple(truth), False, ()
        self._on_move()

    def move_truth(self, values: tuple[float, ...]) -> None:
        """Query the posterior at an observation that is simulated from these true parameters."""
        self.truth, self.simulating, self.within = tuple(float(v) for v in values), True, ()
        self._on_move()

    # ---- variables, draws and axes
    def choose_variables(self, variables: tuple[int, ...]) -> None:
        """Show the variables with these indices in the pair plot, at most `MAX_VARIABLES`."""
        if variables and variables != self.variables:
            self.variables = tuple(variables)[:MAX_VARIABLES]
            self._on_move(axes=True)

    def set_draws(self, draws: int) -> None:
        """Set how many posterior draws are requested once the user no longer moves the observation."""
        self.draws = int(draws)
        self._on_move()

    def show_picture(self, key: str) -> None:
        """Show the physical view with this key of `PHYSICAL`."""
        self.picture = key
        self._on_move()

    def fit_axes(self) -> None:
        """Set the plotted ranges to those of the current posterior; they stay fixed afterwards."""
        answer = self.answers.get("model")
        if answer is not None:
            self.windows = fit_windows(answer, self.info.window)
            self._on_move(axes=True)

    def whole_axes(self) -> None:
        """Reset the plotted ranges to the problem's, which are as wide as its prior."""
        self.windows = ()
        self._on_move(axes=True)

    def brush(self, within: tuple[tuple[int, float, float], ...]) -> None:
        """Use only draws inside (variable, low, high) bounds for the physical view and the resimulation."""
        self.within = tuple(within)
        self._submit(at_rest=True)
        if self.reference is not None and self.reference[2] is not None:
            self._reference_query.submit(
                self.sources["model"], self.query()
            )  # its physical view shows the draws inside

    def brush_mask(self) -> np.ndarray | None:
        """Return a boolean mask (n,) of the plotted draws inside the brush; None without a brush."""
        answer = self.answers.get("model")
        return (
            inside(answer.histogram["draw"].values, self.within)
            if self.within and answer is not None
            else None
        )

    # ---- queries
    def query(self, *, at_rest: bool = False, more: bool = False) -> Query:
        """Return the `Query` for the current observation, variables, plotted ranges and brush."""
        return Query(
            observation=() if self.simulating else self.observation,
            truth=self.truth if self.simulating else (),
            draws=self.draws if more else min(self.draws, QUICK),
            axes=self.variables,
            windows=self.windows,
            picture=self.picture,
            at_rest=at_rest,
            more=more,
            within=self.within,
        )

    def _on_move(self, *, axes: bool = False) -> None:
        if self.info is None:
            return
        self.error = ""
        self._submit()
        if axes:
            self._prior_query.submit(self.sources["model"], self.query())
        if self.document is not None:
            if self._timer is not None:
                self.document.remove_timeout_callback(self._timer)
            self._timer = self.document.add_timeout_callback(self._on_rest, REST)

    def _on_rest(self) -> None:
        self._timer = None
        self.rest()

    def rest(self) -> None:
        """Request all draws, the expensive views and the reference, once the observation rests."""
        self._submit(at_rest=True, more=True)
        if self.info is not None and "reference_posterior" in self.info.problem_capabilities:
            self._reference_query.submit(self.sources["model"], self.query())

    def _submit(self, *, at_rest: bool = False, more: bool = False) -> None:
        if self.info is None:
            return
        for name in ("model", "other"):
            if name == "model" or self.other_info is not None:
                self._answer_queries[name].submit(self.sources[name], self.query(at_rest=at_rest, more=more))

    def _receive_answer(self, name: str, answer: Answer) -> None:
        if name == "other" and self.other_info is None:
            return
        self.answers[name] = self._complete(answer, self.answers.get(name))
        if name == "model":
            if self.simulating:
                self.observation = answer.observation
            if self.reference is not None and not self._same(self.reference[0], answer):
                self.reference = None
        self.answer_count += 1
        if (
            answer.query.more
            and answer.histogram.attrs["total"] < self.draws
            and self._answer_queries[name].idle
        ):
            if answer.query.sampling_key() == self.query().sampling_key():
                self._answer_queries[name].submit(self.sources[name], self.query(at_rest=True, more=True))

    @staticmethod
    def _complete(new: Answer, old: Answer | None) -> Answer:
        """Return the answer ``new`` with the physical view and resimulation that it lacks taken from ``old``,
        if both have the same observation and brush."""
        if old is None or old.observation != new.observation or old.query.within != new.query.within:
            return new
        parts = {n: getattr(old, n) for n in ("picture", "resimulation") if getattr(new, n) is None}
        if old.query.picture != new.query.picture:
            parts.pop("picture", None)
        return replace(new, **parts)

    @staticmethod
    def _same(query: Query, answer: Answer) -> bool:
        return query.sampling_key() == answer.query.sampling_key()

    def _receive_reference(self, result: tuple[Query, xr.Dataset | str, xr.Dataset | None]) -> None:
        query, reference, _ = result
        if query.sampling_key() != self.query().sampling_key():
            return
        self.no_reference = reference if isinstance(reference, str) else ""
        self.reference = None if isinstance(reference, str) else result
        self.answer_count += 1

    def show_refined(self, refined: RefinementSummary | None) -> None:
        """Show a refined posterior beside the network's; None removes it."""
        if refined is not self.refined:
            self.refined, self._refined_histogram = refined, None
            self.answer_count += 1

    def _histogram_of_refined(self, answer: Answer) -> xr.Dataset | None:
        """Return the refined posterior's histogram with the variables and ranges of ``answer``'s; None
        without a refined posterior, or if it is for another observation."""
        if self.refined is None or self.refined.observation != answer.observation:
            return None
        windows = answer.query.windows or self.info.window
        if self._refined_histogram is None or not same_windows(self._refined_histogram, answer.histogram):
            self._refined_histogram = histogram(self.refined.draws, self.info.x, answer.query.axes, windows)
        return self._refined_histogram

    def _receive_prior(self, prior: xr.Dataset | None) -> None:
        self.prior = prior
        self.answer_count += 1

    # ---- data of the plots
    def histograms(self) -> dict[str, Any] | None:
        """Return a dict with the data of the pair plot and the marginals; None before the first answer.

        ``model``, ``other`` (second model), ``reference``, ``prior`` and ``refined`` are histogram Datasets;
        those that are missing, or have other variables or ranges than ``model``, are left out. ``truth`` has
        the true parameters of the plotted variables or None, ``within`` the mask of draws in the brush.
        """
        answer = self.answers.get("model")
        if answer is None:
            return None
        candidates = {
            "model": answer.histogram,
            "other": self.answers["other"].histogram if "other" in self.answers else None,
            "reference": self.reference[1] if self.reference else None,
            "prior": self.prior,
            "refined": self._histogram_of_refined(answer),
        }
        histograms = {
            name: data
            for name, data in candidates.items()
            if data is not None and same_windows(data, answer.histogram)
        }
        names = list(answer.histogram["variable"].values)
        axes = [names.index(name) for name in answer.histogram["shown"].values]
        truth = [self.truth[i] for i in axes] if self.truth else None
        return histograms | {"truth": truth, "within": self.brush_mask()}

    def pictures(self) -> dict[str, Any] | None:
        """Return the physical view's Datasets for ``model`` and ``other`` (second model), and the
        ``reference`` line; None if the problem has no physical view or no answer has arrived."""
        answer = self.answers.get("model")
        if answer is None or answer.picture is None:
            return None
        other = self.answers["other"].picture if "other" in self.answers else None
        reference = self.reference[1] if self.reference else {}
        return {
            "model": answer.picture if (both := self._picture_with_reference()) is None else both,
            "other": other,
            "reference": reference["reference_line"].values if "reference_line" in reference else None,
        }

    def _picture_with_reference(self) -> xr.Dataset | None:
        """Return the physical view that includes the reference; None if view or brush has changed."""
        query, _, picture = self.reference or (None, None, None)
        return picture if query and (query.picture, query.within) == (self.picture, self.within) else None

    def observation_plane(self) -> dict[str, Any] | None:
        """Return training data, observation and resimulations, the arguments of the plot of the plane of y
        (`plots.plane`); None before the first answer."""
        answer, info = self.answers.get("model"), self.info
        if answer is None or info is None:
            return None
        resimulations = {
            name: None if each.resimulation is None else each.resimulation["again"].values
            for name, each in self.answers.items()
        }
        axes = {"labels": [v.label for v in info.y], "windows": info.observation_window}
        return axes | {"data": info.rows, "observation": answer.observation} | resimulations

    def _on_error(self, error: BaseException) -> None:
        self.on_error(error)  # looked up at each error: the page replaces it

    def on_error(self, error: BaseException) -> None:
        """Store the error of a query as text; the page replaces this method by one that shows it."""
        self.error = str(error)

    def close(self) -> None:
        """Cancel all queries when the page is closed."""
        queries = (*self._answer_queries.values(), *self._info_queries.values())
        for query in (*queries, self._reference_query, self._prior_query):
            query.cancel()


def same_windows(histogram: xr.Dataset, other: xr.Dataset) -> bool:
    """Return True if two histograms have the same variables on their axes, with the same ranges."""
    same = list(histogram["shown"].values) == list(other["shown"].values)
    return same and list(histogram.attrs["windows"]) == list(other.attrs["windows"])


def fit_windows(answer: Answer, windows: Iterable[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """Return (low, high) to plot per variable: the central 99.6 % of an answer's draws, with a margin.

    ``windows`` has the current ranges; a variable whose draws are all equal keeps its own.
    """
    draws = answer.histogram["draw"].values
    result = []
    for column, old in zip(draws.T, windows, strict=True):
        low, high = np.quantile(column, [0.002, 0.998]) if len(column) else old
        room = 0.2 * (high - low)
        result.append((float(low - room), float(high + room)) if high > low else tuple(old))
    return tuple(result)


def _names(info: ModelInfo) -> str:
    return ", ".join(v.name for v in (*info.x, *info.y))[:200]
