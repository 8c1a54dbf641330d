"""Queries to a trained model in another process, of which only the latest is kept.

A `LatestQuery` has at most one query in progress. While it runs, a new one replaces the one that waits, so
that no queue can grow and a slow network gives fewer frames instead of late ones. The functions below run in
the other process, which keeps the models it has loaded.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.diagnostics.posterior_explorer import Answer, ModelInfo, Query
from workbench.ui.process_pool import ProcessPool

if TYPE_CHECKING:
    import xarray as xr
    from bokeh.document import Document

    from workbench.diagnostics.posterior_explorer import PosteriorExplorer
    from workbench.diagnostics.posterior_explorer.refinement_summary import RefinementSummary
    from workbench.inference import FittedModel
    from workbench.problems import Problem

#: Process for quick queries, separate so that no export and no diagnostic delays them.
SAMPLER = ProcessPool(niceness=0)
#: Largest number of models that a process keeps in memory.
MAX_MODELS = 4
#: Process for refinements, which may take minutes, and the seconds after which one is stopped.
REFINER, TIME_LIMIT = ProcessPool(niceness=5), 600
_explorers: OrderedDict[tuple[str, int], PosteriorExplorer] = OrderedDict()


class LatestQuery:
    """Call ``work`` in another process, with the latest arguments only, and report the outcome.

    ``on_result`` or ``on_error`` is called on the event loop of ``document``, the page's Bokeh document;
    without one (tests, notebooks) it is called in the thread in which the result arrives.
    """

    def __init__(
        self,
        work: Callable[..., Any],
        on_result: Callable[[Any], None],
        on_error: Callable[[BaseException], None],
        *,
        document: Document | None = None,
        pool: ProcessPool | None = None,
    ) -> None:
        self._work, self._on_result, self._on_error = work, on_result, on_error
        self._document, self._pool = document, pool or SAMPLER
        self._waiting: tuple[Any, ...] | None = None  # the arguments of the next query
        self._busy, self._generation = False, 0
        self.replacements = 0  # queries that were replaced before they were sent

    @property
    def idle(self) -> bool:
        """True if no query is in progress or waiting."""
        return not self._busy and self._waiting is None

    def submit(self, *arguments: Any) -> None:
        """Request ``work(*arguments)``, in place of a request that still waits, and return at once."""
        self.replacements += self._waiting is not None
        self._waiting = arguments
        if not self._busy:
            self._send()

    def cancel(self) -> None:
        """Discard the waiting query and ignore the result of the one in progress."""
        self._waiting, self._generation = None, self._generation + 1

    def _send(self) -> None:
        arguments, self._waiting, self._busy = self._waiting, None, True
        future = self._pool.submit(self._work, *arguments)
        future.add_done_callback(partial(self._on_done, self._generation))

    def _on_done(self, generation: int, future: Future) -> None:
        """Schedule the callback on the page's event loop; runs in a thread of the pool."""
        if self._document is None:
            return self._deliver(generation, future)
        try:
            self._document.add_next_tick_callback(partial(self._deliver, generation, future))
        except Exception:  # the page was closed in the meantime
            self._waiting = None

    def _deliver(self, generation: int, future: Future) -> None:
        self._busy = False
        if self._waiting is not None:
            self._send()  # the process works on while this page draws
        if generation != self._generation:
            return
        error = future.exception()
        self._on_result(future.result()) if error is None else self._on_error(error)


# ---- functions that run in the other process
# -----------------------------------------------------------------------------
def model_info(source: str) -> ModelInfo:
    """Return the `ModelInfo` of a trained model; ``source`` is a run's folder or an exported file."""
    return _explorer(source).about()


def answer(source: str, query: Query) -> Answer:
    """Return the `Answer` to a query: the posterior's histogram, physical view and resimulation."""
    return _explorer(source).answer(query)


