"""Checkpoint of a training loop that is no `Run`: all that its next step depends on, in one file."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.core.lazy import torch
from workbench.training.whole_files import write_whole

if TYPE_CHECKING:
    from torch import Tensor

#: Seconds between two checkpoints: a killed loop loses at most these, the step in progress and the writing.
CHECKPOINT_SECONDS = 8.0


class LoopCheckpoint:
    """File with the state of a training loop, and the seconds that its training has taken so far.

    Parameters
    ----------
    path : of the file. It starts with a digest of the rest: a damaged file counts as none.
    clock : function that returns seconds, of which the differences are summed.
    interval : seconds of wall time between two checkpoints.
    """

    def __init__(
        self,
        path: Path,
        clock: Callable[[], float] = time.process_time,
        interval: float = CHECKPOINT_SECONDS,
    ) -> None:
        self.path, self.clock, self.interval = path, clock, interval
        self.seconds = 0.0
        self._start, self._last = clock(), time.monotonic()

    def load(
        self, settings: str, parts: Mapping[str, Any], generators: Sequence[torch.Generator]
    ) -> list[float]:
        """Restore the parts and generators, and return the estimates of all steps so far.

        ``parts`` have ``state_dict`` and ``load_state_dict``. Where there is no usable file, or one of other
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
        try:
            content = self.path.read_bytes()
            digest, data = content[:32], content[32:]
            if hashlib.sha256(data).digest() != digest:
                return None
            state: dict[str, Any] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
            return state
        except Exception:  # whatever a file of another kind makes torch raise
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
        buffer = io.BytesIO()
        torch.save(
            {
                "settings": settings,
                "parts": {name: part.state_dict() for name, part in parts.items()},
                "generators": [generator.get_state() for generator in generators],
                "estimates": torch.tensor(estimates, dtype=torch.float64),
                "seconds": self.seconds,
            },
            buffer,
        )
        data = buffer.getvalue()
        write_whole(self.path, hashlib.sha256(data).digest() + data)
        self._start, self._last = self.clock(), time.monotonic()  # writing is no training

    def finish(self) -> None:
        """Stop the clock at the end of training."""
        self._count()

    def _count(self) -> None:
        now = self.clock()
        self.seconds += now - self._start
        self._start = now
