"""Invertible linear map, parametrised by LU factors that cannot become singular.

forward   v = P L U u,  L unit lower triangular, U upper triangular with diagonal σ_i exp(d_i);
          the permutation P and the signs σ are fixed at the start, L, d and the rest of U are learned
log-det   Σ d_i
inverse   u = U⁻¹ L⁻¹ Pᵀ v by substitution
start     the LU factors of a random rotation
Source: Kingma & Dhariwal 2018, Glow, arXiv:1807.03039, section 3.2 (the 1 × 1 convolution, for vectors).

zuko's ``LULinearTransform`` differs in more than the permutation: its diagonal belongs to L and is learned
without a logarithm, so that it can change sign and the map become singular; and it inverts by a triangular
solver, which ONNX does not have.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Transform
from zuko.lazy import LazyTransform

from workbench.bijections.transform import VectorTransform
from workbench.nn.triangular import solve_triangular


class LULinearTransform(VectorTransform):
    """Transform v = P L U u, ``lower`` L and ``upper`` U (D, D); v_i is component ``order[i]`` of L U u."""

    def __init__(self, order: Tensor, lower: Tensor, upper: Tensor, log_diagonal: Tensor) -> None:
        super().__init__()
        self.order, self.lower, self.upper, self.log_diagonal = order, lower, upper, log_diagonal

    def _call(self, u: Tensor) -> Tensor:
        return (u @ (self.lower @ self.upper).mT)[..., self.order]

    def _inverse(self, v: Tensor) -> Tensor:
        rows = v[..., self.order.argsort()]
        return solve_triangular(self.upper, solve_triangular(self.lower, rows, upper=False), upper=True)

    def log_abs_det_jacobian(self, u: Tensor, v: Tensor) -> Tensor:
        return self.log_diagonal.sum().expand(u.shape[:-1])


class LULinear(LazyTransform):
    """Layer v = P L U u, for at least two features; it does not depend on the context."""

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
