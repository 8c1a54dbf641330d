"""Asking: a network that lives in another process is asked for posteriors, by pages that never wait.

The functions below run in that process, which is kept. An `Asker` has at most one question under way: while
it is answered the newest wish replaces the older ones, so that no queue can grow and a slow network gets
fewer frames instead of late ones.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

from workbench.diagnostics.posterior_explorer import About, Answer, Ask
from workbench.ui.process_pool import ProcessPool

#: Quick questions have a process of their own, which no export or diagnosis keeps busy.
SAMPLER = ProcessPool(niceness=0)
#: Models that the process keeps open.
_OPEN = 4
#: A refinement may take minutes, and nothing else is to wait for it; so long at most, in seconds.
REFINER, LONGEST = ProcessPool(niceness=5), 600
_explorers: OrderedDict[tuple, Any] = OrderedDict()


class Asker:
    """Sends the newest wish to ``work(source, ask)`` and gives the answer to ``on_answer`` in the page's
    own thread.

    ``document`` is the page's; without one (tests, notebooks) the answer is given in whatever thread it
    comes in.
    """

    def __init__(
        self,
        work: Callable[..., Any],
        on_answer: Callable[[Any], None],
        on_error: Callable[[BaseException], None],
        *,
        document: Any = None,
        pool: ProcessPool | None = None,
    ) -> None:
        self._work, self._on_answer, self._on_error = work, on_answer, on_error
        self._document, self._errands = document, pool or SAMPLER
        self._wish: tuple | None = None
        self._busy, self.dropped, self._turn = False, 0, 0

    @property
    def idle(self) -> bool:
        """Nothing is under way and nothing is wished."""
        return not self._busy and self._wish is None

    def ask(self, *wish: Any) -> None:
        """Wish for ``work(*wish)``; returns at once."""
        self.dropped += self._wish is not None
        self._wish = wish
        if not self._busy:
            self._send()

    def forget(self) -> None:
        """Nothing that was asked is wanted any more."""
        self._wish, self._turn = None, self._turn + 1

    def _send(self) -> None:
        wish, self._wish, self._busy = self._wish, None, True
        self._errands.send(self._work, *wish).add_done_callback(partial(self._came, self._turn))

    def _came(self, turn: int, future: Future) -> None:
        """In the thread of the process's reader: nothing but the wake-up crosses over."""
        if self._document is None:
            return self._land(turn, future)
        try:
            self._document.add_next_tick_callback(partial(self._land, turn, future))
        except Exception:  # the page has gone in the meantime
            self._wish = None

    def _land(self, turn: int, future: Future) -> None:
        self._busy = False
        if self._wish is not None:
            self._send()  # the process goes on while this page draws
        if turn != self._turn:
            return
        error = future.exception()
        self._on_answer(future.result()) if error is None else self._on_error(error)


# ---- what is done in the other process
# -----------------------------------------------------------------------------
def about(source: str) -> About:
    """What the page needs to know of a model: a run's folder or an exported file."""
    return _explorer(source).about()


def answer(source: str, ask: Ask) -> Answer:
    """The posterior."""
    return _explorer(source).answer(ask)


def reference(source: str, ask: Ask) -> tuple[Ask, Any, Any]:
    """The reference posterior, and the physical view where it has its place in that picture; or the sentence
    why there is none at this observation."""
    from workbench.core.errors import WorkbenchError

    try:
        explorer = _explorer(source)
        return ask, explorer.reference(ask), explorer.beside(ask)
    except WorkbenchError as error:
        return ask, f"No reference posterior here: it needs {error.expected or error.asked}.", None


def refined(source: str, observation: tuple[float, ...], method: str, lease: str) -> Any:
    """The refined posterior at an observation. It goes on as long as the file ``lease`` is there and as
    a page can wait; then it ends with a `RunError`."""
    from workbench.core.errors import RunError

    end = time.monotonic() + LONGEST

    def alive() -> None:
        if not Path(lease).exists():
            raise RunError("The refinement was cancelled")
        if time.monotonic() > end:
            raise RunError(
                f"The refinement took longer than {LONGEST // 60} minutes",
                suggestion="refine from the command line, with smaller settings where need be",
            )

    alive()
    return _explorer(source).refined(observation, method, alive)


def prior(source: str, ask: Ask) -> Any:
    """The prior over the windows of an ask; None where it is not known."""
    return _explorer(source).prior(ask)


def verdict(
    source: str, key: str, budget: str = "fast", observation: tuple[float, ...] = ()
) -> dict[str, Any]:
    """One diagnostic of a model: title, summary, verdict, sentence and its single numbers. What is local
    looks at the observation."""
    from workbench.diagnostics import DIAGNOSTICS, diagnose
    from workbench.diagnostics.advice import advice

    explorer = _explorer(source)
    if explorer.problem is None:
        return {
            "key": key,
            "title": DIAGNOSTICS[key].title,
            "summary": DIAGNOSTICS[key].summary,
            "verdict": "not applicable",
            "sentence": explorer.seen.note,
            "advice": "",
            "numbers": {},
        }
    report = diagnose(explorer.fitted, explorer.problem, only=[key], budget=budget, observation=observation)
    found = report.summary()["diagnostics"][key]
    member = DIAGNOSTICS[key]
    return found | {
        "key": key,
        "title": member.title,
        "summary": getattr(member, "checked", "") or member.summary,
        "advice": advice(key, found["verdict"]),
    }


def _explorer(source: str) -> Any:
    """The explorer of a model, opened anew when its file has changed."""
    path = Path(source)
    inside = path / "checkpoint.pt" if path.is_dir() else path
    key = source, inside.stat().st_mtime_ns if inside.exists() else 0
    if key not in _explorers:
        _explorers[key] = _opened(path)
        while len(_explorers) > _OPEN:
            _explorers.popitem(last=False)
    _explorers.move_to_end(key)
    return _explorers[key]


def _opened(path: Path) -> Any:
    from workbench.diagnostics.posterior_explorer import Explorer

    fitted, problem, title = _file(path) if path.is_file() else _run(path)
    return Explorer(fitted, problem, title=title)


def _file(path: Path) -> tuple[Any, Any, str]:
    """An exported model; its problem is the one it names, where that can be made here."""
    from workbench.core.errors import WorkbenchError
    from workbench.export import load
    from workbench.training import Experiment

    fitted = load(path)
    try:
        experiment = Experiment.from_dict(fitted.manifest["experiment"])
    except WorkbenchError:
        return fitted, None, path.stem
    problem = None if experiment.problem.refusals() else experiment.problem
    return fitted, problem, experiment.title


def _run(path: Path) -> tuple[Any, Any, str]:
    from workbench.training import Run, RunFolder

    kept = RunFolder(path)
    run = Run(kept.experiment(), device="cpu")
    run.load_state_dict(kept.checkpoint())
    return run.fitted, run.problem, run.experiment.title
