"""A run in the caller's own thread, for notebooks, scripts and tests: nothing happens behind one's back."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.backends.base import Backend, Handle, prepare
from workbench.backends.operator import Operator
from workbench.training import Run, RunFolder

if TYPE_CHECKING:
    from workbench.training import Experiment


class InlineHandle(Handle):
    """A handle whose run moves only inside `run`, `step`, `advance` and the ``wait`` methods."""

    def __init__(self, experiment: Experiment, folder: RunFolder, make, *, eager: bool) -> None:
        super().__init__(experiment, folder.path)
        self._eager, self._inside = eager, False
        self._operator = Operator(make, folder, patience=0.0)  # whoever asks here waits for it anyway
        self._look()

    def advance(self, n: int = 1) -> int:
        """Train at most ``n`` steps of what `run` or `step` has left to do; returns how many were trained."""
        done = 0
        while done < n and self._operator.training:
            self._operator.turn()
            self._operator.keep()
            done += 1
            self._look()
        return done

    @property
    def training_run(self) -> Run | None:
        """The Run itself, for what goes beyond a handle; None where it could not be built."""
        return self._operator.run

    def _command(self, name: str, *arguments: Any) -> None:
        self._operator.apply(name, *arguments)
        self._acknowledge(self._sent)
        self._look()
        # a callback of a step may pause, set or look: only the outermost command trains
        if self._eager and not self._inside:
            self._inside = True
            try:
                while self._operator.training:
                    self.advance(1)
            except BaseException:  # Ctrl-C, or the notebook's stop button
                self._operator.interrupt()
                self._look()
                raise
            finally:
                self._inside = False

    def _look(self) -> None:
        self._publish_status(self._operator.status)
        if not self._operator.owes:
            return
        snapshot = self._operator.answer()
        if snapshot is not None:
            self._publish_snapshot(snapshot)
        elif not self._operator.owes:
            self._return_credit()
            self._publish_status(self._operator.status)

    def _give_time(self, seconds: float) -> None:
        if not self.advance(1):
            time.sleep(seconds)


class InlineBackend(Backend):
    """Synchronous: `Handle.run` and `Handle.step` train before they return.

    With ``eager=False`` they only say how far to go, and `InlineHandle.advance` (from a loop, a timer or a
    notebook's widget) or `Handle.wait` does the training.
    """

    def __init__(self, *, eager: bool = True) -> None:
        self._eager = eager

    def start(
        self,
        experiment: Experiment | None = None,
        *,
        folder: Path | str | None = None,
        device: str = "auto",
        resume: bool = False,
    ) -> InlineHandle:
        experiment, run_folder = prepare(experiment, folder, resume=resume)

        def make() -> Run:
            if resume:
                return Run.resume(run_folder.path, device=device)
            return Run(experiment, device=device, folder=run_folder.path)

        return InlineHandle(experiment, run_folder, make, eager=self._eager)

    def close(self) -> None:
        """Nothing is kept."""
