"""Affine coupling and masked affine layers in one step of automatic differentiation.

forward    h₀ = (x_a, y),  h_k = σ(W_k h_{k−1} + c_k),  (t, ŝ) = W_K h_{K−1} + c_K,  s = ŝ / (1 + |ŝ|/c)
           v_b = x_b ⊙ exp s + t,  v_a = x_a;  a masked layer has a = b = all components and weights M ⊙ W
log-det    Σ s
backward   with g = ∂L/∂v_b and ℓ = ∂L/∂(log-det):  ∂L/∂x_b = g ⊙ exp s,  ∂L/∂t = g,
           ∂L/∂ŝ = (g ⊙ x_b ⊙ exp s + ℓ) / (1 + |ŝ|/c)²,  and the network's own backward pass

zuko's layers of the same weights give the same numbers by about three times as many operations, each with a
node in the graph of automatic differentiation: in small networks these nodes are most of the cost.
Source: Dinh, Sohl-Dickstein & Bengio 2017, arXiv:1605.08803; Papamakarios, Pavlakou & Murray 2017,
arXiv:1705.07057.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from zuko.flows.autoregressive import MaskedAutoregressiveTransform
from zuko.lazy import LazyTransform
from zuko.nn import Linear, MaskedLinear
from zuko.transforms import MonotonicAffineTransform

from workbench.bijections.coupling import Coupling

_OPS = torch.ops.aten
#: By type of an activation: its value, and its backward pass from the gradient, its input and its output.
_ACTIVATIONS: dict[type[nn.Module], tuple[Callable[[Tensor], Tensor], Callable[..., Tensor]]] = {
    nn.ReLU: (torch.relu, lambda g, z, h: _OPS.threshold_backward(g, h, 0)),
    nn.Tanh: (torch.tanh, lambda g, z, h: _OPS.tanh_backward(g, h)),
    nn.SiLU: (functional.silu, lambda g, z, h: _OPS.silu_backward(g, z)),
    nn.ELU: (functional.elu, lambda g, z, h: _OPS.elu_backward(g, 1.0, 1.0, 1.0, False, z)),
}


@dataclass(frozen=True)
class AffineLayer:
    """Settings of a layer's evaluation, besides its weights.

    Parameters
    ----------
    clamp : limit c of the log-scale.
    activation : type of the activation σ, a key of the table of this module.
    linears : the linear maps of the network.
    coupling : the coupling, which knows its halves; None for a masked layer.
    """

    clamp: float
    activation: type[nn.Module]
    linears: tuple[nn.Linear | Linear, ...]
    coupling: Coupling | None
    _masks: dict[Any, list[Tensor | None]] = field(default_factory=dict, repr=False, compare=False)

    def weights(self) -> list[Tensor]:
        """Return weights and biases in turn."""
        return [tensor for linear in self.linears for tensor in (linear.weight, linear.bias)]

    def masks(self, like: Tensor) -> list[Tensor | None]:
        """Return the mask of each linear map as numbers of the type of ``like``; None where it has none."""
        if self.coupling is not None:
            return [None] * len(self.linears)
        key = like.dtype, like.device
        if key in self._masks:
            return self._masks[key]
        masks: list[Tensor | None] = [linear.mask.to(like) for linear in self.linears]
        if not is_traced():  # a tracer's tensors are no numbers to be kept
            self._masks[key] = masks
        return masks


def affine_layer(layer: LazyTransform) -> AffineLayer | None:
    """Return how to evaluate an affine coupling or masked affine layer; None for a layer of another kind.

    Also None where a hook is to see the evaluation of the layer's network.
    """
    if "_affine_layer" not in layer.__dict__:
        layer.__dict__["_affine_layer"] = _describe(layer)
    plan: AffineLayer | None = layer.__dict__["_affine_layer"]
    has_hooks = plan is not None and any(
        part._forward_hooks or part._forward_pre_hooks for part in (layer.hyper, *plan.linears)
    )
    return None if has_hooks else plan


def _describe(layer: LazyTransform) -> AffineLayer | None:
    if not isinstance(layer, Coupling | MaskedAutoregressiveTransform):
        return None
    univariate = layer.univariate
    is_affine = isinstance(univariate, partial) and univariate.func is MonotonicAffineTransform
    if not is_affine or univariate.args or set(univariate.keywords) != {"slope"}:
        return None
    parts = list(layer.hyper)
    linears, activations = parts[::2], parts[1::2]
    if not all(type(p) in (nn.Linear, Linear, MaskedLinear) and _maps_vectors(p) for p in linears):
        return None
    kinds = {type(p) for p in activations}
    if len(kinds) != 1 or not kinds <= _ACTIVATIONS.keys() or any(_is_changed(p) for p in activations):
        return None
    coupling = layer if isinstance(layer, Coupling) else None
    return AffineLayer(-math.log(univariate.keywords["slope"]), kinds.pop(), tuple(linears), coupling)


def _maps_vectors(linear: Any) -> bool:
    """Test whether a linear map is a single one, with a bias."""
    return linear.weight.dim() == 2 and linear.bias is not None


def _is_changed(activation: nn.Module) -> bool:
    """Test whether an activation has a setting that differs from its default."""
    return isinstance(activation, nn.ELU) and activation.alpha != 1.0


def evaluate(plan: AffineLayer, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
    """Map x (n, D) forward with a context (n, C): v (n, D) and log|det ∂v/∂x| (n,)."""
    weights = plan.weights()
    if torch.is_grad_enabled() and not is_traced():
        return _Affine.apply(plan, x, context, *weights)
    return _forward(plan, x, context, weights)[:2]


def is_traced() -> bool:
    """Test whether operations are recorded or transformed, which ordinary operations serve better."""
    return (
        torch.compiler.is_compiling() or torch.jit.is_tracing() or torch._C._are_functorch_transforms_active()
    )


def _forward(
    plan: AffineLayer, x: Tensor, context: Tensor | None, weights: Sequence[Tensor]
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Return v, the log-determinant, and what the backward pass needs."""
    coupling, function = plan.coupling, _ACTIVATIONS[plan.activation][0]
    a, b = (
        (x, x)
        if coupling is None
        else (x.index_select(1, coupling.index_a), x.index_select(1, coupling.index_b))
    )
    h = a if context is None else torch.cat((a, context), 1)
    units, inputs, effective = [h], [], []
    for i, mask in enumerate(plan.masks(x)):
        weight = weights[2 * i]
        if mask is not None:
            weight = weight * mask
            effective.append(weight)
        z = torch.addmm(weights[2 * i + 1], h, weight.t())
        if 2 * i + 2 < len(weights):
            h = function(z)
            inputs.append(z)
            units.append(h)
    shift, raw = z.unflatten(1, (-1, 2)).unbind(-1)
    shrink = torch.add(raw.new_ones(()), raw.abs(), alpha=1 / plan.clamp)
    log_scale = raw / shrink
    scale = log_scale.exp()
    v = torch.addcmul(shift, b, scale)
    if coupling is not None:
        v = torch.cat((a, v), 1).index_select(1, coupling.place)
    return v, log_scale.sum(1), [b, scale, shrink, *units, *inputs, *effective]


