"""What has happened: one frozen record a step."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field

#: What stands before a divergence's key in ``Record.validation`` where it was only measured.
MEASURED = "measured."


@dataclass(frozen=True)
class Record:
    """One optimiser step.

    ``parts`` holds ``loss`` (the weighted sum) and every unweighted part by name; ``validation`` the same on
    held-out data at the steps where it was computed, with the divergences that are only measured
    (``measured.`` before their key), otherwise it is empty. ``seconds`` is training time so far.
    """

    iteration: int
    seconds: float
    learning_rate: float
    parts: dict[str, float]
    validation: dict[str, float] = field(default_factory=dict)

    @property
    def loss(self) -> float:
        return self.parts["loss"]

    @property
    def measured(self) -> dict[str, float]:
        """The divergences that were measured on held-out data at this step, by key; mostly empty."""
        return {
            name.removeprefix(MEASURED): value
            for name, value in self.validation.items()
            if name.startswith(MEASURED)
        }

    def to_json(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, line: str) -> Record:
        return cls(**json.loads(line))


class History:
    """Records in the order of their iterations."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._records = list(records)

    def append(self, record: Record) -> None:
        self._records.append(record)

    def since(self, iteration: int) -> tuple[Record, ...]:
        """The records after this iteration."""
        low, high = 0, len(self._records)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self._records[middle].iteration <= iteration else (low, middle)
        return tuple(self._records[low:])

    def columns(self) -> dict[str, list[float]]:
        """Iterations, and each training part, as equally long lists."""
        names = list(self._records[-1].parts) if self._records else []
        return {
            "iteration": [r.iteration for r in self._records],
            **{n: [r.parts.get(n, float("nan")) for r in self._records] for n in names},
        }

    def measured(self) -> dict[str, tuple[list[int], list[float]]]:
        """Each divergence that was measured, by key: iterations and values, as equally long lists."""
        found: dict[str, tuple[list[int], list[float]]] = {}
        for record in self._records:
            for key, value in record.measured.items():
                iterations, values = found.setdefault(key, ([], []))
                iterations.append(record.iteration)
                values.append(value)
        return found

    def truncated(self, iteration: int) -> History:
        """Only what happened up to and including this iteration."""
        return History(r for r in self._records if r.iteration <= iteration)

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records)

    def __getitem__(self, index):
        return self._records[index]
