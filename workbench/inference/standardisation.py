"""Standardisation: shift and scale of each column, and the maps between data units and network units."""

from __future__ import annotations

from collections.abc import Sequence

import torch  # noqa: TID253 the base class of a module; imported with the first model
from torch import Tensor, nn  # noqa: TID253

from workbench.core.shapes import Shapes

_CONSTANT = 1e-12


class Standardisation(nn.Module):
    """Shift and scale of x and y, by default their mean and standard deviation in the training data.

    They are buffers, and part of the model's state.
    """

    shift_x: Tensor
    scale_x: Tensor
    shift_y: Tensor
    scale_y: Tensor

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.register_buffer("shift_x", torch.zeros(shapes.x))
        self.register_buffer("scale_x", torch.ones(shapes.x))
        self.register_buffer("shift_y", torch.zeros(shapes.y))
        self.register_buffer("scale_y", torch.ones(shapes.y))

    @classmethod
    def learn(
        cls, x: Tensor, y: Tensor, categorical: Sequence[int] = (), phase_free: int = 0
    ) -> Standardisation:
        """Estimate shift and scale from training data x (n, D) and y (n, M), in float64.

        A constant column gets the scale 1.

        Parameters
        ----------
        categorical : indices of columns of x that are not standardised.
        phase_free : where y consists of complex vectors (real and imaginary parts as columns) whose phases
            carry no information, the number of components of one vector: y is then not shifted, and each
            vector has one scale, the root mean square of its columns. 0 for other data.
        """
        standardisation = cls(Shapes(x.shape[1], y.shape[1])).to(torch.float64)
        for name, values in (("x", x), ("y", y)):
            if not values.shape[1]:
                continue
            scale = values.std(0, unbiased=False)
            getattr(standardisation, f"shift_{name}").copy_(values.mean(0))
            getattr(standardisation, f"scale_{name}").copy_(
                torch.where(scale > _CONSTANT, scale, torch.ones_like(scale))
            )
        columns = list(categorical)
        standardisation.shift_x[columns], standardisation.scale_x[columns] = 0.0, 1.0
        if phase_free:
            level = y.square().mean(0).unflatten(0, (-1, 2 * phase_free)).mean(1).sqrt()
            standardisation.shift_y.zero_()
            standardisation.scale_y.copy_(level.repeat_interleave(2 * phase_free))
        return standardisation

    def x_in(self, x: Tensor) -> Tensor:
        """Map x from data units to network units."""
        return (x - self.shift_x) / self.scale_x

    def x_out(self, x: Tensor) -> Tensor:
        """Map x from network units to data units."""
        return self.shift_x + self.scale_x * x

    def y_in(self, y: Tensor) -> Tensor:
        """Map y from data units to network units."""
        return (y - self.shift_y) / self.scale_y

    def y_out(self, y: Tensor) -> Tensor:
        """Map y from network units to data units."""
        return self.shift_y + self.scale_y * y