class _Affine(torch.autograd.Function):
    """The layer with its own backward pass; a second derivative goes through ordinary operations."""

    @staticmethod
    def forward(ctx: Any, plan: AffineLayer, x: Tensor, context: Tensor | None, *weights: Tensor) -> Any:
        v, log_det, states = _forward(plan, x, context, weights)
        ctx.plan, ctx.has_context, ctx.count = plan, context is not None, len(weights)
        ctx.save_for_backward(x, *([context] if context is not None else []), *weights, *states)
        return v, log_det

    @staticmethod
    def backward(ctx: Any, g_v: Tensor, g_log_det: Tensor) -> Any:
        tensors = ctx.saved_tensors
        x, rest = tensors[0], tensors[1:]
        context, rest = (rest[0], rest[1:]) if ctx.has_context else (None, rest)
        weights, states = rest[: ctx.count], rest[ctx.count :]
        if torch.is_grad_enabled():
            gradients = _differentiable(ctx, x, context, weights, g_v, g_log_det)
        else:
            gradients = _backward(ctx, context, weights, states, g_v, g_log_det)
        return None, *gradients


def _differentiable(
    ctx: Any, x: Tensor, context: Tensor | None, weights: Sequence[Tensor], g_v: Tensor, g_log_det: Tensor
) -> list[Tensor | None]:
    """Return the gradients as functions that can be differentiated again."""
    inputs = [x, context, *weights]
    inputs_to_differentiate = [
        t for t, need in zip(inputs, ctx.needs_input_grad[1:], strict=True) if need and t is not None
    ]
    v, log_det, _ = _forward(ctx.plan, x, context, weights)
    results = iter(
        torch.autograd.grad(
            (v, log_det), inputs_to_differentiate, (g_v, g_log_det), create_graph=True, allow_unused=True
        )
    )
    return [next(results) if need else None for need in ctx.needs_input_grad[1:]]


def _backward(
    ctx: Any,
    context: Tensor | None,
    weights: Sequence[Tensor],
    states: Sequence[Tensor],
    g_v: Tensor,
    g_log_det: Tensor,
) -> list[Tensor | None]:
    plan: AffineLayer = ctx.plan
    coupling, derivative = plan.coupling, _ACTIVATIONS[plan.activation][1]
    b, scale, shrink, *states = states
    depth = len(weights) // 2
    units, inputs = states[:depth], states[depth : 2 * depth - 1]
    effective, masks = states[2 * depth - 1 :] or weights[::2], plan.masks(scale)
    g_a: Tensor | None = None
    if coupling is not None:
        g_a, g_v = g_v.index_select(1, coupling.index_a), g_v.index_select(1, coupling.index_b)
    g_b = g_v * scale
    g_raw = torch.addcmul(g_log_det.unsqueeze(1), g_b, b) / shrink.square()
    g = torch.stack((g_v, g_raw), -1).flatten(1)
    needs = ctx.needs_input_grad
    gradients: list[Tensor | None] = [None] * len(weights)
    for i in reversed(range(depth)):
        mask = masks[i]
        if needs[3 + 2 * i]:
            own = g.t().mm(units[i])
            gradients[2 * i] = own if mask is None else own.mul_(mask)
        if needs[4 + 2 * i]:
            gradients[2 * i + 1] = g.sum(0)
        if i == 0 and not (needs[1] or needs[2]):
            break
        g = g.mm(effective[i])
        if i > 0:
            g = derivative(g, inputs[i - 1], units[i])
    g_x = g_context = None
    if needs[1] or needs[2]:
        if context is not None:
            width = g.shape[1] - context.shape[1]
            g, g_context = g[:, :width], g[:, width:] if needs[2] else None
        if coupling is None:
            g_x = g + g_b
        elif g_a is not None:
            g_x = torch.cat((g + g_a, g_b), 1).index_select(1, coupling.place)
    return [g_x if needs[1] else None, g_context, *gradients]
