"""History of a run: one frozen record for each step."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import overload

from workbench.core.entries import public
from workbench.core.errors import DataError
from workbench.core.numbers import whole_number

#: Prefix of the keys of validation metrics in ``Record.validation``, beside the parts of the loss.
MEASURED = "measured."


@dataclass(frozen=True)
class Record:
    """Losses of one optimiser step.

    ``parts`` holds ``loss`` (the weighted sum) and every unweighted part of the loss by name. ``validation``
    holds the same parts on held-out data, and validation metrics (``measured.`` before their key); it is
    empty at steps without validation. ``seconds`` is the training time so far.
    """

    iteration: int
    seconds: float
    learning_rate: float
    parts: dict[str, float]
    validation: dict[str, float] = field(default_factory=dict)

    @property
    def loss(self) -> float:
        """The training loss: the weighted sum of all parts. Raises `DataError` for a record without one."""
        if "loss" not in self.parts:
            raise DataError(
                f"The record of iteration {self.iteration} has no loss",
                expected="parts with 'loss'",
                found=", ".join(map(str, self.parts)) or "none",
            )
        return self.parts["loss"]

    @property
    def measured(self) -> dict[str, float]:
        """Divergences on held-out data at this step, by key; empty without a validation."""
        return {
            name.removeprefix(MEASURED): value
            for name, value in self.validation.items()
            if name.startswith(MEASURED)
        }

    def to_json(self) -> str:
        """Return the record as one line of JSON."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, line: str) -> Record:
        """Build a record from one line of JSON. Raises `DataError`, a `ValueError`, for a damaged line."""
        try:
            record = cls(**json.loads(line))
            values = (*record.parts.values(), *record.validation.values())
        except (ValueError, TypeError, RecursionError, AttributeError) as error:
            raise _damaged(str(error)[:80] or type(error).__name__) from error
        if type(record.iteration) is not int or not 0 <= record.iteration < 2**63:
            raise _damaged("no iteration")
        if "loss" not in record.parts:
            raise _damaged("no loss")
        if not all(map(_number, (record.seconds, record.learning_rate, *values))):
            raise _damaged("a value that is no number")
        return record


def _damaged(content: str) -> DataError:
    """Return the error for a line that is no record; ``content`` says what it holds."""
    return DataError(
        "A line of the history is damaged",
        expected="a record in JSON with its iteration, its loss and numbers",
        found=content,
    )


def _number(value: object) -> bool:
    return isinstance(value, float) or (type(value) is int and abs(value) < 2**63)


class History:
    """A sequence of records in the order of their iterations."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._records = list(records)

    def append(self, record: Record) -> None:
        """Add the record of the next iteration."""
        self._records.append(record)

    @public
    def since(self, iteration: int) -> tuple[Record, ...]:
        """Return the records after this iteration."""
        low, high = 0, len(self._records)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self._records[middle].iteration <= iteration else (low, middle)
        return tuple(self._records[low:])

    def columns(self) -> dict[str, list[float]]:
        """Return iterations and all parts of the training loss by name, as lists of the same length."""
        names = list(self._records[-1].parts) if self._records else []
        return {
            "iteration": [r.iteration for r in self._records],
            **{n: [r.parts.get(n, float("nan")) for r in self._records] for n in names},
        }

    def measured(self) -> dict[str, tuple[list[int], list[float]]]:
        """Return each measured divergence by key: iterations and values, as lists of the same length."""
        curves: dict[str, tuple[list[int], list[float]]] = {}
        for record in self._records:
            for key, value in record.measured.items():
                iterations, values = curves.setdefault(key, ([], []))
                iterations.append(record.iteration)
                values.append(value)
        return curves

    @public
    def steps_per_second(self, window: int = 100) -> float:
        """Return the training speed over the last ``window`` steps; 0 without two records."""
        window = whole_number(window, "number of steps")
        if len(self) < 2:
            return 0.0
        first, last = self[max(0, len(self) - window)], self[-1]
        return (last.iteration - first.iteration) / max(last.seconds - first.seconds, 1e-9)

    @public
    def truncated(self, iteration: int) -> History:
        """Return the history up to and including this iteration."""
        return History(r for r in self._records if r.iteration <= iteration)

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records)

    @overload
    def __getitem__(self, index: int) -> Record: ...

    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...

    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        return self._records[index]
