"""Coupling and masked layers of monotone rational-quadratic splines with an analytic backward pass.

forward    in the bin [x₀, x₀ + w] → [y₀, y₀ + h] with slopes d₀, d₁ at its ends, s = h/w, z = (x − x₀)/w,
           t = z(1 − z):  D = s + (d₀ + d₁ − 2s) t,  N = s z² + d₀ t,  y = y₀ + h N/D;  y = x outside ±B
log-det    ℓ = 2 log s + log A − 2 log D,  A = 2 s t + d₀ (1 − z)² + d₁ z²
backward   ∂y/∂z = w e^ℓ                         ∂ℓ/∂z = A_z/A − 2 D_z/D
           A_z = 2s(1 − 2z) − 2d₀(1 − z) + 2d₁ z
           ∂y/∂s = h (z² D − N (1 − 2t))/D²      ∂ℓ/∂s = 2/s + 2t/A − 2(1 − 2t)/D
           ∂y/∂d₀ = h t (D − N)/D²               ∂ℓ/∂d₀ = (1 − z)²/A − 2t/D
           ∂y/∂d₁ = −h t N/D²                    ∂ℓ/∂d₁ = z²/A − 2t/D
parameters widths and heights are 2B softmax(v / (1 + |v|/c)), slopes exp(v / (1 + |v|/2c)), c = −½ log(least
           slope); the outermost slopes are 1

The numbers are those of zuko's transform of the same parameters, by a third of its operations.
Source: Durkan, Bekasov, Murray & Papamakarios 2019, arXiv:1906.04032.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from zuko.flows.autoregressive import MaskedAutoregressiveTransform
from zuko.lazy import LazyTransform
from zuko.transforms import MonotonicRQSTransform

from workbench.bijections.affine_layer import is_traced
from workbench.bijections.coupling import Coupling


@dataclass(frozen=True)
class SplineLayer:
    """Settings of the splines of a layer: ``bins``, the bound B, and the limit c of log-widths."""

    bins: int
    bound: float
    limit: float


def spline_layer(layer: LazyTransform) -> SplineLayer | None:
    """Return how to evaluate a coupling or masked layer of splines; None for a layer of another kind."""
    if "_spline_layer" not in layer.__dict__:
        layer.__dict__["_spline_layer"] = _describe(layer)
    plan: SplineLayer | None = layer.__dict__["_spline_layer"]
    return plan


def _describe(layer: LazyTransform) -> SplineLayer | None:
    if not isinstance(layer, Coupling | MaskedAutoregressiveTransform):
        return None
    univariate, shapes = layer.univariate, tuple(tuple(shape) for shape in layer.shapes)
    is_spline = isinstance(univariate, partial) and univariate.func is MonotonicRQSTransform
    if not is_spline or univariate.args or set(univariate.keywords) != {"bound", "slope"}:
        return None
    bins = shapes[0][0]
    if shapes != ((bins,), (bins,), (bins - 1,)):
        return None
    bound, slope = (float(univariate.keywords[name]) for name in ("bound", "slope"))
    return SplineLayer(bins, bound, -0.5 * math.log(slope))


def evaluate_splines(
    layer: LazyTransform, plan: SplineLayer, x: Tensor, context: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Map x (n, D) forward by ``layer`` with a context (n, C): v (n, D) and log|det ∂v/∂x| (n,)."""
    coupling = layer if isinstance(layer, Coupling) else None
    a, b = x, x
    if coupling is not None:
        a, b = x.index_select(1, coupling.index_a), x.index_select(1, coupling.index_b)
    parameters = layer.hyper(a if context is None else torch.cat((a, context), 1))
    v, log_slope = splines(plan, b, parameters.unflatten(1, (-1, 3 * plan.bins - 1)))
    if coupling is not None:
        v = torch.cat((a, v), 1).index_select(1, coupling.place)
    return v, log_slope.sum(1)


