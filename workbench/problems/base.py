"""What a problem is: where ``x`` and ``y`` come from, and what is known exactly about them.

Public methods check that the capability is declared and that shapes are right, then call the hook of the
same name with an underscore. A member writes hooks; nothing public is overridden.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from workbench.core.capability import Capability
from workbench.core.catalogue import Catalogue
from workbench.core.errors import DataError, IncompatibleError, WorkbenchError
from workbench.core.shapes import Shapes
from workbench.core.spec import Spec
from workbench.core.variable import Variable, named

Window = tuple[tuple[float, float], ...]

PROBLEMS = Catalogue("problems", "problem")


@dataclass(frozen=True)
class Samples:
    """Pairs drawn from a problem, in data units, float64: ``x`` (n, D) and ``y`` (n, M), M = 0 if none."""

    x: Tensor
    y: Tensor

    def __len__(self) -> int:
        return len(self.x)


class Problem(Spec):
    """Base of every problem. A member gives ``x``, ``y``, ``window``, ``capabilities`` and hooks."""

    @classmethod
    def from_values(cls, values: dict[str, Any], folder: Path | str | None = None) -> Problem:
        """From JSON-ready settings; ``folder`` is a run folder that `save_data` has written to."""
        problem = super().from_values(values)
        if folder is not None:
            problem.load_data(Path(folder))
        return problem

    @classmethod
    def unavailable(cls) -> str:
        """Why this problem cannot be picked in a form at all; empty when it can."""
        return ""

    def refusals(self) -> list[str]:
        """Why this problem cannot be used with these settings, one sentence each; empty when it can."""
        return []

    def save_data(self, folder: Path) -> None:
        """Write data that the settings do not hold into ``folder/data``. Most problems have none."""

    def load_data(self, folder: Path) -> None:
        """Read back what `save_data` wrote."""

    @property
    def x(self) -> tuple[Variable, ...]:
        """The D unknowns."""
        raise NotImplementedError

    @property
    def y(self) -> tuple[Variable, ...]:
        """The M observed quantities; empty where there is only a density."""
        return ()

    @property
    def shapes(self) -> Shapes:
        """D and M."""
        return Shapes(len(self.x), len(self.y))

    @property
    def capabilities(self) -> frozenset[str]:
        """What this problem gives with its present settings, words of `workbench.core.capability`."""
        raise NotImplementedError

    @property
    def window(self) -> Window:
        """(low, high) a variable of ``x``, in its unit: the axes of plots, with 95 % of its draws or more."""
        raise NotImplementedError

    @property
    def observation_window(self) -> Window:
        """(low, high) a variable of ``y``, in its unit."""
        return ()

    @property
    def default_observation(self) -> tuple[float, ...]:
        """An observation (M,) worth looking at first."""
        return ()

    def draw(self, n: int, generator: torch.Generator) -> Samples:
        """``n`` independent pairs, float64 on the CPU, from ``generator`` alone.

        A problem made of rows gives at most all of them, shuffled, each once. Raises `DataError` with the
        first of `refusals` where the problem is not ready.
        """
        if isinstance(n, bool) or not isinstance(n, Integral) or n < 1:
            raise DataError(
                f"Cannot draw {n!r} samples of '{self.key}'", expected="a whole number of at least 1"
            )
        self._ready()
        x, y = self._draw(int(n), generator)
        return Samples(x, x.new_zeros(len(x), 0) if y is None else y)

    def prior(self, n: int, generator: torch.Generator) -> Tensor:
        """``n`` independent draws of x alone (n, D), float64 on the CPU; nothing is simulated where the
        problem knows how to do without."""
        self._ready()
        return self._prior(n, generator)

    # A problem that tells signal and noise apart also has ``signals(x) -> (n, …)``, without noise, and
    # ``recorded(signals, generator) -> y``, so that training can draw the noise anew in every batch; where
    # many signals are cheaper together, ``signal_draws(n, generator) -> (x, signals)`` from the prior.

    @property
    def phase_free(self) -> int:
        """C where y is made of vectors of C complex numbers (real and imaginary part in turn) whose common
        phase says nothing of x; 0 elsewhere. Such a y is standardised by one scale for each vector, without a
        shift, so that turning a vector by a phase is the same after it."""
        return 0

    def log_density(self, x: Tensor) -> Tensor:
        """Normalised log p(x) in nats: (n, D) -> (n,), dtype of ``x``, differentiable; -inf off support."""
        self._require(Capability.LOG_DENSITY)
        return self._log_density(self._points(x, "x", len(self.x)))

    def log_joint(self, x: Tensor, y: Tensor) -> Tensor:
        """Normalised log p(x, y) in nats: (n, D), (n, M) -> (n,), dtype of ``x``, differentiable in it."""
        self._require(Capability.LOG_JOINT)
        x = self._points(x, "x", len(self.x))
        return self._log_joint(x, self._points(y, "y", len(self.y)).to(x))

    def simulate(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """One observation for each ``x``: (n, D) -> (n, M); noise comes from ``generator``."""
        self._require(Capability.SIMULATE)
        return self._simulate(self._points(x, "x", len(self.x)), generator)

    def reference_posterior(self, observation: Any, n: int, generator: torch.Generator) -> Tensor:
        """``n`` independent draws (n, D), float64, of the exact p(x | y = observation), observation (M,)."""
        self._require(Capability.REFERENCE_POSTERIOR)
        if isinstance(n, bool) or not isinstance(n, Integral) or n < 1:
            raise DataError(
                f"Cannot draw {n!r} samples of the posterior", expected="a whole number of at least 1"
            )
        return self._reference_posterior(self.checked_observation(observation), int(n), generator)

    def checked_observation(self, observation: Any) -> Tensor:
        """``observation`` as a finite float64 tensor (M,), or `DataError`."""
        try:
            value = torch.as_tensor(observation, dtype=torch.float64, device="cpu").detach()
        except (TypeError, ValueError, RuntimeError) as error:
            raise DataError("The observation is not made of numbers", found=repr(observation)[:80]) from error
        if value.shape != (len(self.y),):
            raise DataError(
                f"The observation does not fit '{self.key}'",
                found=f"shape {tuple(value.shape)}",
                expected=f"{len(self.y)} numbers ({named(self.y)})",
            )
        if not value.isfinite().all():
            first = int((~value.isfinite()).nonzero()[0])
            raise DataError(
                "The observation is not finite",
                expected=f"a number for {self.y[first].name}",
                found=str(value[first].item()),
            )
        return value

    # hooks --------------------------------------------------------------------------------------------
    def _prior(self, n: int, generator: torch.Generator) -> Tensor:
        if type(self)._draw is Problem._draw:
            raise NotImplementedError
        return self._draw(n, generator)[0]

    def _draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """A member with a simulator gives `_prior` in place of this."""
        x = self._prior(n, generator)
        return x, self._simulate(x, generator)

    def _log_density(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def _log_joint(self, x: Tensor, y: Tensor) -> Tensor:
        raise NotImplementedError

    def _simulate(self, x: Tensor, generator: torch.Generator) -> Tensor:
        raise NotImplementedError

    def _reference_posterior(self, observation: Tensor, n: int, generator: torch.Generator) -> Tensor:
        raise NotImplementedError

    # checks -------------------------------------------------------------------------------------------
    def _ready(self) -> None:
        reasons = self.refusals()
        if reasons:
            raise DataError(reasons[0])

    def _require(self, wanted: str) -> None:
        self._ready()
        if wanted not in self.capabilities:
            raise IncompatibleError(
                f"This needs a problem that {Capability(wanted).sentence}",
                found=f"'{self.key}', which gives {', '.join(sorted(self.capabilities)) or 'samples only'}",
            )

    def _points(self, values: Tensor, name: str, columns: int) -> Tensor:
        if not isinstance(values, Tensor) or values.ndim != 2 or values.shape[1] != columns:
            found = f"shape {tuple(values.shape)}" if isinstance(values, Tensor) else type(values).__name__
            raise DataError(
                f"{name} does not fit '{self.key}'", expected=f"a tensor (n, {columns})", found=found
            )
        return values if values.is_floating_point() else values.to(torch.float64)


def first_sentence(error: WorkbenchError) -> str:
    """A whole error as one line for `Problem.refusals`."""
    return " ".join(str(error).split())
