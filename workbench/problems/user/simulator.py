"""The user's own simulator: a prior of the unknowns and a function that simulates their observations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from workbench.core.capability import Capability
from workbench.core.errors import DataError, SpecError, WorkbenchError
from workbench.core.lazy import torch
from workbench.core.variable import Variable
from workbench.problems.base import PROBLEMS, Problem
from workbench.problems.windows import quantile_window, typical_row

if TYPE_CHECKING:
    from torch import Tensor
    from torch.distributions import Distribution

    from workbench.problems.base import Window

    Prior = Callable[[int, torch.Generator], Tensor] | Distribution

#: Numbers of draws for a first trial of the user's functions, and for estimating plot limits.
_TRIAL, _PROBE = 16, 2000


@contextmanager
def _seeded(generator: torch.Generator) -> Iterator[None]:
    """Seed torch's global random numbers from ``generator`` inside the context, and restore them after it."""
    seed = int(torch.randint(2**62, (1,), generator=generator))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def _variables(values: Any, name: str) -> tuple[Variable, ...]:
    """Return ``values``, a list of variables or names, as variables; raises `SpecError` for anything else."""
    if isinstance(values, (Variable, str)) or not isinstance(values, Sequence) or not len(values):
        raise SpecError(
            f"The simulator's {name} is not described",
            expected="a list of variables, one a component",
            found=repr(values)[:60],
            suggestion=f"write {name}=[Variable('first'), Variable('second')]",
        )
    variables = tuple(Variable(v) if isinstance(v, str) else v for v in values)
    wrong = [v for v in variables if not isinstance(v, Variable)]
    if wrong:
        raise SpecError(
            f"The simulator's {name} is not described",
            expected="a list of variables or names",
            found=repr(wrong[0])[:60],
        )
    return variables


