"""Solver for triangular linear systems that can also be traced and exported to ONNX."""

from __future__ import annotations

import torch
from torch import Tensor


def solve_triangular(matrix: Tensor, rows: Tensor, *, upper: bool) -> Tensor:
    """Return x (…, D) with matrix @ x = row for each row, for one triangular matrix (D, D) or one per row.

    In a traced graph the substitution is written out, since ONNX has no triangular solver.
    """
    if not torch.compiler.is_compiling():
        if matrix.dim() > 2:
            return torch.linalg.solve_triangular(matrix, rows[..., None], upper=upper)[..., 0]
        return torch.linalg.solve_triangular(matrix, rows.mT, upper=upper).mT
    size = matrix.shape[-1]
    solution = [torch.empty(0)] * size
    for place in reversed(range(size)) if upper else range(size):
        earlier = range(place + 1, size) if upper else range(place)
        remainder = rows[..., place] - sum(matrix[..., place, k] * solution[k] for k in earlier)
        solution[place] = remainder / matrix[..., place, place]
    return torch.stack(solution, dim=-1)
