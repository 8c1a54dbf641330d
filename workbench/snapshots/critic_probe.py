"""A run's critic as an estimate of log data/model, whatever its inputs and the order of its arguments.

Inputs of the critic:  backward_joint (x, y) · backward_marginal x · forward_true_y and forward_full (y, z)
Output:                its logit estimates log P/Q, where P is the data and Q the model, or the other way
                       round; here it is always converted into L = log data/model of x given y
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.core.capability import Capability
from workbench.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.training import Run


@dataclass(frozen=True)
class CriticProbe:
    """A run's critic, which estimates log P/Q of data and model in either order, and its conventions.

    forward : the critic compares distributions of (y, z) and not of (x, y).
    data_first : P is the distribution of the data.
    """

    run: Run
    direction: str
    forward: bool
    data_first: bool

    @property
    def sign(self) -> float:
        """Factor ±1 by which log P/Q becomes log data/model: latent side and order of P, Q each flip it."""
        return 1.0 if self.data_first_in_x else -1.0

    @property
    def data_first_in_x(self) -> bool:
        """True if P, mapped to the space of x, is the distribution of the data."""
        return self.forward != self.data_first

    def inputs(self, x: Tensor, y: Tensor | None) -> Tensor:
        """Return the critic's input rows for standardised x (n, D) and y (n, M)."""
        return self._latent_inputs(self.run.model.latent(x, y)[0], y) if self.forward else self._pair(x, y)

    def _latent_inputs(self, z: Tensor, y: Tensor | None) -> Tensor:
        return z if y is None else torch.cat([y, z], -1)

    def _pair(self, x: Tensor, y: Tensor | None) -> Tensor:
        return x if y is None or self.direction == "backward_marginal" else torch.cat([x, y], -1)

    def logits(self, points: Tensor) -> Tensor:
        """Return the critic's logits (n,) as the model's loss uses them: with moving average and clamp."""
        loss: Any = self.run.loss
        moving_average = getattr(loss, "averaged", None)
        logits = (loss.critic if moving_average is None else moving_average)(points)[:, 0]
        limit = getattr(loss.objective, "logit_clamp", 0)
        return logits.clamp(-limit, limit) if limit > 0 else logits

    def log_ratio(self, x: Tensor, y: Tensor | None) -> Tensor:
        """Return the critic's estimate of log data/model (n,), float64 on the CPU; for ratio divergences."""
        loss: Any = self.run.loss
        log_ratio = loss.divergence.log_ratio(self.logits(self.inputs(x, y)))
        return self.sign * log_ratio.detach().cpu().double()

    def logits_of_both(self, x: Tensor, y: Tensor | None, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return the critic's logits at points of P and of Q, its first and second distribution.

        The points are made of data x (n, D), y (n, M), and of latents z (n, latent features).
        """
        draws = self._latent_inputs(z, y) if self.forward else self._pair(self.run.model.inverse(z, y)[0], y)
        at_data, at_draws = self.logits(self.inputs(x, y)), self.logits(draws)
        # the fixed distribution counts as the data: on the latent side that of the draws
        return (at_data, at_draws) if self.data_first_in_x else (at_draws, at_data)


def critic_probe(run: Run) -> CriticProbe | None:
    """Return a probe of the run's critic; None without a critic that estimates log P/Q of (x, y)."""
    divergence = getattr(run.loss, "divergence", None)
    if run.loss.critic is None or not getattr(divergence, "from_ratio", False):
        return None
    objective = run.loss.objective
    direction = getattr(objective, "direction", "backward_joint")
    forward = direction.startswith("forward")
    if run.data.has_y and direction == "backward_marginal":
        return None  # y is no input of it
    if run.data.has_y and forward and Capability.FORWARD in run.model.capabilities:
        return None  # (y, T_z(x)) is no bijection of (x, y), so that its ratio is another
    first = getattr(objective, "order", "data_first") == "data_first"
    return CriticProbe(run, direction, forward, first)
