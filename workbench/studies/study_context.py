"""The `StudyContext` that a study's ``measure`` receives: training, resuming, and results that cells
share."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.core.errors import RunError
from workbench.core.lazy import torch
from workbench.studies.base import Cell
from workbench.studies.folder import StudyFolder, read, write
from workbench.studies.loop_checkpoint import CHECKPOINT_SECONDS, LoopCheckpoint

if TYPE_CHECKING:
    import xarray as xr

    from workbench.training import Experiment, Run


def clock(device: str) -> float:
    """Seconds since an arbitrary moment: processor time of this process on a CPU, wall time elsewhere.

    Processor time leaves out the load of other programs; with several threads it is more than wall time.
    """
    if device.startswith("cpu"):
        return time.process_time()
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    return time.perf_counter()


class StudyContext:
    """Folder and device of a running study, with training and caching for its cells.

    Parameters
    ----------
    folder : where results, runs and cached Datasets are stored.
    device : auto, cpu, cuda, cuda:N or mps.
    say : called with progress messages.
    """

    def __init__(
        self, folder: StudyFolder, *, device: str = "auto", say: Callable[[str], None] = lambda text: None
    ) -> None:
        self.folder, self.device, self.say = folder, device, say
        self._memory: dict[str, xr.Dataset] = {}

    def train(self, cell: Cell, experiment: Experiment | None = None) -> Run:
        """Return the finished run of a cell: trained now, resumed from its latest checkpoint, or read from
        its folder.

        ``experiment`` replaces the cell's own. Raises `RunError` where there is none, and `NonFiniteError`
        where training diverges even after rolling back.
        """
        from workbench.training.folder import write_whole

        experiment = experiment or cell.experiment
        if experiment is None:
            raise RunError(
                f"The cell '{cell.id}' has nothing to train", expected="an experiment", found="none"
            )
        run = self._open_run(cell, experiment)
        first_iteration = run.iteration
        before, start = self.seconds(cell), clock(self.device)
        last_save = last_report = time.monotonic()

        def save(state: str = "") -> None:
            nonlocal before, start, last_save
            before += clock(self.device) - start
            run.save(state=state)
            write_whole(self._seconds_file(cell), str(before).encode())
            start, last_save = clock(self.device), time.monotonic()  # writing is no training

        is_new = not self.folder.run(cell).has_checkpoint
        if is_new:
            run.save(state="running")
        try:
            while not run.finished:
                run.step()
                now = time.monotonic()
                if now - last_save >= CHECKPOINT_SECONDS:
                    save("running")
                if now - last_report >= 10:
                    self.say(f"{cell.title}: step {run.iteration} of {run.experiment.steps}")
                    last_report = now
        finally:
            # finished, interrupted or broken down: the folder holds the state as it is
            if is_new or run.iteration > first_iteration:
                save()
        return run

    def seconds(self, cell: Cell) -> float:
        """Seconds of `clock` that the training of a cell has taken, over all sessions."""
        path = self._seconds_file(cell)
        return float(path.read_text()) if path.exists() else 0.0

    def _seconds_file(self, cell: Cell) -> Path:
        return self.folder.run(cell).path / "seconds.txt"

    def _open_run(self, cell: Cell, experiment: Experiment) -> Run:
        """Resume the run stored for this cell where its experiment is the same; otherwise start a new one
        in its folder."""
        from workbench.training import Run

        folder = self.folder.run(cell)
        if folder.has_checkpoint and folder.experiment() == experiment:
            return Run.resume(folder, device=self.device)
        # attached after it is built: an experiment that is refused leaves no folder behind
        run = Run(experiment, device=self.device)
        run.attach(folder, overwrite=True)
        folder.rewrite_history(run.history)
        self._seconds_file(cell).unlink(missing_ok=True)
        return run

    def checkpoint(self, cell: Cell) -> LoopCheckpoint:
        """Return the checkpoint of a cell's training loop, for training that is no run."""
        return LoopCheckpoint(self.folder.loop(cell))

    def cached(self, name: str, compute: Callable[[], xr.Dataset]) -> xr.Dataset:
        """Return a Dataset that several cells use, such as reference draws: computed once, then read."""
        if name not in self._memory:
            path = self.folder.cached(name)
            data = read(path)
            if data is None:
                data = compute()
                write(data, path)
            self._memory[name] = data
        return self._memory[name]

    #: Earlier name of `cached`, for studies of third parties.
    kept = cached


#: Earlier name of the class.
Bench = StudyContext
