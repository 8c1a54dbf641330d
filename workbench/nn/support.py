"""Support of a density: the box that the bounds of x span, outside of which the density is zero.

inside    low_i − ε ≤ x_i ≤ high_i + ε for each component with a bound, ε the rounding of its edges
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

#: Rounding of a standardised point relative to its edge, and absolutely, in units of the precision.
_ROUNDING = 8.0


class Support(nn.Module):
    """Box of D components, some edges of which may be missing; the whole space until `prepare` sets it."""

    def __init__(self, features: int) -> None:
        super().__init__()
        # stored numbers are finite: the mask of the finite edges is stored beside them
        self.register_buffer("edges", torch.zeros(2, features))
        self.register_buffer("there", torch.zeros(2, features, dtype=torch.bool))
        self.register_buffer("exact", torch.ones((), dtype=torch.bool))
        # Python bools: a traced graph holds one branch only
        self.on, self.clips = False, False

    def _load_from_state_dict(self, state: dict, prefix: str, *args, **settings) -> None:
        super()._load_from_state_dict(state, prefix, *args, **settings)
        self.on = bool(self.there.any())
        self.clips = self.on and bool(self.exact)

    @torch.no_grad()
    def prepare(self, bounds: Tensor) -> None:
        """Set the box to ``bounds`` (2, D), lower and upper edges, infinite where there is none."""
        self.there.copy_(bounds.isfinite())
        self.edges.copy_(torch.where(self.there, bounds, 0.0))
        self.exact.fill_(True)
        self.on = self.clips = bool(self.there.any())

    def limits(self) -> tuple[Tensor, Tensor]:
        """Return the lower and upper edges (D,), infinite where there is none."""
        low, high = self.edges
        return torch.where(self.there[0], low, -torch.inf), torch.where(self.there[1], high, torch.inf)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return x (n, D) with points outside moved to the edge, and the mask (n,) of those points."""
        if not self.on:
            return x, torch.zeros_like(x[:, 0], dtype=torch.bool)
        low, high = self.limits()
        epsilon = _ROUNDING * torch.finfo(x.dtype).eps * (1 + self.edges.abs())
        outside = ((x < low - epsilon[0]) | (x > high + epsilon[1])).any(1)
        return torch.minimum(torch.maximum(x, low), high), outside

    def clip(self, x: Tensor) -> Tensor:
        """Move draws x (n, D) that rounding put outside to the edge.

        Draws of a model stored by a version whose draws may lie farther outside are left as they are, to be
        rejected.
        """
        if not self.clips:
            return x
        low, high = self.limits()
        return torch.minimum(torch.maximum(x, low), high)