def splines(plan: SplineLayer, x: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
    """Map x (n, d) by splines with unconstrained parameters (n, d, 3K − 1): values and log-slopes (n, d)."""
    if torch.is_grad_enabled() and not is_traced():
        return _Splines.apply(plan, x, parameters)
    return _forward(plan, x, parameters)[:2]


def _soft_limits(plan: SplineLayer, parameters: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Return v / (1 + |v|/limit) and the denominators, for widths, heights and slopes."""
    raw = parameters.split((plan.bins, plan.bins, plan.bins - 1), -1)
    one = parameters.new_ones(())
    limits = (plan.limit, plan.limit, 2 * plan.limit)
    shrink = [torch.add(one, v.abs(), alpha=1 / limit) for v, limit in zip(raw, limits, strict=True)]
    return [v / denominator for v, denominator in zip(raw, shrink, strict=True)], shrink


def _forward(plan: SplineLayer, x: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Return values, log-slopes, and what the backward pass needs."""
    bound = plan.bound
    (widths, heights, slopes), shrink = _soft_limits(plan, parameters)
    p, q = widths.softmax(-1), heights.softmax(-1)
    ends_x, ends_y = p.cumsum(-1), q.cumsum(-1)
    share = torch.add(x.new_full((), 0.5), x, alpha=0.5 / bound).unsqueeze(-1)  # of the interval ±B
    place = (ends_x[..., :-1] < share).sum(-1, keepdim=True)  # the number of the bin
    # a cumulative sum and the value it ends with give the start of a bin
    p_j, q_j = p.gather(-1, place), q.gather(-1, place)
    x_0, y_0 = ends_x.gather(-1, place) - p_j, ends_y.gather(-1, place) - q_j
    edges = torch.nn.functional.pad(slopes, (1, 1)).exp()
    d_0, d_1 = edges.gather(-1, place).squeeze(-1), edges.gather(-1, place + 1).squeeze(-1)
    w, h = (2 * bound) * p_j.squeeze(-1), (2 * bound) * q_j.squeeze(-1)
    inside = (x > -bound) & (x < bound)
    z = ((share - x_0) / p_j).squeeze(-1)
    z = torch.where(inside, z, 0.5)
    s, t = h / w, z * (1 - z)
    d = torch.addcmul(s, d_0 + d_1 - 2 * s, t)
    n = torch.addcmul(d_0 * t, s, z.square())
    a = torch.addcmul(2 * s * t, d_0, (1 - z).square()) + d_1 * z.square()
    value = torch.addcdiv(bound * (2 * y_0.squeeze(-1) - 1), h * n, d)
    log_slope = (s.square() * a / d.square()).log()
    value = torch.where(inside, value, x)
    log_slope = torch.where(inside, log_slope, 0.0)
    states = [p, q, edges, *shrink, place, inside, z, w, h, d_0, d_1, s, t, d, n, a, log_slope]
    return value, log_slope, states


class _Splines(torch.autograd.Function):
    """Splines with their own backward pass; a second derivative goes through ordinary operations."""

    @staticmethod
    def forward(ctx: Any, plan: SplineLayer, x: Tensor, parameters: Tensor) -> Any:
        value, log_slope, states = _forward(plan, x, parameters)
        ctx.plan = plan
        ctx.save_for_backward(x, parameters, *states)
        return value, log_slope

    @staticmethod
    def backward(ctx: Any, g_value: Tensor, g_log: Tensor) -> Any:
        x, parameters, *states = ctx.saved_tensors
        if not torch.is_grad_enabled():
            return None, *_backward(ctx.plan, states, g_value, g_log)
        needs = ctx.needs_input_grad[1:]
        inputs = [v for v, need in zip((x, parameters), needs, strict=True) if need]
        value, log_slope, _ = _forward(ctx.plan, x, parameters)
        results = iter(
            torch.autograd.grad(
                (value, log_slope), inputs, (g_value, g_log), create_graph=True, allow_unused=True
            )
        )
        return None, *(next(results) if need else None for need in needs)


def _backward(
    plan: SplineLayer, states: list[Tensor], g_value: Tensor, g_log: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the gradients of x (n, d) and of the parameters (n, d, 3K − 1)."""
    p, q, edges, *rest = states
    shrink, (place, inside, z, w, h, d_0, d_1, s, t, d, n, a, log_slope) = rest[:3], rest[3:]
    g_y, g_l = (torch.where(inside, g, 0.0) for g in (g_value, g_log))
    over_d, over_a, rest_z = d.reciprocal(), a.reciprocal(), 1 - z
    g_n = g_y * h * over_d  # of N, and through D
    ratio, twice_t = n * over_d, 2 * t
    a_z = 2 * (s * (rest_z - z) - d_0 * rest_z + d_1 * z)
    d_z = (d_0 + d_1 - 2 * s) * (rest_z - z)
    g_z = g_y * w * log_slope.exp() + g_l * (a_z * over_a - 2 * d_z * over_d)
    common = g_n * ratio + 2 * g_l * over_d  # −∂/∂D
    g_a = g_l * over_a
    g_s = g_n * z.square() - common * (1 - twice_t) + 2 * g_l / s + g_a * twice_t
    g_d0 = (g_n - common) * t + g_a * rest_z.square()
    g_d1 = g_a * z.square() - common * t
    g_x = g_z / w
    g_w = -(g_x * z + g_s * s / w)
    g_h = g_y * ratio + g_s / w
    bins = torch.arange(plan.bins, device=place.device)
    here, before = bins == place, bins < place
    scale = 2 * plan.bound
    g_p = (before * (-scale * g_x).unsqueeze(-1)).add_(here * (scale * g_w).unsqueeze(-1))
    g_q = (before * (scale * g_y).unsqueeze(-1)).add_(here * (scale * g_h).unsqueeze(-1))
    g_e = torch.zeros_like(edges).scatter_(-1, place, g_d0.unsqueeze(-1))
    g_e.scatter_add_(-1, place + 1, g_d1.unsqueeze(-1)).mul_(edges)
    gradients = [
        torch.ops.aten._softmax_backward_data(g_p, p, -1, p.dtype),
        torch.ops.aten._softmax_backward_data(g_q, q, -1, q.dtype),
        g_e[..., 1:-1],
    ]
    g_parameters = torch.cat([g / v.square() for g, v in zip(gradients, shrink, strict=True)], -1)
    return torch.where(inside, g_x, g_value), g_parameters
