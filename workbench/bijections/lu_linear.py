"""An invertible linear map by its LU factors, which cannot become singular.

forward   v = P L U u,  L unit lower triangular, U upper triangular with diagonal σ_i exp(d_i);
          the permutation P and the signs σ are fixed at the start, L, d and the rest of U are learned
log-det   Σ d_i
inverse   u = U⁻¹ L⁻¹ Pᵀ v by substitution
start     a random rotation, taken apart
Source: Kingma & Dhariwal 2018, Glow, arXiv:1807.03039, section 3.2 (the 1 × 1 convolution, for vectors).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Transform, constraints
from zuko.lazy import LazyTransform


class LULinearTransform(Transform):
    """``order`` (D,): row i of the product goes to place ``order[i]``; ``lower``, ``upper`` (D, D)."""

    domain = constraints.real_vector
    codomain = constraints.real_vector
    bijective = True

    def __init__(self, order: Tensor, lower: Tensor, upper: Tensor, log_diagonal: Tensor) -> None:
        super().__init__()
        self.order, self.lower, self.upper, self.log_diagonal = order, lower, upper, log_diagonal

    def _call(self, u: Tensor) -> Tensor:
        return (u @ (self.lower @ self.upper).mT)[..., self.order]

    def _inverse(self, v: Tensor) -> Tensor:
        rows = v[..., self.order.argsort()]
        return substitute(self.upper, substitute(self.lower, rows, upper=False), upper=True)

    def log_abs_det_jacobian(self, u: Tensor, v: Tensor) -> Tensor:
        return self.log_diagonal.sum().expand(u.shape[:-1])


def substitute(matrix: Tensor, rows: Tensor, *, upper: bool) -> Tensor:
    """The rows x (…, D) with matrix @ x = rows, for a triangular matrix (D, D), or one a row (…, D, D)."""
    if not torch.compiler.is_compiling():
        if matrix.dim() > 2:
            return torch.linalg.solve_triangular(matrix, rows[..., None], upper=upper)[..., 0]
        return torch.linalg.solve_triangular(matrix, rows.mT, upper=upper).mT
    # an exported graph holds only what other programs know: ONNX has no triangular solver
    size, done = matrix.shape[-1], [torch.empty(0)] * matrix.shape[-1]
    for place in reversed(range(size)) if upper else range(size):
        known = range(place + 1, size) if upper else range(place)
        left = rows[..., place] - sum(matrix[..., place, k] * done[k] for k in known)
        done[place] = left / matrix[..., place, place]
    return torch.stack(done, dim=-1)


class LULinear(LazyTransform):
    """Does not look at the context. At least two features: one is what a scale is for."""

    def __init__(self, features: int) -> None:
        super().__init__()
        rotation = torch.linalg.qr(torch.randn(features, features))[0]
        places, lower, upper = torch.linalg.lu(rotation)
        self.register_buffer("order", places.argmax(dim=1))
        self.register_buffer("sign", upper.diagonal().sign())
        self.log_diagonal = nn.Parameter(upper.diagonal().abs().log())
        self.lower = nn.Parameter(lower.tril(-1))
        self.upper = nn.Parameter(upper.triu(1))

    def forward(self, c: Tensor | None = None) -> Transform:
        identity = torch.eye(len(self.sign), dtype=self.lower.dtype, device=self.lower.device)
        upper = self.upper.triu(1) + torch.diag(self.sign * self.log_diagonal.exp())
        return LULinearTransform(self.order, self.lower.tril(-1) + identity, upper, self.log_diagonal)