@PROBLEMS.register
class SimulatorProblem(Problem):
    """A prior and a simulator that the user defines in Python.

    Parameters
    ----------
    prior : a function (n, torch.Generator) -> x (n, D), or a torch Distribution over D components.
    simulate : a function x (n, D), float64 -> y (n, M), a tensor or an array. Noise from torch's global
        generator is reproducible; noise from any other source is not.
    x, y : D and M variables (or plain names); their bounds are checked on every draw.

    Raises `SpecError` for a missing argument and `DataError` when a first trial fails.
    """

    key = "simulator"
    title = "Your own simulator"
    summary = "A prior and a Python function, from a notebook or a script: what went in, given what came out."
    reference = "Cranmer, Brehmer & Louppe 2020, PNAS 117 (simulation-based inference)"

    def __init__(
        self,
        prior: Prior | None = None,
        simulate: Callable[[Tensor], Any] | None = None,
        x: Sequence[Variable | str] = (),
        y: Sequence[Variable | str] = (),
    ) -> None:
        if prior is None or simulate is None:
            raise SpecError(self.unavailable())
        if not (callable(prior) or isinstance(prior, torch.distributions.Distribution)):
            raise SpecError(
                "The simulator's prior cannot be drawn from",
                found=type(prior).__name__,
                expected="a function (n, generator) -> (n, D), or a torch Distribution",
            )
        if not callable(simulate):
            raise SpecError(
                "The simulator cannot be called", expected="a function x -> y", found=type(simulate).__name__
            )
        self._x_variables, self._y_variables = _variables(x, "x"), _variables(y, "y")
        names = [v.name for v in self._x_variables + self._y_variables]
        if len(set(names)) < len(names):
            raise SpecError("Two of the simulator's variables have the same name", found=", ".join(names))
        super().__init__()
        self._distribution, self._function = prior, simulate
        self._draw(_TRIAL, torch.Generator().manual_seed(0))

    @classmethod
    def from_values(cls, values: dict[str, Any], folder: Path | str | None = None) -> Self:
        """Always raise `SpecError`: functions cannot be stored in files and links."""
        raise SpecError(cls.unavailable())

    @classmethod
    def unavailable(cls) -> str:
        """Return the reason why a form cannot offer this problem: it needs functions written in Python."""
        return (
            "A simulator can only be made in a notebook or a script, with "
            "SimulatorProblem(prior, simulate, x, y), because functions do not travel in links and files."
        )

    def copy(self) -> SimulatorProblem:
        """Return a new problem that shares the prior, the simulator and the variables."""
        return SimulatorProblem(self._distribution, self._function, self._x_variables, self._y_variables)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SimulatorProblem) and self._identity() == other._identity()

    __hash__ = Problem.__hash__

    def _identity(self) -> tuple:
        return id(self._distribution), id(self._function), self._x_variables, self._y_variables

    @property
    def x(self) -> tuple[Variable, ...]:
        return self._x_variables

    @property
    def y(self) -> tuple[Variable, ...]:
        return self._y_variables

    @property
    def capabilities(self) -> frozenset[Capability]:
        return frozenset({Capability.OBSERVATION, Capability.SIMULATE})

    @property
    def window(self) -> Window:
        return quantile_window(self._probe[0])

    @property
    def observation_window(self) -> Window:
        return quantile_window(self._probe[1])

    @property
    def default_observation(self) -> tuple[float, ...]:
        return typical_row(self._probe[1])

    @cached_property
    def _probe(self) -> tuple[np.ndarray, np.ndarray]:
        x, y = self._draw(_PROBE, torch.Generator().manual_seed(0))
        return x.numpy(), y.numpy()

    def _prior(self, n: int, generator: torch.Generator) -> Tensor:
        with _seeded(generator):
            x = self._call_prior(n, generator)
        return _checked(x, n, self._x_variables, "prior")

    def _call_prior(self, n: int, generator: torch.Generator) -> Any:
        """Return ``n`` draws of the user's prior, unchecked; exceptions raised in it become `DataError`."""
        try:
            if not isinstance(self._distribution, torch.distributions.Distribution):
                return self._distribution(n, generator)
            x = self._distribution.sample((n,))
        except WorkbenchError:
            raise
        except Exception as error:
            raise DataError(
                "The simulator's prior failed", found=f"{type(error).__name__}: {error}"
            ) from error
        return x[:, None] if x.ndim == 1 else x  # a scalar distribution is a vector of one

    def _simulate(self, x: Tensor, generator: torch.Generator) -> Tensor:
        try:
            with _seeded(generator):
                y = self._function(x.detach().to("cpu", torch.float64))
        except WorkbenchError:
            raise
        except Exception as error:
            raise DataError("The simulator failed", found=f"{type(error).__name__}: {error}") from error
        return _checked(y, len(x), self._y_variables, "simulator").to(x)


def _checked(values: Any, n: int, variables: tuple[Variable, ...], source: str) -> Tensor:
    """Return ``values`` of the user's prior or simulator (named by ``source``) as float64 (n, k).

    Raises `DataError` for a wrong type or shape, and for values that are not finite or out of bounds.
    """
    description = f"a tensor of shape ({n}, {len(variables)}), columns {', '.join(v.name for v in variables)}"
    if isinstance(values, np.ndarray):
        values = torch.from_numpy(np.ascontiguousarray(values))
    if not isinstance(values, torch.Tensor):
        raise DataError(
            f"The {source} returned something else than numbers",
            expected=description,
            found=type(values).__name__,
        )
    if values.shape != (n, len(variables)):
        hint = "end it with y[:, None]" if values.ndim == 1 and len(variables) == 1 else ""
        raise DataError(
            f"The {source} returned a wrong shape",
            expected=description,
            found=f"shape {tuple(values.shape)}",
            suggestion=hint,
        )
    if values.is_complex():
        raise DataError(f"The {source} returned complex numbers", expected=description)
    values = values.detach().to("cpu", torch.float64)
    for i, variable in enumerate(variables):
        column = values[:, i]
        wrong = ~column.isfinite()
        if wrong.any():
            raise DataError(
                f"The {source} returned values that are not finite",
                expected="finite numbers",
                found=f"{int(wrong.sum())} of {n} in '{variable.name}'",
            )
        if bool((column < variable.low).any()) or bool((column > variable.high).any()):
            raise DataError(
                f"The {source} left the bounds of '{variable.name}'",
                expected=f"{variable.low:g} to {variable.high:g} {variable.unit}".strip(),
                found=f"{float(column.min()):g} to {float(column.max()):g}",
            )
    return values
