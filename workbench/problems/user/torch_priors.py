"""Bounds, double precision and densities of torch's distributions."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor
    from torch.distributions import Distribution

#: Parameters of a distribution up to this number are read by their shortest decimals.
_MOST_DECIMALS = 10_000


def in_double(distribution: Distribution) -> Distribution:
    """Return a copy whose parameters are in double precision, or the distribution where that is impossible.

    Single precision has seven digits: draws near 2459000.5 would be whole numbers or halves. A parameter that
    was written as 0.1 becomes 0.1, not the nearest number in single precision.
    """
    try:
        other = copy.deepcopy(distribution)
        _widen(other, set())
        if other.sample((2,)).dtype == torch.float64:
            return other
    except Exception:  # a class of the user's own, which knows best
        pass
    return distribution


def _widen(part: Any, seen: set[int]) -> None:
    """Convert tensors in a distribution or transform, and in those that it is made of, in place."""
    if id(part) in seen:
        return
    seen.add(id(part))
    kinds = (torch.distributions.Distribution, torch.distributions.Transform)
    for name, value in list(vars(part).items()):
        if isinstance(value, torch.Tensor):
            vars(part)[name] = _double(value)
        elif isinstance(value, kinds):
            _widen(value, seen)
        elif isinstance(value, (list, tuple)):
            for entry in value:
                if isinstance(entry, kinds):
                    _widen(entry, seen)
    if isinstance(part, torch.distributions.Distribution):
        part._validate_args = False  # the density outside the support is zero, not an error


def _double(values: Tensor) -> Tensor:
    if not values.is_floating_point() or values.dtype == torch.float64:
        return values
    values = values.detach().cpu()
    if values.numel() > _MOST_DECIMALS or values.dtype != torch.float32:
        return values.double()
    decimals = [float(str(number)) for number in values.numpy().reshape(-1)]
    return torch.tensor(decimals, dtype=torch.float64).reshape(values.shape)


def edges(distribution: Distribution) -> tuple[Tensor, Tensor]:
    """Return the lowest and highest value of each component, in the distribution's shape; may be infinite."""
    kinds, d = torch.distributions, distribution
    shape = d.batch_shape + d.event_shape
    low, high = torch.full(shape, -math.inf).double(), torch.full(shape, math.inf).double()
    try:
        if isinstance(d, kinds.Independent):
            low, high = edges(d.base_dist)
        elif isinstance(d, kinds.VonMises):
            low, high = low.clamp(min=-math.pi), high.clamp(max=math.pi)
        elif isinstance(d, kinds.MixtureSameFamily):
            parts, axis = edges(d.component_distribution), -1 - len(d.event_shape)
            low, high = parts[0].amin(axis), parts[1].amax(axis)
        elif isinstance(d, kinds.TransformedDistribution):
            low, high = _transformed(d)
        else:
            low, high = _constrained(d.support, low, high)
    except (NotImplementedError, AttributeError, RuntimeError, ValueError):
        pass
    return low.expand(shape), high.expand(shape)


def _transformed(distribution: Any) -> tuple[Tensor, Tensor]:
    """Return the edges of the base distribution, carried through the transforms component by component."""
    low, high = edges(distribution.base_dist)
    for transform in distribution.transforms:
        inner, outer = _constrained(transform.codomain, *_everything(low))
        if transform.domain.event_dim or transform.codomain.event_dim or not transform.bijective:
            shape = distribution.batch_shape + distribution.event_shape
            low, high = inner.expand(shape), outer.expand(shape)
            continue
        first, last = transform(low), transform(high)
        rising = first <= last
        # at infinity the transform is at the edge of its range, which its formula may miss by rounding
        first = torch.where(low.isinf(), torch.where(rising, inner, outer), first)
        last = torch.where(high.isinf(), torch.where(rising, outer, inner), last)
        low, high = torch.minimum(first, last), torch.maximum(first, last)
    return low, high


def _everything(like: Tensor) -> tuple[Tensor, Tensor]:
    return torch.full_like(like, -math.inf), torch.full_like(like, math.inf)


def _constrained(constraint: Any, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Return the edges that a constraint of torch states; ``low`` and ``high`` where it states none."""
    kinds = torch.distributions.constraints
    while hasattr(constraint, "base_constraint"):
        constraint = constraint.base_constraint
    if constraint is kinds.simplex:
        return torch.zeros_like(low), torch.ones_like(high)
    if constraint is kinds.boolean:
        return torch.zeros_like(low), torch.ones_like(high)
    below, above = getattr(constraint, "lower_bound", None), getattr(constraint, "upper_bound", None)
    if below is not None:
        low = _filled(low, below)
    if above is not None:
        high = _filled(high, above)
    return low, high


def _filled(like: Tensor, value: Any) -> Tensor:
    value = torch.as_tensor(value).double()
    return value.expand(torch.broadcast_shapes(like.shape, value.shape)).clone()


def is_circular(distribution: Distribution) -> bool:
    """True where the components are angles: von Mises, also in other units or from another angle on."""
    kinds, d = torch.distributions, distribution
    if isinstance(d, kinds.MixtureSameFamily):
        d = d.component_distribution
    elif isinstance(d, kinds.TransformedDistribution):
        linear = all(isinstance(t, kinds.AffineTransform) for t in d.transforms)
        return linear and is_circular(d.base_dist)
    if isinstance(d, kinds.Independent):
        return is_circular(d.base_dist)
    return isinstance(d, kinds.VonMises)


def is_whole(distribution: Distribution) -> bool:
    """True where the draws are whole numbers."""
    try:
        return bool(distribution.support.is_discrete)
    except (NotImplementedError, AttributeError):
        return False


def is_logarithmic(distribution: Distribution) -> bool:
    """True for the exponential of another distribution, such as a log-normal or log-uniform one."""
    kinds = torch.distributions
    if isinstance(distribution, kinds.Independent):
        return is_logarithmic(distribution.base_dist)
    if not isinstance(distribution, kinds.TransformedDistribution) or not distribution.transforms:
        return False
    last = distribution.transforms[-1]
    while isinstance(last, kinds.ComposeTransform) and last.parts:
        last = last.parts[-1]
    return isinstance(last, kinds.ExpTransform)


def log_density(distribution: Distribution, x: Tensor, inside_point: Tensor) -> Tensor:
    """Return log p(x) (n,) of x (n, D), float64, −∞ outside the support; differentiable in x.

    ``inside_point`` (D,) lies in the support: the density is computed there for points outside.
    """
    shape = distribution.batch_shape + distribution.event_shape
    low, high = (edge.reshape(-1) for edge in edges(distribution))
    rows = torch.cat([inside_point[None].to(x), x.detach()])
    inside = ((rows >= low) & (rows <= high)).all(1)
    try:
        support = distribution.support.check(rows.reshape(len(rows), *shape)).reshape(len(rows), -1).all(1)
        if support[0]:  # of mixtures torch asks that all components hold a point
            inside &= support
    except (NotImplementedError, AttributeError):
        pass
    inside = inside[1:]
    points = torch.where(inside[:, None], x, inside_point.to(x))
    values = distribution.log_prob(points.reshape(len(x), *shape)).reshape(len(x), -1).sum(1)
    outside = torch.full_like(values, -math.inf)
    return torch.where(inside & ~values.isnan(), values, outside)


def as_rows(values: Tensor) -> np.ndarray:
    """Return draws (n, …) as an array (n, D)."""
    return values.detach().to("cpu", torch.float64).reshape(len(values), -1).numpy()
