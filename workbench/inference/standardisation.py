"""Mean and scale of each column, and the maps between data units and the network's units."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from workbench.core.shapes import Shapes

_CONSTANT = 1e-12


class Standardisation(nn.Module):
    """Mean and standard deviation of x and y, learned from the training part; buffers, so they travel with
    the model."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.register_buffer("shift_x", torch.zeros(shapes.x))
        self.register_buffer("scale_x", torch.ones(shapes.x))
        self.register_buffer("shift_y", torch.zeros(shapes.y))
        self.register_buffer("scale_y", torch.ones(shapes.y))

    @classmethod
    def learn(cls, x: Tensor, y: Tensor, kept: Sequence[int] = (), phase_free: int = 0) -> Standardisation:
        """From training data x (n, D), y (n, M), in float64. A column without spread keeps the scale 1; the
        columns ``kept`` of x keep their values: they are categories. Vectors of ``phase_free`` complex
        numbers in y are divided by their effective value, and not shifted: their phases stay phases."""
        made = cls(Shapes(x.shape[1], y.shape[1])).to(torch.float64)
        for name, values in (("x", x), ("y", y)):
            if not values.shape[1]:
                continue
            scale = values.std(0, unbiased=False)
            getattr(made, f"shift_{name}").copy_(values.mean(0))
            getattr(made, f"scale_{name}").copy_(
                torch.where(scale > _CONSTANT, scale, torch.ones_like(scale))
            )
        made.shift_x[list(kept)], made.scale_x[list(kept)] = 0.0, 1.0
        if phase_free:
            level = y.square().mean(0).unflatten(0, (-1, 2 * phase_free)).mean(1).sqrt()
            made.shift_y.zero_()
            made.scale_y.copy_(level.repeat_interleave(2 * phase_free))
        return made

    def x_in(self, x: Tensor) -> Tensor:
        return (x - self.shift_x) / self.scale_x

    def x_out(self, x: Tensor) -> Tensor:
        return self.shift_x + self.scale_x * x

    def y_in(self, y: Tensor) -> Tensor:
        return (y - self.shift_y) / self.scale_y

    def y_out(self, y: Tensor) -> Tensor:
        return self.shift_y + self.scale_y * y
