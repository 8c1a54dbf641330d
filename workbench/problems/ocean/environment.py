"""Fixed and unknown parameters of a layered ocean: lengths in m, speeds in m/s, densities in g/cm³."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Layer:
    """Fluid layer below the sediment: speed at top and bottom, density, attenuation in dB/(km Hz), thickness
    (infinite for the half-space, whose speed is that of its top)."""

    speed: float
    bottom_speed: float
    density: float
    attenuation: float
    thickness: float = math.inf


@dataclass(frozen=True)
class Environment:
    """The fixed part of a waveguide.

    Depths and speeds of the sound-speed profile (linear in between, constant below the last), depths of the
    hydrophones, layers below the sediment, and the lowest and highest depth of the source.
    """

    depths: tuple[float, ...]
    speeds: tuple[float, ...]
    hydrophones: tuple[float, ...]
    below: tuple[Layer, ...]
    source_depths: tuple[float, float]

    @property
    def deep(self) -> float:
        """Last depth of the profile, below which the speed in the water is constant."""
        return self.depths[-1]


@dataclass(frozen=True)
class Seabed:
    """Unknown parameters of seabed, source and array: a batch, as tensors that broadcast against each other.

    Depth of the water; thickness, speed at the top, its increase over the layer, density and attenuation of
    the sediment; range and depth of the source; tilt of the array in degrees (away from the source, about its
    foot on the seabed).
    """

    depth: Tensor
    thickness: Tensor
    speed: Tensor
    increase: Tensor
    density: Tensor
    attenuation: Tensor
    distance: Tensor
    source_depth: Tensor
    tilt: Tensor
