"""A network with a Lipschitz bound below one: every matrix is divided by its norm where that is too large.

weights   Ŵ = W / max(1, ‖W‖₂ / s), at every use: no optimiser step and no file can break the bound
norm      ‖W‖₂ = ‖W v‖, v the top eigenvector of WᵀW, exact: on a random 64 × 64 matrix five power iterations
          are 7 % too small and one is 28 % too small, at the same cost
Lipschitz L = sˡ for l matrices and activations of slope at most one; the matrix applied to the context is
          not bounded
bounded   one hidden layer of H units, tanh, ‖b‖ ≤ B: then |g(x)| ≤ s √H + B everywhere, which is the class of
          VINA's Definition 3.1
Source: Miyato et al. 2018, arXiv:1802.05957; Behrmann et al. 2019, arXiv:1811.00995, section 2.1;
VINA, arXiv:2602.20480, Definition 3.1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from workbench.nn.smooth_network import Activation, SmoothNetwork

#: Relative distance of a norm from its bound, for rounding.
_MARGIN = 1e-5


class Contraction(SmoothNetwork):
    """Network g(x, c) with a Lipschitz bound in x: |g(x, c) − g(x', c)| ≤ lipschitz · |x − x'|.

    Parameters
    ----------
    lipschitz : the bound, between 0 and 1.
    bias_bound : largest norm of a bias; infinite for none.
    """

    def __init__(
        self,
        features: int,
        context: int,
        hidden: Sequence[int],
        activation: Activation,
        *,
        lipschitz: float,
        bias_bound: float = math.inf,
    ) -> None:
        super().__init__(features, context, hidden, activation)
        self.lipschitz, self.bias_bound = lipschitz, bias_bound
        #: s, the largest spectral norm of each matrix
        self.norm_bound = lipschitz ** (1 / len(self.matrices))

    def bounded_weights(self) -> tuple[list[Tensor], list[Tensor]]:
        """Matrices and biases, scaled down where their norms exceed the bounds; differentiable."""
        limit = self.norm_bound * (1 - _MARGIN)
        matrices = [w / (operator_norm(w) / limit).clamp(min=1.0) for w in self.matrices]
        biases = list(self.biases)
        if math.isfinite(self.bias_bound):
            biases = [b / (torch.linalg.vector_norm(b) / self.bias_bound).clamp(min=1.0) for b in biases]
        return matrices, biases

    @property
    def value_bound(self) -> float:
        """Bound of |g| for tanh with one hidden layer; infinite where the biases are unbounded."""
        return self.norm_bound * math.sqrt(self.matrices[0].shape[0]) + self.bias_bound


def operator_norm(matrix: Tensor) -> Tensor:
    """Return the spectral norm ‖W‖₂ of a matrix, differentiable."""
    with torch.no_grad():
        wide = matrix.shape[0] < matrix.shape[1]
        # weights that are not finite give a norm that is not, and the run rolls the step back
        gram = (matrix @ matrix.mT if wide else matrix.mT @ matrix).nan_to_num()
        top = torch.linalg.eigh(gram)[1][:, -1]
    return torch.linalg.vector_norm(top @ matrix if wide else matrix @ top)
