"""Base class of problems: the source of ``x`` and ``y``, and the densities and posteriors known exactly.

Public methods such as `Problem.log_density` check that the capability is declared and that shapes are right,
then call the hook of the same name with a leading underscore (`_log_density`), which a subclass implements.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from workbench.core.capability import Capability, Needs, unmet_need
from workbench.core.catalogue import Catalogue
from workbench.core.entries import public
from workbench.core.errors import DataError, IncompatibleError, WorkbenchError
from workbench.core.lazy import torch
from workbench.core.numbers import check_memory, whole_number
from workbench.core.observation import checked_values
from workbench.core.shapes import Shapes
from workbench.core.spec import Spec
from workbench.core.variable import Variable

if TYPE_CHECKING:
    from torch import Tensor

#: Plot limits (low, high), one pair per variable.
Window = tuple[tuple[float, float], ...]

PROBLEMS: Catalogue[Problem] = Catalogue("problems", "problem")


@dataclass(frozen=True)
class Samples:
    """Pairs drawn from a problem, in data units, float64: ``x`` (n, D) and ``y`` (n, M), M = 0 without y.

    Rows with the same label in ``groups`` (n,), int64, belong together: they are repeats of one draw or rows
    of one station, and a split keeps them on one side. None where all rows are independent.
    """

    x: Tensor
    y: Tensor
    groups: Tensor | None = None

    def __len__(self) -> int:
        return len(self.x)


class Problem(Spec):
    """Base of every problem. A subclass defines ``x``, ``y``, ``window``, ``capabilities`` and hooks."""

    @classmethod
    @public
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
        """Return the reasons against using the problem as it is set, one sentence each; empty if none."""
        return []

    @public
    def warnings(self, samples: int | None = None) -> list[str]:
        """Return what to know before training on ``samples`` pairs (all where None), one sentence each."""
        return []

    @public
    def save_data(self, folder: Path) -> None:
        """Write data that the settings lack, such as table rows, to ``folder/data``; by default none."""

    @public
    def load_data(self, folder: Path) -> None:
        """Read the data that `save_data` wrote to ``folder/data``, if any."""

    def record_draw(self, n: int, seed: int) -> None:
        """Draw, for `save_data`, the ``n`` pairs that a run with this ``seed`` trains on; by default nothing.

        The next `draw` of as many pairs with a generator of this seed returns the same ones. For problems
        that cannot be drawn from again where the run is opened, since they are functions.
        """

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
        """Capabilities (a known density, a simulator, …) that the problem has with its present settings."""
        raise NotImplementedError

    @property
    def window(self) -> Window:
        """Plot limits (low, high) of each variable of ``x``, in its unit, holding at least 95 % of draws."""
        raise NotImplementedError

    @property
    def observation_window(self) -> Window:
        """Plot limits (low, high) of each variable of ``y``, in its unit; empty without y."""
        return ()

    @property
    def default_observation(self) -> tuple[float, ...]:
        """Values of y (M,) that the user interface and examples start with; empty without y."""
        return ()

    @public
    def draw(self, n: int, generator: torch.Generator) -> Samples:
        """Draw ``n`` independent pairs, float64 on the CPU; all randomness comes from ``generator``.

        A problem made of table rows returns each row at most once, in random order, and at most all of them.
        Raises `DataError` for ``n`` below 1, and where `refusals` gives a reason.
        """
        n = _sample_count(n, f"samples of '{self.key}'")
        self._ready()
        self._check_memory(n)
        x, y, *groups = self._draw(n, generator)
        return Samples(x, x.new_zeros(len(x), 0) if y is None else y, *groups)

    @public
    def prior(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw ``n`` independent x (n, D), float64 on the CPU, without simulating y where that is possible.

        Raises `DataError` where `refusals` gives a reason.
        """
        n = _sample_count(n, "samples of the prior")
        self._ready()
        self._check_memory(n)
        return self._prior(n, generator)

    @property
    def phase_free(self) -> int:
        """Length C of complex vectors that make up y and whose phases are uninformative on x; 0 if none do.

        Such a y alternates real and imaginary parts. It is standardised by one scale per vector and not
        shifted, so that a rotation of the phase commutes with the standardisation.
        """
        return 0

    @public
    def log_density(self, x: Tensor) -> Tensor:
        """Return the normalised log p(x) in nats: (n, D) -> (n,), dtype of ``x``, differentiable in it.

        The value is -inf off the support. Raises `IncompatibleError` without the capability LOG_DENSITY and
        `DataError` for a wrong shape.
        """
        self._require(Capability.LOG_DENSITY)
        return self._log_density(self._points(x, "x", len(self.x)))

    @public
    def log_joint(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the normalised log p(x, y) in nats: (n, D), (n, M) -> (n,), differentiable in ``x``.

        The result has the dtype of ``x`` and is -inf off the support. Raises `IncompatibleError` without the
        capability LOG_JOINT and `DataError` for a wrong shape.
        """
        self._require(Capability.LOG_JOINT)
        x = self._points(x, "x", len(self.x))
        return self._log_joint(x, self._points(y, "y", len(self.y)).to(x))

    @public
    def log_prior(self, x: Tensor) -> Tensor:
        """Return the normalised log p(x) of the unknowns in nats, without an observation: (n, D) -> (n,).

        The result is in double precision, -inf off the support. It is differentiable in ``x`` where the prior
        is a distribution of torch. Raises `IncompatibleError` without the capability LOG_PRIOR and
        `DataError` for a wrong shape.
        """
        self._require(Capability.LOG_PRIOR)
        return self._log_prior(self._points(x, "x", len(self.x)).to(torch.float64))

    @public
    def simulate(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Simulate one observation for each ``x``: (n, D) -> (n, M), with noise from ``generator``.

        Raises `IncompatibleError` without the capability SIMULATE and `DataError` for a wrong shape.
        """
        self._require(Capability.SIMULATE)
        return self._simulate(self._points(x, "x", len(self.x)), generator)

    @public
    def reference_posterior(self, observation: Any, n: int, generator: torch.Generator) -> Tensor:
        """Draw ``n`` independent x (n, D), float64, from the exact p(x | y = observation), observation (M,).

        Raises `IncompatibleError` without the capability REFERENCE_POSTERIOR, and `DataError` for ``n``
        below 1 and for an observation of the wrong size or one that the problem cannot produce.
        """
        self._require(Capability.REFERENCE_POSTERIOR)
        n = _sample_count(n, "samples of the posterior")
        self._check_memory(n)
        return self._reference_posterior(self.checked_observation(observation), n, generator)

    @public
    def checked_observation(self, observation: Any) -> Tensor:
        """Return ``observation`` as a float64 tensor (M,).

        Raises `DataError` unless it consists of M finite numbers.
        """
        values = checked_values(observation, self.y, owner=f"'{self.key}'", error=DataError)
        return torch.tensor(values, dtype=torch.float64)

    # hooks --------------------------------------------------------------------------------------------
    def _prior(self, n: int, generator: torch.Generator) -> Tensor:
        if type(self)._draw is Problem._draw:
            raise NotImplementedError
        return self._draw(n, generator)[0]

    def _draw(self, n: int, generator: torch.Generator) -> tuple[Tensor | None, ...]:
        """Draw ``n`` pairs: x (n, D), and y (n, M) or None. By default simulates y at draws of `_prior`.

        Where rows belong together, a third entry holds the labels of their groups (n,), int64.
        """
        x = self._prior(n, generator)
        return x, self._simulate(x, generator)

    def _log_density(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def _log_joint(self, x: Tensor, y: Tensor) -> Tensor:
        raise NotImplementedError

    def _log_prior(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def _simulate(self, x: Tensor, generator: torch.Generator) -> Tensor:
        raise NotImplementedError

    def _reference_posterior(self, observation: Tensor, n: int, generator: torch.Generator) -> Tensor:
        raise NotImplementedError

    # checks -------------------------------------------------------------------------------------------
    def _ready(self) -> None:
        """Raise `DataError` with the first sentence of `refusals`; do nothing if there is none."""
        reasons = self.refusals()
        if reasons:
            raise DataError(reasons[0])

    def _check_memory(self, n: int) -> None:
        """Raise `MemoryShortage` if ``n`` pairs do not fit into memory; rows of a table are there already."""
        if not hasattr(type(self), "rows"):
            check_memory(n, len(self.x) + len(self.y), "samples")

    def unmet(self, needs: Needs) -> list[str]:
        """List the capabilities that ``needs`` requires and this problem lacks, one sentence each."""
        return [f"{reason}." for reason in needs.unmet_by_problem(self.capabilities)]

    def _require(self, need: Capability) -> None:
        """Raise `IncompatibleError` unless the problem is ready and has the capability ``need``."""
        self._ready()
        if need not in self.capabilities:
            raise IncompatibleError(
                unmet_need("This", need, of="problem"),
                found=f"'{self.key}', which gives {', '.join(sorted(self.capabilities)) or 'samples only'}",
            )

    def _points(self, values: Tensor, name: str, columns: int) -> Tensor:
        """Return ``values`` as floating point; raises `DataError` unless it is a tensor (n, columns)."""
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
    """Methods of a problem with the capability SIGNAL, which computes signals first and adds noise later.

    With them training can draw new noise in every batch without simulating again. A problem that computes
    many signals faster together also has ``signal_draws(n, generator) -> (x, signals)``, and
    ``signal_groups(n)`` where its rows are not independent: labels (n,), int64, or None.
    """

    def signals(self, x: Tensor) -> Tensor:
        """Return the noise-free signals (n, …) that the unknowns ``x`` (n, D) produce."""

    def recorded(self, signals: Tensor, generator: torch.Generator) -> Tensor:
        """Return observations y (n, M): ``signals`` (n, …) with noise drawn from ``generator``."""


def _sample_count(n: object, noun: str) -> int:
    """Return ``n`` as an int; raises `DataError`, which names the ``noun``, unless it is an integer > 0."""
    return whole_number(n, noun, subject=f"The number of {noun}", error=DataError)


def one_line(error: WorkbenchError) -> str:
    """Return the message of an error on one line, to be used as a reason in `Problem.refusals`."""
    return " ".join(str(error).split())
