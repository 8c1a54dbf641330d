"""Maps of single columns between data units and the real line: logarithm, cycle, edges, categories.

A column goes through two maps, before `Standardisation` shifts and scales it:

kind   linear  t = x        log  t = log x        cyclic  t = (x − cut) mod period
       robust  t = asinh((x − cut)/bulk), for heavy tails: linear near the median, logarithmic far from it
edge   none    u = t
       probit  u = Φ⁻¹((t − low)/(high − low)): a uniform distribution becomes a standard normal one, for data
               that fill their interval
       soft    u = t + w log(1 − e^{−(t − low)/w}) − w log(1 − e^{−(high − t)/w}): the identity far from an
               edge, with w the spread of the data; an infinite edge drops out

Both edges put all probability inside the bounds. A column of y may have two or more network columns: cos and
sin of a cyclic one, one indicator a category of a categorical one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch  # noqa: TID253 the base class of a module; imported with the first model
from torch import Tensor, nn  # noqa: TID253

from workbench.core.scale import column_scale
from workbench.nn.normal_quantile import normal_cdf, normal_quantile

if TYPE_CHECKING:
    from workbench.core.variable import Variable

KINDS, EDGES = ("linear", "log", "cyclic", "robust", "categories"), ("none", "probit", "soft")
#: Least spread of data, in widths of their interval, that counts as filling it (a uniform one has 0.29).
_FILLING = 0.1
#: Data at an edge itself, where a map would be infinite, are moved inside by this share of its width.
_EDGE_DISTANCE = 1e-9
_LOG_ROOT_TWO_PI = 0.5 * math.log(2 * math.pi)


def _softplus(x: Tensor) -> Tensor:
    """log(1 + eˣ), by operators that ONNX has in double precision."""
    return x.clamp(min=0) + torch.log(1 + torch.exp(-x.abs()))


@dataclass(frozen=True)
class ColumnMap:
    """Settings of the map of one column: JSON-ready numbers and names, part of an exported model.

    Parameters
    ----------
    kind, edge : entries of `KINDS` and `EDGES`, see the module.
    low, high : edges of t, infinite where there are none.
    width : spread w of the data near a soft edge.
    period, cut : of a cyclic column; values are taken from ``cut`` to ``cut + period``.
    cut, bulk : of a robust column, its median and the width of its bulk.
    categories : number of categories.
    """

    kind: str = "linear"
    edge: str = "none"
    low: float = -math.inf
    high: float = math.inf
    width: float = 1.0
    period: float = 0.0
    cut: float = 0.0
    categories: int = 0
    bulk: float = 1.0

    def to_dict(self) -> dict[str, Any]:
        """Return the settings that differ from their defaults."""
        default = asdict(ColumnMap())
        return {key: value for key, value in asdict(self).items() if value != default[key]}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ColumnMap:
        """Build from a dict as `to_dict` returns it; raises `ValueError` for anything else."""
        default = asdict(cls())
        for key, value in values.items():
            if key not in default or isinstance(value, bool):
                raise ValueError(f"no setting of a column's map: {key!r}")
            if isinstance(default[key], str) != isinstance(value, str):
                raise ValueError(f"{key} cannot be {value!r}")
        result = cls(**values)
        if result.kind not in KINDS or result.edge not in EDGES:
            raise ValueError(f"unknown map of a column: {result.kind!r}, {result.edge!r}")
        positive = 0 < result.width < math.inf and 0 < result.bulk < math.inf and math.isfinite(result.cut)
        cyclic = result.kind != "cyclic" or 0 < result.period < math.inf
        probit = result.edge != "probit" or math.isfinite(result.high - result.low)
        number = isinstance(result.categories, int) and 0 <= result.categories <= 10_000
        if not (positive and cyclic and probit and number and result.low < result.high):
            raise ValueError("the numbers of a column's map are out of range")
        return result

    @classmethod
    def for_x(cls, variable: Variable, values: Tensor, *, bounded: bool) -> ColumnMap:
        """Choose the map of a column of x from its variable and its training data (n,).

        ``bounded`` is true for a network that does not keep bounds itself: the map then has edges.
        """
        if variable.categories:
            return cls("categories", categories=variable.categories)
        low, high = variable.support
        kind, cut, bulk = "linear", 0.0, 1.0
        if variable.scale == "log":
            kind, values = "log", values.log()
            low, high = (-math.inf if low <= 0 else math.log(low)), math.log(high)
        elif variable.period:
            kind, cut = "cyclic", emptiest_point(values, variable.low, variable.period)
            values, low, high = torch.remainder(values - cut, variable.period), 0.0, variable.period
        elif variable.scale == "robust":
            kind, (cut, bulk) = "robust", bulk_of(values)
            values, low, high = (
                ((values - cut) / bulk).asinh(),
                *(math.asinh((v - cut) / bulk) for v in (low, high)),
            )
        spread = float(column_scale(values[:, None])[0])
        edge = "none"
        if bounded and (math.isfinite(low) or math.isfinite(high)):
            edge = "probit" if spread > _FILLING * (high - low) else "soft"
        width = spread if edge == "soft" else 1.0
        return cls(kind, edge, low, high, width, variable.period, cut, bulk=bulk)

    @classmethod
    def for_y(cls, variable: Variable, values: Tensor) -> ColumnMap:
        """Choose the map of a column of y, an input of the network, from its variable and training data."""
        if variable.categories:
            return cls("categories", categories=variable.categories)
        if variable.period:
            return cls("cyclic", low=variable.low, period=variable.period)
        if variable.scale == "robust":
            cut, bulk = bulk_of(values)
            return cls("robust", cut=cut, bulk=bulk)
        return cls("log") if variable.scale == "log" else cls()

    @property
    def columns(self) -> int:
        """Number of columns of the network for a column of y."""
        return self.categories or (2 if self.kind == "cyclic" else 1)


def emptiest_point(values: Tensor, low: float, period: float) -> float:
    """Return the middle of the widest gap between the values (n,) on a circle, from low to low + period."""
    places = torch.remainder(values - low, period).sort().values
    gaps = torch.cat([places[1:] - places[:-1], places[:1] + period - places[-1:]])
    i = int(gaps.argmax())
    return low + float(torch.remainder(places[i] + 0.5 * gaps[i], period))


def bulk_of(values: Tensor) -> tuple[float, float]:
    """Return median and width of the bulk of values (n,): their quartiles' distance in those of a normal.

    Where the quartiles are one value, quantiles further out are taken, and at last the standard deviation.
    """
    values = values.double()
    order = values.sort().values
    for share, widths in ((0.25, 1.349), (0.1, 2.563), (0.05, 3.290), (0.01, 4.653)):
        low, high = (order[round(p * (len(order) - 1))] for p in (share, 1 - share))
        if high > low:
            return float(order[len(order) // 2]), float((high - low) / widths)
    return float(order[len(order) // 2]), float(column_scale(values[:, None])[0])


def arsinh(z: Tensor) -> Tensor:
    """Return asinh z by functions that ONNX has in double precision."""
    size = z.abs()
    return z.sign() * (size + (1 + size.square()).sqrt()).log()


class ColumnMaps(nn.Module):
    """Maps of the D columns of x, in both directions, with their log-determinants; nothing is learned.

    ``portable`` restricts the operations to those that ONNX has in double precision.
    """

    low: Tensor
    high: Tensor
    has_low: Tensor
    has_high: Tensor
    width: Tensor
    period: Tensor
    cut: Tensor
    is_log: Tensor
    is_cyclic: Tensor
    is_probit: Tensor
    is_soft: Tensor
    is_robust: Tensor
    bulk: Tensor

    def __init__(self, maps: Sequence[ColumnMap]) -> None:
        super().__init__()
        self.maps, self.portable = tuple(maps), False
        self.linear = all(m.kind in ("linear", "categories") and m.edge == "none" for m in maps)
        self.kinds, self.edges = {m.kind for m in maps}, {m.edge for m in maps}
        span = [(m.low, m.high) if m.edge != "none" else (-math.inf, math.inf) for m in maps]
        numbers = {
            "low": [low if math.isfinite(low) else 0.0 for low, _ in span],
            "high": [high if math.isfinite(high) else 1.0 for _, high in span],
            "has_low": [math.isfinite(low) for low, _ in span],
            "has_high": [math.isfinite(high) for _, high in span],
            "width": [m.width for m in maps],
            "period": [m.period or 1.0 for m in maps],
            "cut": [m.cut for m in maps],
            "bulk": [m.bulk for m in maps],
        }
        for name, values in numbers.items():
            dtype = torch.bool if name.startswith("has") else torch.float64
            self.register_buffer(name, torch.tensor(values, dtype=dtype), persistent=False)
        for attribute, entries in (("kind", KINDS[1:4]), ("edge", EDGES[1:])):
            for entry in entries:
                mask = torch.tensor([getattr(m, attribute) == entry for m in maps], dtype=torch.bool)
                self.register_buffer(f"is_{entry}", mask, persistent=False)

    # ---- from data units
    def inward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map x (n, D) to the real line: u (n, D) and log|∂u/∂x| of each column (n, D)."""
        t, slope = x, torch.zeros_like(x)
        if "log" in self.kinds:
            log = torch.where(self.is_log, x, 1.0).log()
            t, slope = torch.where(self.is_log, log, t), torch.where(self.is_log, -log, slope)
        if "cyclic" in self.kinds:
            t = torch.where(self.is_cyclic, torch.remainder(x - self.cut, self.period), t)
        if "robust" in self.kinds:
            z = torch.where(self.is_robust, (x - self.cut) / self.bulk, 0.0)
            t = torch.where(self.is_robust, arsinh(z), t)
            slope = torch.where(self.is_robust, -self.bulk.log() - 0.5 * (1 + z.square()).log(), slope)
        if "probit" in self.edges:
            t, slope = self._probit_inward(t, slope)
        if "soft" in self.edges:
            t, slope = self._soft_inward(t, slope)
        return t, slope

    def _probit_inward(self, t: Tensor, slope: Tensor) -> tuple[Tensor, Tensor]:
        span = torch.where(self.is_probit, self.high - self.low, 1.0)
        p = torch.where(self.is_probit, (t - self.low) / span, 0.5).clamp(_EDGE_DISTANCE, 1 - _EDGE_DISTANCE)
        u = normal_quantile(p, portable=self.portable)
        change = 0.5 * u.square() + _LOG_ROOT_TWO_PI - span.log()
        return torch.where(self.is_probit, u, t), torch.where(self.is_probit, slope + change, slope)

    def _soft_inward(self, t: Tensor, slope: Tensor) -> tuple[Tensor, Tensor]:
        w = self.width
        a = torch.where(self.is_soft & self.has_low, (t - self.low) / w, 1.0).clamp(min=_EDGE_DISTANCE)
        b = torch.where(self.is_soft & self.has_high, (self.high - t) / w, 1.0).clamp(min=_EDGE_DISTANCE)
        below = torch.where(self.is_soft & self.has_low, torch.log(-torch.expm1(-a)), 0.0)
        above = torch.where(self.is_soft & self.has_high, torch.log(-torch.expm1(-b)), 0.0)
        u = torch.where(self.is_soft, t + w * (below - above), t)
        return u, torch.where(self.is_soft, slope - self._soft_slope(u), slope)

    def _soft_slope(self, u: Tensor) -> Tensor:
        """Return log ∂t/∂u of the columns with a soft edge (n, D)."""
        a, b = (u - self.low) / self.width, (u - self.high) / self.width
        rise = torch.where(self.has_low, -_softplus(-a), 0.0) + torch.where(self.has_high, -_softplus(b), 0.0)
        both = self.has_low & self.has_high
        return rise + torch.where(both, torch.log(-torch.expm1(-(self.high - self.low) / self.width)), 0.0)

    # ---- to data units
    def outward(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Map u (n, D) to data units: x (n, D) and log|∂x/∂u| of each column (n, D)."""
        t, slope = u, torch.zeros_like(u)
        if "probit" in self.edges:
            span = torch.where(self.is_probit, self.high - self.low, 1.0)
            inside = self.low + span * normal_cdf(u, portable=self.portable)
            t = torch.where(self.is_probit, inside, t)
            slope = torch.where(self.is_probit, span.log() - 0.5 * u.square() - _LOG_ROOT_TWO_PI, slope)
        if "soft" in self.edges:
            w = self.width
            rise = torch.where(self.has_low, self.low + w * _softplus((u - self.low) / w), u)
            fall = torch.where(self.has_high, w * _softplus((u - self.high) / w), 0.0)
            t = torch.where(self.is_soft, self._inside(rise - fall), t)
            slope = torch.where(self.is_soft, self._soft_slope(u), slope)
        x = t
        if "log" in self.kinds:
            x = torch.where(self.is_log, torch.where(self.is_log, t, 0.0).exp(), x)
            slope = torch.where(self.is_log, slope + t, slope)
        if "cyclic" in self.kinds:
            x = torch.where(self.is_cyclic, t + self.cut, x)
        if "robust" in self.kinds:
            rise, fall = (torch.where(self.is_robust, sign * t, 0.0).exp() for sign in (1, -1))
            x = torch.where(self.is_robust, self.cut + self.bulk * 0.5 * (rise - fall), x)
            change = self.bulk.log() + (0.5 * (rise + fall)).log()
            slope = torch.where(self.is_robust, slope + change, slope)
        return x, slope

    def _inside(self, t: Tensor) -> Tensor:
        """Move t that rounding has led beyond an edge back to it."""
        t = torch.where(self.has_low, torch.maximum(t, self.low), t)
        return torch.where(self.has_high, torch.minimum(t, self.high), t)
