"""Standardisation: the maps between data units, in double precision, and the network's standardised units."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import torch  # noqa: TID253 the base class of a module; imported with the first model
from torch import Tensor, nn  # noqa: TID253

from workbench.core.scale import column_scale, nonzero
from workbench.core.shapes import Shapes
from workbench.inference.column_maps import ColumnMap, ColumnMaps, arsinh

if TYPE_CHECKING:
    from workbench.core.variable import Variable


class Standardisation(nn.Module):
    """Maps of x and y between data units and network units: a map of each column, then shift and scale.

    All of it is computed in double precision, since a shift such as a Julian date leaves few digits for the
    rest; networks convert to their own precision after `x_in` and `y_in`. Shift and scale, by default mean
    and standard deviation of the training data, are buffers and part of a model's state.

    Parameters
    ----------
    maps_x, maps_y : map of each column of x and y (see `column_maps`); linear by default.
    """

    shift_x: Tensor
    scale_x: Tensor
    shift_y: Tensor
    scale_y: Tensor

    def __init__(
        self,
        shapes: Shapes,
        maps_x: Sequence[ColumnMap] | None = None,
        maps_y: Sequence[ColumnMap] | None = None,
    ) -> None:
        super().__init__()
        self.columns_x = ColumnMaps(maps_x or [ColumnMap()] * shapes.x)
        self.maps_y = tuple(maps_y or [ColumnMap()] * shapes.y)
        self._linear_y = all(m == ColumnMap() for m in self.maps_y)
        for name, size in (("x", shapes.x), ("y", self.network_shapes.y)):
            self.register_buffer(f"shift_{name}", torch.zeros(size, dtype=torch.float64))
            self.register_buffer(f"scale_{name}", torch.ones(size, dtype=torch.float64))

    @property
    def network_shapes(self) -> Shapes:
        """Numbers of columns of x and y of the network: a variable of y may have several."""
        categories = tuple(m.categories for m in self.columns_x.maps)
        return Shapes(
            len(self.columns_x.maps),
            sum(m.columns for m in self.maps_y),
            categories if any(categories) else (),
        )

    @classmethod
    def learn(
        cls,
        x: Tensor,
        y: Tensor,
        x_variables: Sequence[Variable] = (),
        y_variables: Sequence[Variable] = (),
        *,
        phase_free: int = 0,
        bounded: bool = True,
        maps: dict[str, Any] | None = None,
    ) -> Self:
        """Estimate the maps from training data x (n, D) and y (n, M).

        A constant column gets the scale 1.

        Parameters
        ----------
        x_variables, y_variables : kinds and bounds of the columns; continuous and unbounded by default.
        phase_free : where y consists of complex vectors (real and imaginary parts as columns) whose phases
            carry no information, the number of components of one vector: y is then not shifted, and each
            vector has one scale, the root mean square of its columns. 0 for other data.
        bounded : map columns of x with bounds to the real line; false for networks that keep bounds.
        maps : maps of the columns as `describe` returns them, in place of those chosen for the variables.
        """
        x, y = x.double(), y.double()
        if maps is not None:
            standardisation = cls.from_description(maps, Shapes(x.shape[1], y.shape[1]))
        else:
            maps_x = [ColumnMap.for_x(v, x[:, i], bounded=bounded) for i, v in enumerate(x_variables)]
            maps_y = [ColumnMap.for_y(v, y[:, i]) for i, v in enumerate(y_variables)]
            standardisation = cls(Shapes(x.shape[1], y.shape[1]), maps_x, maps_y)
        for name, values in (("x", standardisation._warped_x(x)[0]), ("y", standardisation._warped_y(y))):
            if values.shape[1]:
                getattr(standardisation, f"shift_{name}").copy_(values.mean(0))
                getattr(standardisation, f"scale_{name}").copy_(column_scale(values))
        for i, column in enumerate(standardisation.columns_x.maps):
            if column.kind == "categories":
                standardisation.shift_x[i], standardisation.scale_x[i] = 0.0, 1.0
        if phase_free:
            level = y.square().mean(0).unflatten(0, (-1, 2 * phase_free)).mean(1).sqrt()
            standardisation.shift_y.zero_()
            standardisation.scale_y.copy_(nonzero(level).repeat_interleave(2 * phase_free))
        return standardisation

    # ---- description in files
    def describe(self) -> dict[str, list[dict[str, Any]]]:
        """Return the maps of the columns as JSON-ready lists, for exported models and checkpoints."""
        return {
            "x": [m.to_dict() for m in self.columns_x.maps],
            "y": [m.to_dict() for m in self.maps_y],
        }

    @classmethod
    def from_description(cls, description: dict[str, Any], shapes: Shapes) -> Self:
        """Build from what `describe` returned, without shift and scale; {} stands for linear columns.

        Raises `ValueError` for a description that is damaged or of other shapes.
        """
        parts = {}
        for name, size in (("x", shapes.x), ("y", shapes.y)):
            columns = description.get(name, [{}] * size) if isinstance(description, dict) else None
            if not isinstance(columns, list) or len(columns) != size:
                raise ValueError(f"the maps of {name} are not a list of {size}")
            if not all(isinstance(c, dict) for c in columns):
                raise ValueError(f"the maps of {name} are damaged")
            parts[name] = [ColumnMap.from_dict(c) for c in columns]
        return cls(shapes, parts["x"], parts["y"])

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Move to a device; the precision stays double, and devices without it (MPS) are left aside."""
        device = torch._C._nn._parse_to(*args, **kwargs)[0]
        return self if device is None or device.type == "mps" else super().to(device)

    # ---- x
    def _warped_x(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        return (x, None) if self.columns_x.linear else self.columns_x.inward(x)

    def x_in(self, x: Tensor) -> Tensor:
        """Map x (n, D) from data units to network units, in double precision."""
        return (self._warped_x(self._double(x))[0] - self.shift_x) / self.scale_x

    def x_in_with_volume(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return x in network units (n, D) and log|det| of the map from data units (n,)."""
        u, slope = self._warped_x(self._double(x))
        volume = -self.log_scale_x if slope is None else slope.sum(-1) - self.log_scale_x
        return (u - self.shift_x) / self.scale_x, volume.expand(x.shape[0])

    def x_out(self, x: Tensor) -> Tensor:
        """Map x (n, D) from network units to data units, in double precision."""
        u = self.shift_x + self.scale_x * self._double(x)
        return u if self.columns_x.linear else self.columns_x.outward(u)[0]

    def x_out_with_volume(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return x in data units (n, D) and log|det| of the map from network units (n,)."""
        u = self.shift_x + self.scale_x * self._double(x)
        if self.columns_x.linear:
            return u, self.log_scale_x.expand(x.shape[0])
        values, slope = self.columns_x.outward(u)
        return values, slope.sum(-1) + self.log_scale_x

    @property
    def log_scale_x(self) -> Tensor:
        """Sum of the logarithms of the scales of x, a scalar."""
        return self.scale_x.log().sum()

    @property
    def linear_x(self) -> bool:
        """True if every column of x is only shifted and scaled."""
        return self.columns_x.linear

    def bounds(self, variables: Sequence[Variable]) -> Tensor:
        """Return the bounds (2, D) of x in network units; infinite where the map has taken them up."""
        edges = torch.tensor([[m.low, m.high] for m in self.columns_x.maps], dtype=torch.float64).T
        kinds = [m.kind in ("log", "cyclic", "robust") for m in self.columns_x.maps]
        raw = torch.tensor([v.support for v in variables], dtype=torch.float64).reshape(-1, 2).T
        edges = torch.where(torch.tensor(kinds, dtype=torch.bool), edges, raw).to(self.shift_x.device)
        bounded_columns = torch.tensor([m.edge != "none" for m in self.columns_x.maps], device=edges.device)
        open_ends = torch.tensor([[-math.inf], [math.inf]], dtype=torch.float64, device=edges.device)
        return torch.where(bounded_columns, open_ends, (edges - self.shift_x) / self.scale_x)

    def whole_numbers(self, variables: Sequence[Variable]) -> tuple[Tensor, Tensor] | None:
        """Return a whole number and the step to the next (D,), in network units; the step is 0 for others.

        None where no variable of x has whole numbers that are only shifted and scaled.
        """
        maps = self.columns_x.maps
        whole = [
            v.levels != 0 and m.kind == "linear" and m.edge == "none"
            for v, m in zip(variables, maps, strict=True)
        ]
        if not any(whole):
            return None
        step = torch.where(torch.tensor(whole, device=self.scale_x.device), 1 / self.scale_x, 0.0)
        return (self.shift_x.round() - self.shift_x) / self.scale_x, step

    def window_x(self, width: float) -> Tensor:
        """Return the data-unit images (D, 2) of ``width`` standard deviations on either side of the mean."""
        d = len(self.shift_x)
        return self.x_out(torch.tensor([-width, width], dtype=torch.float64)[:, None].expand(2, d)).T

    # ---- y
    def _warped_y(self, y: Tensor) -> Tensor:
        return y if self._linear_y else torch.cat(self._columns_y(y), 1)

    def _columns_y(self, y: Tensor) -> list[Tensor]:
        columns = []
        for i, column in enumerate(self.maps_y):
            values = y[:, i : i + 1]
            if column.kind == "log":
                columns.append(values.log())
            elif column.kind == "robust":
                columns.append(arsinh((values - column.cut) / column.bulk))
            elif column.kind == "cyclic":
                angle = (2 * math.pi / column.period) * (values - column.low)
                columns.append(torch.cat([angle.cos(), angle.sin()], 1))
            elif column.kind == "categories":
                numbers = torch.arange(column.categories, dtype=y.dtype, device=y.device)
                columns.append((values == numbers).to(y.dtype))
            else:
                columns.append(values)
        return columns

    def y_in(self, y: Tensor) -> Tensor:
        """Map y (n, M) from data units to network units (n, M'), in double precision."""
        return (self._warped_y(self._double(y)) - self.shift_y) / self.scale_y

    def y_out(self, y: Tensor) -> Tensor:
        """Map y (n, M') from network units to data units (n, M), in double precision."""
        values = self.shift_y + self.scale_y * self._double(y)
        if self._linear_y:
            return values
        columns, start = [], 0
        for column in self.maps_y:
            part = values[:, start : start + column.columns]
            start += column.columns
            if column.kind == "log":
                columns.append(part.exp())
            elif column.kind == "robust":
                columns.append(column.cut + column.bulk * 0.5 * (part.exp() - (-part).exp()))
            elif column.kind == "cyclic":
                angle = torch.atan2(part[:, 1:], part[:, :1])
                turn = torch.remainder(angle / (2 * math.pi), 1.0)
                columns.append(column.low + column.period * turn)
            elif column.kind == "categories":
                columns.append(part.argmax(1, keepdim=True).to(part.dtype))
            else:
                columns.append(part)
        return torch.cat(columns, 1)

    def window_y(self, width: float) -> Tensor:
        """Return ranges (M, 2) of y in data units: ``width`` standard deviations on either side of the mean.

        The range of a cyclic variable is its period, that of a categorical one its categories.
        """
        rows = torch.tensor([-width, width], dtype=torch.float64)[:, None].expand(2, len(self.shift_y))
        window = self.y_out(rows).T.clone()
        for i, column in enumerate(self.maps_y):
            if column.kind == "cyclic":
                window[i] = torch.tensor([column.low, column.low + column.period])
            elif column.kind == "categories":
                window[i] = torch.tensor([0.0, column.categories - 1.0])
        return window

    def moments_y(self) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation (M,) of each variable of y, on the CPU.

        They are those of the logarithm for a variable with a logarithmic scale; 0 and infinite for a cyclic,
        categorical or robust one, of which no value is far away.
        """
        shift, scale, start = [], [], 0
        for column in self.maps_y:
            plain = column.kind in ("linear", "log")
            shift.append(float(self.shift_y[start]) if plain else 0.0)
            scale.append(float(self.scale_y[start]) if plain else math.inf)
            start += column.columns
        return torch.tensor(shift, dtype=torch.float64), torch.tensor(scale, dtype=torch.float64)

    def _double(self, values: Tensor) -> Tensor:
        return values.to(self.shift_x.device, torch.float64)
