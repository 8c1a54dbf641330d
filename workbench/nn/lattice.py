"""Columns of whole numbers in standardised units: the points origin + k · step, of spacing ``step``.

The probability of a whole number is that of a density between the middles to its neighbours, a step wide;
divided by the step it is the density of the number plus uniform noise.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

#: Least step, in standard deviations: finer whole numbers are as good as real ones.
_LEAST_STEP = 0.02


class Lattice(nn.Module):
    """Origin and step of each of D columns; step 0 for a column of real numbers, which is left as it is."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("origin", torch.zeros(features))
        self.register_buffer("step", torch.zeros(features))
        self.on = False  # a Python bool: a traced graph holds one branch only

    def _load_from_state_dict(self, state: dict, prefix: str, *args, **settings) -> None:
        for name, value in self.named_buffers():  # a version without whole numbers
            state.setdefault(prefix + name, torch.zeros_like(value))
        super()._load_from_state_dict(state, prefix, *args, **settings)
        self.on = bool((self.step > 0).any())

    @torch.no_grad()
    def prepare(self, origin: Tensor, step: Tensor) -> None:
        """Set origins and steps (D,); columns of a step that is too small count as real numbers."""
        self.origin.copy_(origin)
        self.step.copy_(torch.where(step > _LEAST_STEP, step, 0.0))
        self.on = bool((self.step > 0).any())

    def nearest(self, x: Tensor, columns: Tensor | None = None) -> Tensor:
        """Move x (n, D) to the nearest points; or x (m, n), whose rows belong to ``columns`` (m,)."""
        origin, step = self.origin, self.step
        if columns is not None:
            origin, step = origin[columns][:, None], step[columns][:, None]
        whole = step > 0
        unit = torch.where(whole, step, 1.0)
        return torch.where(whole, origin + unit * torch.round((x - origin) / unit), x)

    def without_edges(self, bounds: Tensor) -> Tensor:
        """Return bounds (2, D), infinite for whole numbers."""
        if not self.on:
            return bounds
        return torch.where(self.step > 0, bounds.new_tensor([[-torch.inf], [torch.inf]]), bounds)
