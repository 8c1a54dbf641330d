"""Checkpoints of a training loop that is no `Run`: all that its next step depends on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.core.errors import RunError
from workbench.core.lazy import torch
from workbench.training.checkpoint_files import CheckpointFiles

if TYPE_CHECKING:
    from torch import Tensor

#: Seconds between two checkpoints of training in a study. With the step in progress and the time to write, a
#: killed study loses at most ten seconds of it.
CHECKPOINT_SECONDS = 8.0


class LoopCheckpoint:
    """State of a training loop in a folder, and the seconds that its training has taken so far.

    Parameters
    ----------
    folder : with the last two states, as of a run (`CheckpointFiles`); a damaged one counts as none.
    clock : function that returns seconds, of which the differences are summed.
    interval : seconds of wall time between two checkpoints.
    """

    def __init__(
        self,
        folder: Path,
        clock: Callable[[], float] = time.process_time,
        interval: float = CHECKPOINT_SECONDS,
    ) -> None:
        self.files, self.clock, self.interval = CheckpointFiles(folder), clock, interval
        self.seconds = 0.0
        self._start, self._last = clock(), time.monotonic()

    def load(
        self, settings: str, parts: Mapping[str, Any], generators: Sequence[torch.Generator]
    ) -> list[float]:
        """Restore the parts and generators, and return the estimates of all steps so far.

        ``parts`` have ``state_dict`` and ``load_state_dict``. Where there is no usable state, or one of other
        ``settings``, nothing is restored and the list is empty. The clock starts here.
        """
        self._start, self._last, self.seconds = self.clock(), time.monotonic(), 0.0
        state = self._read()
        if state is None or state["settings"] != settings or set(state["parts"]) != set(parts):
            return []
        for name, part in parts.items():
            part.load_state_dict(state["parts"][name])
        for generator, numbers in zip(generators, state["generators"], strict=True):
            generator.set_state(numbers)
        self.seconds = float(state["seconds"])
        estimates: Tensor = state["estimates"]
        return estimates.tolist()

    def _read(self) -> dict[str, Any] | None:
        for name in self.files.names():
            with suppress(RunError):  # missing or damaged
                return self.files.read(name)
        return None

    def save_when_due(
        self,
        settings: str,
        parts: Mapping[str, Any],
        generators: Sequence[torch.Generator],
        estimates: Sequence[float],
    ) -> None:
        """Write the state after a step, where the last checkpoint is older than the interval."""
        if time.monotonic() - self._last < self.interval:
            return
        self._count()
        self.files.write(
            {
                "settings": settings,
                "parts": {name: part.state_dict() for name, part in parts.items()},
                "generators": [generator.get_state() for generator in generators],
                "estimates": torch.tensor(estimates, dtype=torch.float64),
                "seconds": self.seconds,
            }
        )
        self._start, self._last = self.clock(), time.monotonic()  # writing is no training

    def finish(self) -> None:
        """Stop the clock at the end of training."""
        self._count()

    def _count(self) -> None:
        now = self.clock()
        self.seconds += now - self._start
        self._start = now
