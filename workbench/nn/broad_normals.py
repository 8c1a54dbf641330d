"""Broad normal distributions that share the probability with an ensemble's members.

density   p = w₀ · (mean of the members' densities) + Σ_j w_j N(u; 0, s_j² I) |∂u/∂x|,  u the residuals of a
          linear regression: however sure the members are of themselves, p falls off slowly
weights   of each row of data its members' density is given by members that have not seen it; the weights w
          maximise the likelihood of these rows (stacking), with pseudo-counts that keep each of them positive
Source: Wolpert 1992 and Smyth & Wolpert 1999 (stacked density estimation); Dempster, Laird & Rubin 1977 (EM).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

#: Standard deviations s_j of the residuals, and pseudo-counts of the members and of each s_j.
SCALES = (2.5, 6.0)
_COUNTS = (1.0, 0.5, 0.5)
#: Weights before they are fitted, and steps of expectation-maximisation.
_START, _ROUNDS = (0.98, 0.01, 0.01), 300


class BroadNormals(nn.Module):
    """Scales and weights of the broad normals beside an ensemble; without a fit they have no weight."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("shares", torch.tensor([1.0, *(0.0 for _ in SCALES)]))
        self.register_buffer("scales", torch.tensor(SCALES))
        self.on = False  # a Python bool: a traced graph holds one branch only

    def _load_from_state_dict(self, state: dict, prefix: str, *args, **settings) -> None:
        for name, value in self.named_buffers():  # a version without them
            state.setdefault(prefix + name, value)
        super()._load_from_state_dict(state, prefix, *args, **settings)
        self.on = bool(self.shares[0] < 1)

    def start(self) -> None:
        """Give the broad normals a small weight."""
        self.shares.copy_(torch.tensor(_START).to(self.shares))
        self.on = True

    def log_prob(self, members: Tensor, broad: Tensor) -> Tensor:
        """Mix log-densities of the members, averaged, (n,) and of the broad normals (J, n) -> (n,)."""
        every = torch.cat([members[None], broad])
        return torch.logsumexp(every + self.shares.log()[:, None], 0)

    @torch.no_grad()
    def fit(self, members: Tensor, broad: Tensor) -> None:
        """Fit the weights to log-densities of rows, as in `log_prob`, by members that have not seen them."""
        rows = torch.cat([members[None], broad]).cpu().double().T  # not every device has double precision
        counts = torch.tensor(_COUNTS).to(rows)
        shares = counts / counts.sum()
        for _ in range(_ROUNDS):
            total = (rows + shares.log()).softmax(1).sum(0) + counts
            shares = total / total.sum()
        if bool(shares.isfinite().all()):
            self.shares.copy_(shares)

    def choice(self, z: Tensor, members: int) -> Tensor:
        """Select for standard normal z (n,) a member 0 … K − 1, or K + j for broad normal j."""
        each = torch.cat([(self.shares[:1] / members).expand(members), self.shares[1:]])
        return (torch.special.ndtr(z)[:, None] > each.cumsum(0)[:-1]).sum(-1)
