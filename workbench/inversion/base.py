"""Inversion of a trained forward network y = f(x): target, base class of the search methods, and result.

misfit    e(x) = √( mean over i of ((fᵢ(x) − tᵢ) / sᵢ)² ), a pure number; t is the target, s the scale of y
reached   e(x) ≤ tolerance
window    low and high of each input: a search starts inside this box, and half its width is the unit of steps
at rest   no random neighbour, 1 % of half the window's width away, has a misfit smaller by more than 0.1 %
The network's weights are never changed: only inputs move.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import param

from workbench.core.catalogue import Catalogue
from workbench.core.errors import DataError, IncompatibleError
from workbench.core.lazy import torch
from workbench.core.numbers import whole_number
from workbench.core.spec import Spec

if TYPE_CHECKING:
    from torch import Tensor

    Function = Callable[[Tensor], Tensor]

INVERSION: Catalogue[InversionMethod] = Catalogue("inversion methods", "inversion method", group="inversion")

#: Largest number of iterations that a search records for plots.
FRAMES = 60
#: Test for a point at rest: number of random neighbours, their distance in half widths of the window, and the
#: smallest relative improvement that counts.
_NEIGHBOURS, _NEARBY, _NEARER = 64, 0.01, 1e-3


@dataclass(frozen=True)
class Question:
    """A target output, and where to search for inputs that the network maps to it.

    Parameters
    ----------
    target : (M,) the output that the inputs should have.
    window : (D, 2) low and high of each input: the box in which searches start; half its width is the unit of
        steps.
    bounds : (D, 2) limits that an input never leaves; infinite where there are none.
    scale : (M,) unit of the misfit of each component of y.
    """

    target: Tensor
    window: Tensor
    bounds: Tensor
    scale: Tensor

    def __post_init__(self) -> None:
        if self.target.ndim != 1 or self.scale.shape != self.target.shape:
            raise DataError(
                "The target does not fit its scale",
                expected="two lists of the same length",
                found=f"shapes {tuple(self.target.shape)} and {tuple(self.scale.shape)}",
            )
        if self.window.ndim != 2 or self.window.shape[1:] != (2,) or self.bounds.shape != self.window.shape:
            raise DataError(
                "Window and bounds must hold low and high of each input",
                expected="(D, 2)",
                found=f"{tuple(self.window.shape)} and {tuple(self.bounds.shape)}",
            )
        if not (self.target.isfinite().all() and self.window.isfinite().all()):
            raise DataError("Target and window must be finite", found="infinite or undefined numbers")
        if not (self.scale > 0).all():
            raise DataError("The scale of the misfit must be positive", found=str(self.scale.tolist()))
        start = self.start_window
        if not (start[:, 0] < start[:, 1]).all():
            raise DataError("Nowhere to start: the window is empty or outside the bounds")

    @property
    def start_window(self) -> Tensor:
        """The part of the window within the bounds, (D, 2), where searches start."""
        return torch.stack(
            [
                torch.maximum(self.window[:, 0], self.bounds[:, 0]),
                torch.minimum(self.window[:, 1], self.bounds[:, 1]),
            ],
            1,
        )

    @property
    def centre(self) -> Tensor:
        """The middle of the window, (D,)."""
        return self.window.mean(1)

    @property
    def half(self) -> Tensor:
        """Half the width of the window, (D,): the unit of steps."""
        return 0.5 * (self.window[:, 1] - self.window[:, 0])

    def starts(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw ``n`` starting points (n, D), uniform in `start_window`."""
        low, high = self.start_window.T
        share = torch.rand(n, len(low), generator=generator, dtype=torch.float64).to(low)
        return low + (high - low) * share

    def inside(self, x: Tensor) -> Tensor:
        """Clip x (n, D) to the bounds."""
        return torch.minimum(torch.maximum(x, self.bounds[:, 0]), self.bounds[:, 1])

    def misfit(self, y: Tensor) -> Tensor:
        """Return the misfit (n,) of outputs y (n, M): root mean square of (y − target) / scale."""
        return ((y - self.target) / self.scale).square().mean(1).sqrt()


@dataclass(frozen=True)
class Found:
    """The result of a search: n inputs and their paths.

    Attributes
    ----------
    x, y, misfit : (n, D), (n, M) and (n,), the inputs at the end, their outputs and misfits.
    reached : (n,) bool, the misfit is within the tolerance.
    at_rest : (n,) bool, no input nearby has a smaller misfit.
    path, path_misfit : (T, n, D) and (T, n), inputs and misfits at the iterations ``moments`` (T,), the first
        of which is the start.
    evaluations : number of inputs that were put through the network.
    """

    question: Question
    tolerance: float
    x: Tensor
    y: Tensor
    misfit: Tensor
    reached: Tensor
    at_rest: Tensor
    path: Tensor
    path_misfit: Tensor
    moments: Tensor
    evaluations: int

    @property
    def best(self) -> int:
        """Index of the input with the smallest misfit."""
        return int(self.misfit.argmin())

    @property
    def verdict(self) -> str:
        """``reached``, ``out_of_reach``, or ``unfinished`` where the smallest misfit can still be reduced."""
        if bool(self.reached.any()):
            return "reached"
        return "out_of_reach" if bool(self.at_rest[self.best]) else "unfinished"

    @property
    def sentence(self) -> str:
        """The verdict as a sentence for the user."""
        n, nearest = len(self.x), float(self.misfit.min())
        if self.verdict == "reached":
            share = f"{int(self.reached.sum())} of {n} points"
            return f"{share} reach the target to within {self.tolerance:g} of the scale of y."
        if self.verdict == "out_of_reach":
            return (
                f"The target is out of reach, as far as {n} points can tell: the nearest misses it by "
                f"{nearest:.3g} of the scale of y, and nothing near it is nearer."
            )
        return (
            f"None of {n} points has reached the target yet: the nearest misses it by {nearest:.3g} of the "
            "scale of y and could still come nearer. Give it more iterations, or larger steps."
        )


