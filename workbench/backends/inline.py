"""Runs in the caller's own thread, for notebooks, scripts and tests: nothing happens in the background."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.backends.base import Backend, Handle, prepare
from workbench.backends.operator import Operator
from workbench.core.entries import public

if TYPE_CHECKING:
    from workbench.training import Experiment, Run, RunFolder


class InlineHandle(Handle):
    """A handle whose run proceeds only inside `run`, `step`, `advance` and the ``wait`` methods."""

    def __init__(
        self, experiment: Experiment, folder: RunFolder, make: Callable[[], Run], *, eager: bool
    ) -> None:
        super().__init__(experiment, folder.path)
        self._eager, self._inside = eager, False
        self._operator = Operator(make, folder, patience=0.0)  # the caller waits for it anyway
        self._publish()

    def advance(self, n: int = 1) -> int:
        """Do at most ``n`` of the steps that `run` or `step` asked for; returns the number done."""
        steps = 0
        while steps < n and self._operator.training:
            self._operator.train_step()
            self._operator.maintain()
            steps += 1
            self._publish()
        return steps

    @property
    def training_run(self) -> Run | None:
        """The `Run` object itself, for what a handle does not offer; None where it could not be built."""
        return self._operator.run

    def _command(self, name: str, *arguments: Any) -> None:
        self._operator.apply(name, *arguments)
        self._acknowledge(self._sent)
        self._publish()
        # a callback of a step may send commands of its own: only the outermost one trains
        if self._eager and not self._inside:
            self._inside = True
            try:
                while self._operator.training:
                    self.advance(1)
            except BaseException:  # Ctrl-C, or the notebook's stop button
                self._operator.interrupt()
                self._publish()
                raise
            finally:
                self._inside = False

    def _publish(self) -> None:
        self._publish_status(self._operator.status)
        if not self._operator.snapshot_due:
            return
        snapshot = self._operator.take_snapshot()
        if snapshot is not None:
            self._publish_snapshot(snapshot)
        elif not self._operator.snapshot_due:
            self._return_credit()
            self._publish_status(self._operator.status)

    def _give_time(self, seconds: float) -> None:
        if not self.advance(1):
            time.sleep(seconds)


class InlineBackend(Backend):
    """Synchronous execution: `Handle.run` and `Handle.step` train before they return.

    With ``eager=False`` they only set the number of steps, and `InlineHandle.advance` (from a loop, a timer
    or a notebook's widget) or `Handle.wait` does the training.
    """

    def __init__(self, *, eager: bool = True) -> None:
        self._eager = eager

    @public
    def start(
        self,
        experiment: Experiment | None = None,
        *,
        folder: Path | str | None = None,
        device: str = "auto",
        resume: bool = False,
    ) -> InlineHandle:
        own_experiment, run_folder = prepare(experiment, folder, resume=resume)

        def make() -> Run:
            from workbench.training import Run

            if resume and run_folder.has_checkpoint:
                return Run.resume(run_folder, device=device)
            return Run(own_experiment, device=device, folder=run_folder)

        return InlineHandle(own_experiment, run_folder, make, eager=self._eager)

    def close(self) -> None:
        """Do nothing: inline runs train only while their handle is called, and hold no other resources."""
