"""Bench: what a cell of a study may use, so that work which was done once is not done again."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch
import xarray as xr

from workbench.core.errors import RunError
from workbench.studies.base import Cell
from workbench.studies.folder import StudyFolder, read, write
from workbench.training import Experiment, Run
from workbench.training.folder import write_whole

#: Seconds between two checkpoints of a run: what a killed study loses at most.
CHECKPOINT_SECONDS = 30.0


def clock(device: str) -> float:
    """Seconds from some point in time: of this process's processor time on a CPU, where other people's load
    must not count (with several threads that is more than what passes on the wall), and on the wall
    elsewhere."""
    if device.startswith("cpu"):
        return time.process_time()
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    return time.perf_counter()


class Bench:
    """Folder and device of a running study.

    Parameters
    ----------
    folder : where results, runs and shared parts are kept.
    device : auto, cpu, cuda, cuda:N or mps.
    say : is handed a line of text now and then.
    """

    def __init__(
        self, folder: StudyFolder, *, device: str = "auto", say: Callable[[str], None] = lambda text: None
    ) -> None:
        self.folder, self.device, self.say = folder, device, say
        self._memory: dict[str, xr.Dataset] = {}

    def train(self, cell: Cell, experiment: Experiment | None = None) -> Run:
        """The cell's run at its end: trained now, taken up where it was left, or read if it was done.

        Raises `NonFiniteError` where training breaks down for good.
        """
        experiment = experiment or cell.experiment
        if experiment is None:
            raise RunError(
                f"The cell '{cell.id}' has nothing to train", expected="an experiment", found="none"
            )
        run = self._opened(cell, experiment)
        last = told = time.monotonic()
        trained = run.iteration
        before, start = self.seconds(cell), clock(self.device)

        def save(state: str = "") -> None:
            run.save(state=state)
            write_whole(self._seconds(cell), str(before + clock(self.device) - start).encode())

        try:
            while not run.finished:
                run.step()
                now = time.monotonic()
                if now - last >= CHECKPOINT_SECONDS:
                    save("running")
                    last = now
                if now - told >= 10:
                    self.say(f"{cell.title}: step {run.iteration} of {run.experiment.steps}")
                    told = now
        finally:
            # finished, interrupted or broken down: the folder says what there is
            if run.iteration > trained or not self.folder.run(cell).has_checkpoint:
                save()
        return run

    def seconds(self, cell: Cell) -> float:
        """What the cell's training has cost so far on `clock`, over all times that it was taken up."""
        path = self._seconds(cell)
        return float(path.read_text()) if path.exists() else 0.0

    def _seconds(self, cell: Cell) -> Path:
        return self.folder.run(cell).path / "seconds.txt"

    def _opened(self, cell: Cell, experiment: Experiment) -> Run:
        folder = self.folder.run(cell)
        if folder.has_checkpoint and folder.experiment() == experiment:
            return Run.resume(folder, device=self.device)
        # attached after it is built: an experiment that is refused leaves no folder behind
        run = Run(experiment, device=self.device)
        run.attach(folder)
        folder.rewrite_history(run.history)
        self._seconds(cell).unlink(missing_ok=True)
        return run

    def kept(self, name: str, make: Callable[[], xr.Dataset]) -> xr.Dataset:
        """What the cells share, such as reference draws: made once, read afterwards."""
        if name not in self._memory:
            path = self.folder.kept(name)
            found = read(path)
            if found is None:
                found = make()
                write(found, path)
            self._memory[name] = found
        return self._memory[name]
