"""Training of a critic v in adversarial training: its loss for a divergence, and one optimiser step.

maximised   the divergence's ``critic_value`` on samples of P and Q, minus its penalty and minus R1
R1          ½ w E|∇v|² on the data, for a weight w (Mescheder, Geiger, Nowozin 2018, arXiv:1801.04406)

Runs, divergence estimates and the adversarial studies all train their critics with these functions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from workbench.core.lazy import torch
from workbench.critics.stabilisers import clamp

if TYPE_CHECKING:
    from torch import Tensor, nn

    from workbench.divergences.base import VariationalDivergence


def bounded_logits(critic: nn.Module, points: Tensor, limit: float = 0.0) -> Tensor:
    """Return a critic's logits (n, 1) at points (n, D), clamped to ± ``limit`` unless ``limit`` is 0."""
    logits = critic(points)
    return clamp(logits, limit) if limit > 0 else logits


def critic_loss(
    divergence: VariationalDivergence,
    critic: nn.Module,
    data: Tensor,
    model: Tensor,
    generator: torch.Generator | None,
    *,
    data_first: bool = True,
    logit_clamp: float = 0.0,
    r1_weight: float = 0.0,
) -> Tensor:
    """Return the loss that a critic minimises, a scalar with gradient in the critic alone.

    Parameters
    ----------
    data, model : samples (n, D) and (m, D) of the distribution that stays fixed and of the one that is
        trained; both are treated as constants.
    generator : source of the random numbers of the divergence's penalty.
    data_first : the divergence is D(data || model), otherwise D(model || data).
    logit_clamp : limit to which logits are clamped; 0 for none.
    r1_weight : weight w of R1, ½ w E|∇v|² on the data.
    """
    data, model = data.detach().requires_grad_(r1_weight > 0), model.detach()
    at_data, at_model = (bounded_logits(critic, points, logit_clamp) for points in (data, model))
    logits, points = (at_data, at_model), (data, model)
    if not data_first:
        logits, points = logits[::-1], points[::-1]
    loss = -divergence.critic_value(*logits) + divergence.penalty(critic, *points, generator)
    if r1_weight > 0:
        (slope,) = torch.autograd.grad(at_data.sum(), data, create_graph=True)
        loss = loss + 0.5 * r1_weight * slope.square().sum(-1).mean()
    return loss


class Optimiser(Protocol):
    """Optimiser of torch, or one with the same methods."""

    @property
    def param_groups(self) -> list[dict[str, Any]]: ...

    def zero_grad(self, set_to_none: bool = True) -> None: ...

    def step(self) -> Any: ...


def critic_step(
    optimiser: Optimiser | torch.optim.Optimizer, loss: Tensor, *, gradient_clip: float = 0.0
) -> None:
    """Take one optimiser step on a critic's loss.

    The gradient is scaled down to the norm ``gradient_clip`` where it exceeds it; 0 for no limit.
    """
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    if gradient_clip > 0:
        parameters = [p for group in optimiser.param_groups for p in group["params"]]
        torch.nn.utils.clip_grad_norm_(parameters, gradient_clip)
    optimiser.step()
