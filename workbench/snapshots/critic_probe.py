"""The critic of a run as a judge of points, whichever side it looks at and in whichever order.

What the critic sees:  backward_joint (x, y) · backward_marginal x · forward_true_y and forward_full (y, z)
What it says:          its logit stands for log P/Q, with P and Q data and model, or exchanged; here it is
                       always turned into L = log data/model of x given y
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.core.capability import Capability


@dataclass(frozen=True)
class Judge:
    """How to ask a run's critic. ``forward``: it looks at the latent side; ``data_first``: P is the data."""

    run: object
    direction: str
    forward: bool
    data_first: bool

    @property
    def sign(self) -> float:
        """L is so many times log P/Q: the latent side and the order each turn it round."""
        return 1.0 if self.data_first_in_x else -1.0

    @property
    def data_first_in_x(self) -> bool:
        """Whether P, brought to the side of x, is the law of the data."""
        return self.forward != self.data_first

    def seen(self, x: Tensor, y: Tensor | None, z: Tensor | None = None) -> Tensor:
        """What the critic is shown of standardised points; ``z`` saves the way through the network."""
        if self.forward:
            z = self.run.model.latent(x, y)[0] if z is None else z
            return z if y is None else torch.cat([y, z], -1)
        alone = y is None or self.direction == "backward_marginal"
        return x if alone else torch.cat([x, y], -1)

    def logits(self, points: Tensor) -> Tensor:
        """Of the critic that the model descends: averaged and clamped where that was asked for. (n,)"""
        loss, objective = self.run.loss, self.run.loss.objective
        averaged = getattr(loss, "averaged", None)
        found = (loss.critic if averaged is None else averaged)(points)[:, 0]
        limit = getattr(objective, "logit_clamp", 0)
        return found.clamp(-limit, limit) if limit > 0 else found

    def log_ratio(self, x: Tensor, y: Tensor | None) -> Tensor:
        """L (n,) as the critic sees it, float64 on the CPU; for divergences with a ratio."""
        found = self.run.loss.divergence.log_ratio(self.logits(self.seen(x, y)))
        return self.sign * found.detach().cpu().double()

    def value(self, x: Tensor, y: Tensor | None, z: Tensor) -> tuple[Tensor, Tensor]:
        """Logits at points of P and of Q: data x (n, D), y (n, M) and latents z (n, K)."""
        made = None if self.forward else self.run.model.inverse(z, y)[0]
        at_data, at_draws = self.logits(self.seen(x, y)), self.logits(self.seen(made, y, z))
        # the law that training does not move counts as the data: on the latent side that of the draws
        return (at_data, at_draws) if self.data_first_in_x else (at_draws, at_data)


def judge(run) -> Judge | None:
    """How to ask the run's critic; None where it has none, or one that does not know log P/Q of (x, y)."""
    divergence = getattr(run.loss, "divergence", None)
    if run.loss.critic is None or not getattr(divergence, "from_ratio", False):
        return None
    objective = run.loss.objective
    direction = getattr(objective, "direction", "backward_joint")
    forward = direction.startswith("forward")
    if run.data.has_y and direction == "backward_marginal":
        return None  # it never sees y
    if run.data.has_y and forward and Capability.FORWARD in run.model.capabilities:
        return None  # (y, T_z(x)) is no bijection of (x, y), so that its ratio is another
    first = getattr(objective, "order", "data_first") == "data_first"
    return Judge(run, direction, forward, first)