class Trace:
    """Record of a search in progress: number of network evaluations, and the points at some iterations."""

    def __init__(self, function: Function, question: Question, iterations: int) -> None:
        self.function, self.question, self.evaluations = function, question, 0
        self.every, self.last = max(1, -(-iterations // (FRAMES - 1))), iterations
        self.path: list[Tensor] = []
        self.misfits: list[Tensor] = []
        self.moments: list[int] = []

    def image(self, x: Tensor) -> Tensor:
        """Return the network's outputs y (n, M) at x (n, D), counting them; `DataError` for a wrong shape."""
        self.evaluations += len(x)
        y = self.function(x)
        shape = (len(x), len(self.question.target))
        if not isinstance(y, torch.Tensor) or y.shape != shape:
            description = f"shape {tuple(y.shape)}" if isinstance(y, torch.Tensor) else type(y).__name__
            raise DataError(
                "The network's output does not fit the target", expected=str(shape), found=description
            )
        return y

    def keep(self, iteration: int, x: Tensor, misfit: Tensor) -> None:
        """Store points (n, D) and misfits (n,), if this iteration is one of those that are recorded."""
        if iteration % self.every == 0 or iteration == self.last:
            self.path.append(x.detach().clone())
            self.misfits.append(misfit.detach().clone())
            self.moments.append(iteration)


class InversionMethod(Spec):
    """Base class of the inversion methods. A subclass implements `_search` and `iterations`."""

    #: True if points move step by step, so that their paths can be plotted as lines.
    moves: ClassVar[bool] = False
    needs_gradient: ClassVar[bool] = False

    tolerance = param.Number(
        default=0.01,
        bounds=(0.0, 10.0),
        doc="A point has reached the target when its misfit, in units of the scale of y, is at most this.",
    )

    def search(self, function: Function, question: Question, *, seed: int = 0) -> Found:
        """Search for inputs whose output is the target; ``function`` maps (n, D) to (n, M), row by row.

        Raises `DataError` where shapes do not fit or no input at the end has a finite output, and
        `IncompatibleError` where the method needs gradients and the function has none.
        """
        generator = torch.Generator().manual_seed(whole_number(seed, "seed", low=0))
        trace = Trace(function, question, self.iterations)
        with torch.set_grad_enabled(self.needs_gradient):
            x = self._search(trace, question, generator).detach()
        with torch.no_grad():
            y = function(x)
            misfit = question.misfit(y)
            at_rest = _at_rest(function, question, x, misfit, generator)
        if not misfit.isfinite().any():
            raise DataError("The network gives no finite number where it was searched", expected="finite y")
        return Found(
            question,
            float(self.tolerance),
            x,
            y,
            misfit,
            misfit <= self.tolerance,
            at_rest,
            torch.stack(trace.path),
            torch.stack(trace.misfits),
            torch.tensor(trace.moments),
            trace.evaluations,
        )

    @property
    def iterations(self) -> int:
        """Number of steps or generations of a search."""
        raise NotImplementedError

    @abstractmethod
    def _search(self, trace: Trace, question: Question, generator: torch.Generator) -> Tensor:
        """Move the points; return them (n, D) at the end, and record iterations in ``trace``."""


def require_gradient(y: Tensor) -> None:
    """Raise `IncompatibleError` if the output y carries no gradient."""
    if not y.requires_grad:
        raise IncompatibleError(
            "Gradient inversion needs a network that can be differentiated",
            found="an output without a gradient",
            suggestion="use the method 'evolutionary', which needs values only",
        )


def _at_rest(
    function: Function, question: Question, x: Tensor, misfit: Tensor, generator: torch.Generator
) -> Tensor:
    """Return a mask (n,) of the points whose random neighbours have no misfit smaller by more than 0.1 %.

    Values are compared, not gradients: at the kinks of a piecewise linear network a minimum has no gradient.
    """
    n, features = x.shape
    direction = torch.randn(_NEIGHBOURS, n, features, generator=generator, dtype=torch.float64).to(x)
    direction = direction / direction.norm(dim=2, keepdim=True)
    near = question.inside(x + _NEARBY * question.half * direction)
    around = question.misfit(function(near.reshape(-1, features))).reshape(_NEIGHBOURS, n)
    return around.amin(0) > (1 - _NEARER) * misfit
