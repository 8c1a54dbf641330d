"""What is asked of a forward network, what a method of inverting it is, and what it finds.

misfit    e(x) = √( mean over i of ((fᵢ(x) − tᵢ) / sᵢ)² ), a pure number; s is the scale of y
reached   e(x) ≤ tolerance
at rest   no point about a hundredth of the window away has a misfit smaller by more than a thousandth
The network's weights are never touched: only inputs move.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import param
import torch
from torch import Tensor

from workbench.core.catalogue import Catalogue
from workbench.core.errors import DataError, IncompatibleError, SpecError
from workbench.core.spec import Spec

INVERSION: Catalogue[InversionMethod] = Catalogue("inversion methods", "inversion method")

Function = Callable[[Tensor], Tensor]

#: At most so many moments of a search are kept to be drawn.
FRAMES = 60
#: Neighbours that are tried to see whether a point is at rest, their distance, and what counts as nearer.
_NEIGHBOURS, _NEARBY, _NEARER = 64, 0.01, 1e-3


@dataclass(frozen=True)
class Question:
    """Which inputs have this image?

    Parameters
    ----------
    target : (M,) the wanted image.
    window : (D, 2) low and high of each input: where searches start. Half its width is the unit of a step.
    bounds : (D, 2) where inputs must stay; infinite where they are free.
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
        """(D, 2) the part of the window that lies within the bounds."""
        return torch.stack(
            [
                torch.maximum(self.window[:, 0], self.bounds[:, 0]),
                torch.minimum(self.window[:, 1], self.bounds[:, 1]),
            ],
            1,
        )

    @property
    def centre(self) -> Tensor:
        return self.window.mean(1)

    @property
    def half(self) -> Tensor:
        """(D,) half the width of the window: the unit of steps."""
        return 0.5 * (self.window[:, 1] - self.window[:, 0])

    def starts(self, n: int, generator: torch.Generator) -> Tensor:
        """n points (n, D), uniform in the window."""
        low, high = self.start_window.T
        share = torch.rand(n, len(low), generator=generator, dtype=torch.float64).to(low)
        return low + (high - low) * share

    def inside(self, x: Tensor) -> Tensor:
        """x moved to the nearest point within the bounds."""
        return torch.minimum(torch.maximum(x, self.bounds[:, 0]), self.bounds[:, 1])

    def misfit(self, y: Tensor) -> Tensor:
        """Images (n, M) -> e (n,)."""
        return ((y - self.target) / self.scale).square().mean(1).sqrt()


@dataclass(frozen=True)
class Found:
    """What a search found, and the way there.

    x (n, D), y (n, M), misfit (n,), reached and at_rest (n,) of the end; ``path`` (T, n, D) and
    ``path_misfit`` (T, n) at the iterations ``moments`` (T,), the first being the start. ``evaluations``
    counts the inputs that were put through the network during the search.
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
        """The search that came nearest."""
        return int(self.misfit.argmin())

    @property
    def verdict(self) -> str:
        """``reached``, ``out_of_reach``, or ``unfinished`` where the nearest could still come nearer."""
        if bool(self.reached.any()):
            return "reached"
        return "out_of_reach" if bool(self.at_rest[self.best]) else "unfinished"

    @property
    def sentence(self) -> str:
        """The verdict for a reader."""
        n, nearest = len(self.x), float(self.misfit.min())
        if self.verdict == "reached":
            found = f"{int(self.reached.sum())} of {n} points reach the target"
            return f"{found} to within {self.tolerance:g} of the scale of y."
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
    """Counts evaluations of the network and keeps some moments of the search."""

    def __init__(self, function: Function, question: Question, iterations: int) -> None:
        self.function, self.question, self.evaluations = function, question, 0
        self.every, self.last = max(1, -(-iterations // (FRAMES - 1))), iterations
        self.path: list[Tensor] = []
        self.misfits: list[Tensor] = []
        self.moments: list[int] = []

    def image(self, x: Tensor) -> Tensor:
        """y (n, M) of x (n, D), counted. Raises `DataError` where it is of the wrong shape."""
        self.evaluations += len(x)
        y = self.function(x)
        expected = (len(x), len(self.question.target))
        if not isinstance(y, Tensor) or y.shape != expected:
            found = f"shape {tuple(y.shape)}" if isinstance(y, Tensor) else type(y).__name__
            raise DataError(
                "The network's output does not fit the target", expected=str(expected), found=found
            )
        return y

    def keep(self, iteration: int, x: Tensor, misfit: Tensor) -> None:
        """This moment, where it is one of those that are kept."""
        if iteration % self.every == 0 or iteration == self.last:
            self.path.append(x.detach().clone())
            self.misfits.append(misfit.detach().clone())
            self.moments.append(iteration)


class InversionMethod(Spec):
    """Base of the methods. A member gives `_search`, which moves points and keeps moments in a trace."""

    #: whether a point moves step by step, so that a line along its path means something
    moves: ClassVar[bool] = False
    needs_gradient: ClassVar[bool] = False

    tolerance = param.Number(
        default=0.01,
        bounds=(0.0, 10.0),
        doc="A point has reached the target when its misfit, in units of the scale of y, is at most this.",
    )

    def search(self, function: Function, question: Question, *, seed: int = 0) -> Found:
        """Inputs whose image is the target; ``function`` maps (n, D) to (n, M), row by row.

        Raises `DataError` where shapes do not fit or the network gives no finite number at the starts, and
        `IncompatibleError` where gradients are needed and there are none.
        """
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise SpecError("The seed must be a whole number from 0", found=repr(seed))
        generator = torch.Generator().manual_seed(seed)
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
        """Steps or generations of a search."""
        raise NotImplementedError

    @abstractmethod
    def _search(self, trace: Trace, question: Question, generator: torch.Generator) -> Tensor:
        """The points (n, D) at the end."""


def require_gradient(y: Tensor) -> None:
    """Raises `IncompatibleError` where no gradient leads back from y to x."""
    if not y.requires_grad:
        raise IncompatibleError(
            "Gradient inversion needs a network that can be differentiated",
            found="an output without a gradient",
            suggestion="use the method 'evolutionary', which needs values only",
        )


def _at_rest(function, question: Question, x: Tensor, misfit: Tensor, generator) -> Tensor:
    """(n,) whether none of some random neighbours is nearer to the target by a thousandth or more.

    Tried out instead of read off a gradient: at the kinks of a piecewise linear network a minimum has none.
    """
    n, features = x.shape
    direction = torch.randn(_NEIGHBOURS, n, features, generator=generator, dtype=torch.float64).to(x)
    direction = direction / direction.norm(dim=2, keepdim=True)
    near = question.inside(x + _NEARBY * question.half * direction)
    around = question.misfit(function(near.reshape(-1, features))).reshape(_NEIGHBOURS, n)
    return around.amin(0) > (1 - _NEARER) * misfit
