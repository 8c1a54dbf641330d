"""Base class of problems: the source of ``x`` and ``y``, and the densities and posteriors known exactly.

Public methods check that the capability is declared and that shapes are right, then call the hook of the
same name with a leading underscore. A member implements hooks and overrides no public method.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from workbench.core.capability import Capability, unmet_need
from workbench.core.catalogue import Catalogue
from workbench.core.errors import DataError, IncompatibleError, WorkbenchError
from workbench.core.lazy import torch
from workbench.core.observation import checked_values
from workbench.core.shapes import Shapes
from workbench.core.spec import Spec
from workbench.core.variable import Variable

if TYPE_CHECKING:
    from torch import Tensor

#: (low, high) of each variable: the limits of plots.
Window = tuple[tuple[float, float], ...]

PROBLEMS: Catalogue[Problem] = Catalogue("problems", "problem")


@dataclass(frozen=True)
class Samples:
    """Pairs drawn from a problem, in data units, float64: ``x`` (n, D) and ``y`` (n, M), M = 0 without y."""

    x: Tensor
    y: Tensor

    def __len__(self) -> int:
        return len(self.x)


class Problem(Spec):
    """Base of every problem. A member defines ``x``, ``y``, ``window``, ``capabilities`` and the hooks."""

    @classmethod
    def from_values(cls, values: dict[str, Any], folder: Path | str | None = None) -> Self:
        """Build a problem from JSON-ready settings and the data that `save_data` wrote to ``folder``.

        Raises `SpecError` for unknown settings and for values out of bounds.
        """
        problem = super().from_values(values)
        if folder is not None:
            problem.load_data(Path(folder))
        return problem

    @classmethod
    def unavailable(cls) -> str:
        """Return the reason why this problem cannot be offered in a form; empty when it can."""
        return ""

    def refusals(self) -> list[str]:
        """Return the reasons against using this problem with its settings, one sentence each."""
        return []

    def save_data(self, folder: Path) -> None:
        """Write the data that the settings do not contain to ``folder/data``. Most problems have none."""

    def load_data(self, folder: Path) -> None:
        """Read the data that `save_data` wrote."""

    @property
    def x(self) -> tuple[Variable, ...]:
        """The D unknowns, in the order of the columns of x."""
        raise NotImplementedError

    @property
    def y(self) -> tuple[Variable, ...]:
        """The M observed quantities, in the order of the columns of y; empty for a density of x alone."""
        return ()

    @property
    def shapes(self) -> Shapes:
        """Numbers of unknowns D and of observed quantities M."""
        return Shapes(len(self.x), len(self.y))

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Capabilities with the present settings, see `workbench.core.capability`."""
        raise NotImplementedError

    @property
    def window(self) -> Window:
        """(low, high) of each variable of ``x``, in its unit: plot limits that hold 95 % of the draws."""
        raise NotImplementedError

    @property
    def observation_window(self) -> Window:
        """(low, high) of each variable of ``y``, in its unit: plot limits."""
        return ()

    @property
    def default_observation(self) -> tuple[float, ...]:
        """Observation (M,) that pages and examples start with."""
        return ()

    def draw(self, n: int, generator: torch.Generator) -> Samples:
        """Draw ``n`` independent pairs, float64 on the CPU; all randomness comes from ``generator``.

        A problem made of table rows returns each row at most once, in random order, and at most all of them.
        Raises `DataError` for a count below 1, and with the first of `refusals` if there is one.
        """
        n = _sample_count(n, f"samples of '{self.key}'")
        self._ready()
        x, y = self._draw(n, generator)
        return Samples(x, x.new_zeros(len(x), 0) if y is None else y)

    def prior(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw ``n`` independent x (n, D), float64 on the CPU, without simulating y where that is possible.

        Raises `DataError` with the first of `refusals` if there is one.
        """
        self._ready()
        return self._prior(n, generator)

    @property
    def phase_free(self) -> int:
        """Length C of the complex vectors in y whose common phase carries no information on x; 0 without.

        Such a y consists of real and imaginary parts in turn. It is standardised by one scale for each vector
        and not shifted, so that a rotation of the phase commutes with the standardisation.
        """
        return 0

    def log_density(self, x: Tensor) -> Tensor:
        """Return the normalised log p(x) in nats: (n, D) -> (n,), dtype of ``x``, differentiable in it.

        The value is -inf off the support. Raises `IncompatibleError` without the capability LOG_DENSITY and
        `DataError` for a wrong shape.
        """
        self._require(Capability.LOG_DENSITY)
        return self._log_density(self._points(x, "x", len(self.x)))

    def log_joint(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the normalised log p(x, y) in nats: (n, D), (n, M) -> (n,), differentiable in ``x``.

        The result has the dtype of ``x`` and is -inf off the support. Raises `IncompatibleError` without the
        capability LOG_JOINT and `DataError` for a wrong shape.
        """
        self._require(Capability.LOG_JOINT)
        x = self._points(x, "x", len(self.x))
        return self._log_joint(x, self._points(y, "y", len(self.y)).to(x))

    def simulate(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Simulate one observation for each ``x``: (n, D) -> (n, M), with noise from ``generator``.

        Raises `IncompatibleError` without the capability SIMULATE and `DataError` for a wrong shape.
        """
        self._require(Capability.SIMULATE)
        return self._simulate(self._points(x, "x", len(self.x)), generator)

    def reference_posterior(self, observation: Any, n: int, generator: torch.Generator) -> Tensor:
        """Draw ``n`` independent x (n, D), float64, of the exact p(x | y = observation), observation (M,).

        Raises `IncompatibleError` without the capability REFERENCE_POSTERIOR, and `DataError` for a count
        below 1 and for an observation that does not fit or that the problem cannot produce.
        """
        self._require(Capability.REFERENCE_POSTERIOR)
        n = _sample_count(n, "samples of the posterior")
        return self._reference_posterior(self.checked_observation(observation), n, generator)

    def checked_observation(self, observation: Any) -> Tensor:
        """Return ``observation`` as a float64 tensor (M,).

        Raises `DataError` for values that are no numbers or not finite, and for a wrong number of them.
        """
        values = checked_values(observation, self.y, owner=f"'{self.key}'", error=DataError)
        return torch.tensor(values, dtype=torch.float64)

    # hooks --------------------------------------------------------------------------------------------
    def _prior(self, n: int, generator: torch.Generator) -> Tensor:
        if type(self)._draw is Problem._draw:
            raise NotImplementedError
        return self._draw(n, generator)[0]

    def _draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """Draw pairs; a member with a simulator implements `_prior` and `_simulate` instead."""
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
        """Raise `DataError` with the first of `refusals`."""
        reasons = self.refusals()
        if reasons:
            raise DataError(reasons[0])

    def _require(self, need: Capability) -> None:
        """Raise `IncompatibleError` unless the problem is ready and has the capability ``need``."""
        self._ready()
        if need not in self.capabilities:
            raise IncompatibleError(
                unmet_need("This", need, of="problem"),
                found=f"'{self.key}', which gives {', '.join(sorted(self.capabilities)) or 'samples only'}",
            )

    def _points(self, values: Tensor, name: str, columns: int) -> Tensor:
        """Return ``values`` in floating point; raises `DataError` unless they have the shape (n, columns)."""
        if not isinstance(values, torch.Tensor):
            description = type(values).__name__
        elif values.ndim != 2 or values.shape[1] != columns:
            description = f"shape {tuple(values.shape)}"
        else:
            return values if values.is_floating_point() else values.to(torch.float64)
        raise DataError(
            f"{name} does not fit '{self.key}'", expected=f"a tensor (n, {columns})", found=description
        )


class SignalProblem(Protocol):
    """Further methods of a problem that declares SIGNAL: signal and noise apart.

    With them training can draw new noise in every batch without simulating again. A problem for which many
    signals cost less together has ``signal_draws(n, generator) -> (x, signals)`` as well.
    """

    def signals(self, x: Tensor) -> Tensor:
        """Return the signals (n, …) without noise of ``x`` (n, D)."""

    def recorded(self, signals: Tensor, generator: torch.Generator) -> Tensor:
        """Return observations (n, M) of the signals with noise from ``generator``."""


def _sample_count(n: object, noun: str) -> int:
    """Return a number of samples as an integer, or raise `DataError` unless it is a whole number from 1."""
    if isinstance(n, bool) or not isinstance(n, Integral) or n < 1:
        raise DataError(f"Cannot draw {n!r} {noun}", expected="a whole number of at least 1")
    return int(n)


def one_line(error: WorkbenchError) -> str:
    """Return the message of an error on one line, as `Problem.refusals` lists it."""
    return " ".join(str(error).split())