def reference(source: str, query: Query) -> tuple[Query, xr.Dataset | str, xr.Dataset | None]:
    """Return ``query`` itself, the reference posterior's histogram at its observation, and the physical view
    that includes the reference (None if there is no such view).

    Where the observation has no reference posterior, the second item is a sentence with the reason.
    """
    from workbench.core.errors import WorkbenchError

    try:
        explorer = _explorer(source)
        return query, explorer.reference(query), explorer.view_with_reference(query)
    except WorkbenchError as error:
        return query, f"No reference posterior here: it needs {error.expected or error.asked}.", None


def refine(source: str, observation: tuple[float, ...], method: str, lease: str) -> RefinementSummary:
    """Refine the network's posterior at an observation; ``method`` is a key of `REFINEMENT`.

    Removing the file ``lease`` cancels the work. Raises `RunError` then, and after `TIME_LIMIT` seconds.
    """
    from workbench.core.errors import RunError

    end = time.monotonic() + TIME_LIMIT

    def check_lease() -> None:
        if not Path(lease).exists():
            raise RunError("The refinement was cancelled")
        if time.monotonic() > end:
            raise RunError(
                f"The refinement took longer than {TIME_LIMIT // 60} minutes",
                suggestion="refine from the command line, with smaller settings where need be",
            )

    check_lease()
    return _explorer(source).refine(observation, method, check_lease)


def prior(source: str, query: Query) -> xr.Dataset | None:
    """Return the prior's histogram on a query's variables and plotted ranges; None for an unknown prior."""
    return _explorer(source).prior(query)


def check(source: str, key: str, budget: str = "fast", observation: tuple[float, ...] = ()) -> dict[str, Any]:
    """Run the diagnostic ``key`` on a model; return its title, summary, verdict, sentence, advice and
    numbers.

    ``budget`` is one of `BUDGETS`; ``observation`` is used by diagnostics that are local to an observation.
    """
    from workbench.diagnostics import DIAGNOSTICS, diagnose
    from workbench.diagnostics.advice import advice

    explorer = _explorer(source)
    if explorer.problem is None:
        return {
            "key": key,
            "title": DIAGNOSTICS[key].title,
            "summary": DIAGNOSTICS[key].summary,
            "verdict": "not applicable",
            "sentence": explorer.training.note,
            "advice": "",
            "numbers": {},
        }
    report = diagnose(explorer.fitted, explorer.problem, only=[key], budget=budget, observation=observation)
    result = report.summary()["diagnostics"][key]
    member = DIAGNOSTICS[key]
    return result | {
        "key": key,
        "title": member.title,
        "summary": getattr(member, "purpose", "") or member.summary,
        "advice": advice(key, result["verdict"]),
    }


def _explorer(source: str) -> PosteriorExplorer:
    """Return the cached `PosteriorExplorer` of a model, loaded anew if its file has changed."""
    path = Path(source)
    file = path / "checkpoint.pt" if path.is_dir() else path
    key = source, file.stat().st_mtime_ns if file.exists() else 0
    if key not in _explorers:
        _explorers[key] = _open(path)
        while len(_explorers) > MAX_MODELS:
            _explorers.popitem(last=False)
    _explorers.move_to_end(key)
    return _explorers[key]


def _open(path: Path) -> PosteriorExplorer:
    from workbench.diagnostics.posterior_explorer import PosteriorExplorer

    model, problem, title = _open_file(path) if path.is_file() else _open_run(path)
    return PosteriorExplorer(model, problem, title=title)


def _open_file(path: Path) -> tuple[FittedModel, Problem | None, str]:
    """Return an exported model, its problem (None if that cannot be built here), and its title."""
    from workbench.core.errors import WorkbenchError
    from workbench.export import load
    from workbench.training import Experiment

    model = load(path)
    try:
        experiment = Experiment.from_dict(model.manifest["experiment"])
    except WorkbenchError:
        return model, None, path.stem
    problem = None if experiment.problem.refusals() else experiment.problem
    return model, problem, experiment.title


def _open_run(path: Path) -> tuple[FittedModel, Problem, str]:
    from workbench.training import RunFolder

    run = RunFolder(path).open(device="cpu")
    return run.fitted, run.problem, run.experiment.title
