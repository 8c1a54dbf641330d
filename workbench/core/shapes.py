"""Numbers of components of x and y, which the layers of a model are built for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shapes:
    """Number of components of ``x`` (D) and of ``y`` (M; 0 when there is no observation)."""

    x: int
    y: int = 0
