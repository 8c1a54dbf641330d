"""Lipschitz constants of a bijection T: x -> z and of its inverse: declared by its class, or measured.

declared    M residual blocks x + F(x) with Lip(F) <= ℓ < 1:  Lip(T) <= (1+ℓ)^M,  Lip(T⁻¹) <= (1-ℓ)^(-M)
            F(x) = W2 tanh(W1 x + b1) + b2 of width H, with |W1|, |W2| <= s (largest singular value) and
            |b2| <= B:  ℓ = s²,  |T(x) - x| <= M (s sqrt H + B)
measured    the largest singular value of ∂z/∂x and of ∂x/∂z over given points, by singular values (small D,
            the dimension) or by power iteration (large D): both *lower* bounds of the true constants

A bound of VINA Theorem 3.1 computed from measured constants is therefore only an estimate, and is marked as
one.
Source: VINA, arXiv:2602.20480, Definition 3.1; Behrmann et al. (2019), arXiv:1811.00995, Lemma 2.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.core.entries import public
from workbench.core.errors import DataError
from workbench.core.lazy import torch
from workbench.theory.checks import at_least_one, inside, not_negative, positive

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.core.model import Model

#: Up to this many inputs the whole Jacobian is computed; for more, power iteration estimates its norm.
_SMALL = 64


@dataclass(frozen=True)
class LipschitzConstants:
    """Lipschitz constants of a bijection T (``forward``) and of its inverse T⁻¹ (``inverse``).

    ``source`` is "declared" (upper bounds) or "measured" (the largest slope at some points, a lower bound).
    """

    forward: float
    inverse: float
    source: str

    @property
    def largest(self) -> float:
        """The larger of both constants: J of assumption INN1 of VINA Theorem 3.1 (arXiv:2602.20480)."""
        return max(self.forward, self.inverse)


@public
def residual_constants(*, blocks: int, contraction: float) -> LipschitzConstants:
    """Return the constants declared by residual blocks x + F(x): (1 + ℓ)^M, and of the inverse (1 - ℓ)^(-M).

    ``blocks`` is their number M, ``contraction`` ℓ < 1 a bound on the Lipschitz constant of each F. Behrmann
    et al. (2019), arXiv:1811.00995, Lemma 2.
    """
    blocks = int(at_least_one("the number of blocks", blocks))
    contraction = inside("the contraction", contraction, 0, 1 - 1e-12)
    return LipschitzConstants((1 + contraction) ** blocks, (1 - contraction) ** -blocks, "declared")


@public
def bounded_residual_constants(*, blocks: int, norm: float) -> LipschitzConstants:
    """Return the constants that VINA's bounded residual blocks declare (arXiv:2602.20480, Definition 3.1).

    A block is x + W2 tanh(W1 x + b1) + b2; ``norm`` is the bound s < 1 on the largest singular values of W1
    and W2, so that the block's second part has the Lipschitz constant s². ``blocks`` is their number.
    """
    return residual_constants(blocks=blocks, contraction=inside("the norm s", norm, 0, 1 - 1e-12) ** 2)


@public
def bounded_residual_displacement(*, blocks: int, norm: float, width: int, bias: float) -> float:
    """Return the bound J0 = M (s sqrt H + B) on |T(x) - x| and |T⁻¹(z) - z|, in the units of x.

    T is a chain of VINA's bounded residual blocks x + W2 tanh(W1 x + b1) + b2 (arXiv:2602.20480, Definition
    3.1): ``blocks`` is their number M, ``norm`` the bound s on the singular values of the weights, ``width``
    the number H of hidden units, ``bias`` the bound B on |b2|.
    """
    inner = not_negative("the norm s", norm) * math.sqrt(at_least_one("the width H", width))
    return int(at_least_one("the number of blocks", blocks)) * (inner + not_negative("the bias B", bias))


@public
def estimate_lipschitz(
    model: Model, x: Tensor, y: Tensor | None = None, *, seed: int = 0
) -> LipschitzConstants:
    """Measure the largest slopes of x -> z at x (n, D) and of z -> x at the latents of x.

    In standardised units; for a conditional model y (n, M), M observed components, is fixed. Both are lower
    bounds of the true constants.
    """
    if x.ndim != 2 or x.shape[1] != model.features or not torch.isfinite(x).all():
        raise DataError(
            "Lipschitz constants are estimated at finite points of the model's dimension",
            expected=f"(n, {model.features})",
            found=str(tuple(x.shape)),
        )
    with torch.no_grad():
        z, _ = model.latent(x, y)
    forward = steepest(lambda u: model.latent(u, y)[0], x, seed=seed)
    inverse = steepest(lambda u: model.inverse(u, y)[0], z, seed=seed)
    return LipschitzConstants(forward, inverse, "measured")


@public
def bijection_constants(function: Callable[[Tensor], Tensor], points: Tensor) -> LipschitzConstants:
    """Measure the Lipschitz constants of a bijection and its inverse at points (n, D), by forward Jacobians.

    The singular values of the inverse's Jacobian at ``function(x)`` are the reciprocals of those at x, so
    that an inverse by root finding needs no gradient. Points with a Jacobian that is not finite are left out.
    """
    matrices = jacobians(function, points).double()
    matrices = matrices[matrices.isfinite().all(-1).all(-1)]
    if not len(matrices):
        raise DataError("A Lipschitz constant needs a point with a finite Jacobian")
    values = torch.linalg.svdvals(matrices)
    least = float(values[:, -1].min())
    return LipschitzConstants(float(values[:, 0].max()), 1 / least if least > 0 else math.inf, "measured")


def steepest(function: Callable[[Tensor], Tensor], points: Tensor, *, seed: int = 0) -> float:
    """Return the largest singular value over points (n, D) of the Jacobian of a function that acts on rows.

    Estimated from below by power iteration for more than `_SMALL` inputs, exact otherwise.
    """
    if points.shape[1] <= _SMALL:
        return float(torch.linalg.matrix_norm(jacobians(function, points), ord=2).max())
    return power_iteration(function, points, seed=seed)


def jacobians(function: Callable[[Tensor], Tensor], points: Tensor) -> Tensor:
    """Return the Jacobians (n, K, D) at points (n, D) of a function that acts on rows and has K outputs.

    One backward pass per output.
    """
    points = points.detach().requires_grad_()
    with torch.enable_grad():
        out = function(points)
        rows = [
            torch.autograd.grad(out[:, k].sum(), points, retain_graph=True)[0] for k in range(out.shape[1])
        ]
    return torch.stack(rows, 1)


def power_iteration(
    function: Callable[[Tensor], Tensor], points: Tensor, *, steps: int = 50, seed: int = 0
) -> float:
    """Estimate the largest singular value over points (n, D) of the Jacobian of a function that acts on rows.

    By ``steps`` power iterations on JᵀJ, J the Jacobian at a point: the estimate is a lower bound.
    """
    steps = int(positive("the number of steps", steps))
    generator = torch.Generator(points.device).manual_seed(seed)
    direction = torch.randn(points.shape, generator=generator, device=points.device, dtype=points.dtype)
    points = points.detach().requires_grad_()
    with torch.enable_grad():
        out = function(points)
        # J v by a double backward: the gradient of Jᵀw is linear in w
        dummy = torch.zeros_like(out, requires_grad=True)
        (product,) = torch.autograd.grad(out, points, dummy, create_graph=True)
        for _ in range(steps):
            direction = direction / direction.norm(dim=1, keepdim=True).clamp_min(1e-300)
            (image,) = torch.autograd.grad(product, dummy, direction, retain_graph=True)
            (direction,) = torch.autograd.grad(out, points, image, retain_graph=True)
    return float(image.detach().norm(dim=1).max())
