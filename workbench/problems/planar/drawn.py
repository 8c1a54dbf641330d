"""Gaussian kernel density estimate of K points c_k that the user sketches: p(x) = 1/K Σ_k N(x; c_k, s² I)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import param

from workbench.core.errors import SpecError
from workbench.core.lazy import torch
from workbench.problems.base import PROBLEMS
from workbench.problems.isotropic_mixture import mixture_draw, mixture_log_density
from workbench.problems.planar.base import PlanarDensity

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.problems.base import Window

MINIMUM_POINTS, MAXIMUM_POINTS = 10, 2000
CANVAS = ((-4.0, 4.0), (-4.0, 4.0))


def _pairs(points: Any) -> list[list[float]]:
    """Return [[x, y], …] from pairs or from a flat list x, y, x, y, …; raises `SpecError` otherwise."""
    description = "pairs [x, y] of finite numbers, or one flat list x, y, x, y, …"
    try:
        pairs = [p for p in points if isinstance(p, Sequence) and not isinstance(p, str)]
        if pairs and len(pairs) < len(points):
            raise ValueError("pairs and single numbers are mixed")
        if any(len(p) != 2 for p in pairs):
            raise ValueError("a point does not have two coordinates")
        flat = [float(v) for p in points for v in (p if pairs else [p])]
    except (TypeError, ValueError) as error:
        raise SpecError("The drawn points cannot be used", expected=description, found=str(error)) from error
    if len(flat) % 2:
        raise SpecError("The drawn points cannot be used", expected=description, found=f"{len(flat)} numbers")
    if not all(math.isfinite(v) for v in flat):
        raise SpecError(
            "The drawn points cannot be used", expected=description, found="a number that is not finite"
        )
    if len(flat) > 2 * MAXIMUM_POINTS:
        raise SpecError(
            "Too many points were drawn",
            expected=f"at most {MAXIMUM_POINTS}",
            found=str(len(flat) // 2),
            suggestion="thin them out, or use the problem 'table'",
        )
    return [flat[i : i + 2] for i in range(0, len(flat), 2)]


@PROBLEMS.register
class Drawn(PlanarDensity):
    """Gaussian kernel density estimate of points that the user sketches on the plane."""

    key = "drawn"
    title = "Drawn by hand"
    summary = "Your own points on the plane, each blurred a little: draw a shape and watch it being learned."
    reference = "Parzen 1962, Annals of Mathematical Statistics 33 (kernel density)"

    points = param.List([], doc=f"The drawn points [x, y], {MINIMUM_POINTS} to {MAXIMUM_POINTS} of them.")
    jitter = param.Number(
        0.1, bounds=(0.02, 1.0), doc="Standard deviation of the Gaussian around each point."
    )

    def __init__(self, **values: Any) -> None:
        if isinstance(values.get("points"), (list, tuple)):
            values["points"] = _pairs(values["points"])
        super().__init__(**values)

    @property
    def window(self) -> Window:
        points, pad = _pairs(self.points), 0.2 + 2.5 * self.jitter
        return tuple(
            (min([low, *(p[axis] - pad for p in points)]), max([high, *(p[axis] + pad for p in points)]))
            for axis, (low, high) in enumerate(CANVAS)
        )

    def refusals(self) -> list[str]:
        count = len(_pairs(self.points))
        if count >= MINIMUM_POINTS:
            return []
        total = "there are none yet" if count == 0 else f"there {'is' if count == 1 else 'are'} {count}"
        return [f"Draw at least {MINIMUM_POINTS} points first; {total}."]

    def _centres(self) -> Tensor:
        return torch.tensor(_pairs(self.points), dtype=torch.float64).reshape(-1, 2)

    def _draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        return mixture_draw(n, self._centres(), self.jitter, generator), None

    def _log_density(self, x: Tensor) -> Tensor:
        return mixture_log_density(x, self._centres(), self.jitter)
