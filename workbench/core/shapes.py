"""Numbers of components of x and y, which the layers of a model are built for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shapes:
    """Number of components of ``x`` (D) and of ``y`` (M; 0 when there is no observation).

    ``categories`` holds the number of categories of each component of x, 0 for a quantity; it is empty where
    all components are quantities, and where their kinds are not known.
    """

    x: int
    y: int = 0
    categories: tuple[int, ...] = ()
