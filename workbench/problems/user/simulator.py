"""The user's own simulator: a prior to draw unknowns from and a function that makes observations of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution

from workbench.core.capability import Capability
from workbench.core.errors import DataError, SpecError, WorkbenchError
from workbench.core.variable import Variable
from workbench.problems.base import PROBLEMS, Problem
from workbench.problems.empirical_windows import quantile_window, typical_row

Prior = Callable[[int, torch.Generator], Tensor] | Distribution
_TRIAL, _PROBE = 16, 2000


@contextmanager
def _seeded(generator: torch.Generator) -> Iterator[None]:
    """torch's global random numbers follow ``generator`` inside and are as before afterwards."""
    seed = int(torch.randint(2**62, (1,), generator=generator))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def _variables(given: Any, name: str) -> tuple[Variable, ...]:
    if isinstance(given, (Variable, str)) or not isinstance(given, Sequence) or not len(given):
        raise SpecError(
            f"The simulator's {name} is not described",
            expected="a list of variables, one a component",
            found=repr(given)[:60],
            suggestion=f"write {name}=[Variable('first'), Variable('second')]",
        )
    made = tuple(Variable(v) if isinstance(v, str) else v for v in given)
    wrong = [v for v in made if not isinstance(v, Variable)]
    if wrong:
        raise SpecError(
            f"The simulator's {name} is not described",
            expected="a list of variables or names",
            found=repr(wrong[0])[:60],
        )
    return made


@PROBLEMS.register
class SimulatorProblem(Problem):
    """A prior and a function.

    Parameters
    ----------
    prior : a function (n, torch.Generator) -> x (n, D), or a torch Distribution over D components.
    simulate : a function x (n, D), float64 -> y (n, M), a tensor or an array. Noise that it takes from
        torch's global generator is reproducible; noise of its own making is its own affair.
    x, y : variables (or plain names), D and M of them; their bounds are checked on every draw.

    Raises `SpecError` when something is missing and `DataError` when a first trial goes wrong.
    """

    key = "simulator"
    title = "Your own simulator"
    summary = "A prior and a Python function, from a notebook or a script: what went in, given what came out."
    reference = "Cranmer, Brehmer & Louppe 2020, PNAS 117 (simulation-based inference)"

    def __init__(
        self,
        prior: Prior | None = None,
        simulate: Callable | None = None,
        x: Sequence[Variable | str] = (),
        y: Sequence[Variable | str] = (),
    ) -> None:
        if prior is None or simulate is None:
            raise SpecError(self.unavailable())
        if not (callable(prior) or isinstance(prior, Distribution)):
            raise SpecError(
                "The simulator's prior cannot be drawn from",
                found=type(prior).__name__,
                expected="a function (n, generator) -> (n, D), or a torch Distribution",
            )
        if not callable(simulate):
            raise SpecError(
                "The simulator cannot be called", expected="a function x -> y", found=type(simulate).__name__
            )
        self._unknowns, self._observed = _variables(x, "x"), _variables(y, "y")
        names = [v.name for v in self._unknowns + self._observed]
        if len(set(names)) < len(names):
            raise SpecError("Two of the simulator's variables have the same name", found=", ".join(names))
        super().__init__()
        self._law, self._function = prior, simulate
        self._draw(_TRIAL, torch.Generator().manual_seed(0))

    @classmethod
    def from_values(cls, values: dict[str, Any], folder: Any = None) -> Problem:
        """Always `SpecError`: functions do not travel in files and links."""
        raise SpecError(cls.unavailable())

    @classmethod
    def unavailable(cls) -> str:
        return (
            "A simulator can only be made in a notebook or a script, with "
            "SimulatorProblem(prior, simulate, x, y), because functions do not travel in links and files."
        )

    def copy(self) -> SimulatorProblem:
        """The same functions and variables."""
        return SimulatorProblem(self._law, self._function, self._unknowns, self._observed)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SimulatorProblem) and self._identity() == other._identity()

    __hash__ = Problem.__hash__

    def _identity(self) -> tuple:
        return id(self._law), id(self._function), self._unknowns, self._observed

    @property
    def x(self):
        return self._unknowns

    @property
    def y(self):
        return self._observed

    @property
    def capabilities(self):
        return frozenset({Capability.OBSERVATION, Capability.SIMULATE})

    @property
    def window(self):
        return quantile_window(self._probe[0])

    @property
    def observation_window(self):
        return quantile_window(self._probe[1])

    @property
    def default_observation(self):
        return typical_row(self._probe[1])

    @cached_property
    def _probe(self) -> tuple[np.ndarray, np.ndarray]:
        x, y = self._draw(_PROBE, torch.Generator().manual_seed(0))
        return x.numpy(), y.numpy()

    def _prior(self, n, generator):
        with _seeded(generator):
            x = self._asked(n, generator)
        return _checked(x, n, self._unknowns, "prior")

    def _asked(self, n: int, generator: torch.Generator) -> Any:
        try:
            if not isinstance(self._law, Distribution):
                return self._law(n, generator)
            x = self._law.sample((n,))
        except WorkbenchError:
            raise
        except Exception as error:
            raise DataError(
                "The simulator's prior failed", found=f"{type(error).__name__}: {error}"
            ) from error
        return x[:, None] if x.ndim == 1 else x  # a scalar distribution is a vector of one

    def _simulate(self, x, generator):
        try:
            with _seeded(generator):
                y = self._function(x.detach().to("cpu", torch.float64))
        except WorkbenchError:
            raise
        except Exception as error:
            raise DataError("The simulator failed", found=f"{type(error).__name__}: {error}") from error
        return _checked(y, len(x), self._observed, "simulator").to(x)


def _checked(values: Any, n: int, variables: tuple[Variable, ...], giver: str) -> Tensor:
    """What the user's function returned as float64 (n, k), or a `DataError` that says what is wrong."""
    expected = f"a tensor of shape ({n}, {len(variables)}), columns {', '.join(v.name for v in variables)}"
    if isinstance(values, np.ndarray):
        values = torch.from_numpy(np.ascontiguousarray(values))
    if not isinstance(values, Tensor):
        raise DataError(
            f"The {giver} returned something else than numbers",
            expected=expected,
            found=type(values).__name__,
        )
    if values.shape != (n, len(variables)):
        hint = "end it with y[:, None]" if values.ndim == 1 and len(variables) == 1 else ""
        raise DataError(
            f"The {giver} returned a wrong shape",
            expected=expected,
            found=f"shape {tuple(values.shape)}",
            suggestion=hint,
        )
    if values.is_complex():
        raise DataError(f"The {giver} returned complex numbers", expected=expected)
    values = values.detach().to("cpu", torch.float64)
    for i, variable in enumerate(variables):
        column = values[:, i]
        wrong = ~column.isfinite()
        if wrong.any():
            raise DataError(
                f"The {giver} returned values that are not finite",
                expected="finite numbers",
                found=f"{int(wrong.sum())} of {n} in '{variable.name}'",
            )
        if bool((column < variable.low).any()) or bool((column > variable.high).any()):
            raise DataError(
                f"The {giver} left the bounds of '{variable.name}'",
                expected=f"{variable.low:g} to {variable.high:g} {variable.unit}".strip(),
                found=f"{float(column.min()):g} to {float(column.max()):g}",
            )
    return values
