"""Directions: the pairs of distributions that a variational objective compares.

backward_joint     P_{X,Y}  and  P_{T⁻¹(Y,Z),Y}       equal exactly when T⁻¹(y, Z) is the posterior for almost
                                                      all y
backward_marginal  P_X      and  P_{T⁻¹(Y,Z)}         VINA eq. 50; distributions of x alone, without y
forward_true_y     P_{Y,Z}  and  P_{Y,T_z(X)}         VINA eq. 12; with T_y(X) = Y, or for a flow given y,
                                                      equivalent to backward_joint
forward_full       P_{Y,Z}  and  P_{T_y(X),T_z(X)}    VINA eq. 52; with T_y(X) = Y equivalent to
                                                      backward_joint
without y          P_X and P_{T⁻¹(Z)} for both backward directions, P_Z and P_{T(X)} for both forward ones

T maps x to [y, z], or for a flow to z given y. The first distribution is fixed ("data"), the second depends
on the network ("model"). All are in standardised units; z is standard normal. Padding is exactly zero. VINA:
arXiv:2602.20480.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.core.capability import Capability, unmet_need
from workbench.core.lazy import torch
from workbench.objectives.base import Batch, draw_latent

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.architectures.base import Architecture
    from workbench.core.model import Model
    from workbench.core.shapes import Shapes
    from workbench.problems.base import Problem

DIRECTIONS = ("backward_joint", "forward_true_y", "forward_full", "backward_marginal")


@dataclass(frozen=True)
class Pair:
    """Samples of the two distributions of a direction: data (n, U) and model (n, U).

    ``z`` (n, K) are the latents from which they were computed, and ``x`` (n, D) is T⁻¹(y, z), or None for
    forward directions. The reconstruction and prior terms of a loss use z and x.
    """

    data: Tensor
    model: Tensor
    z: Tensor
    x: Tensor | None = None


def is_forward(direction: str) -> bool:
    """True for directions that compare distributions of the outputs [y, z] of T rather than of x."""
    return direction.startswith("forward")


def features(direction: str, model: Model) -> int:
    """Return the dimension U of the distributions that a direction compares."""
    if is_forward(direction):
        return model.context + model.latent_features
    return model.features + (model.context if direction == "backward_joint" else 0)


def pair(direction: str, model: Model, batch: Batch, generator: torch.Generator) -> Pair:
    """Draw samples of the two distributions of a direction, given a batch.

    With an observation, row i of both has the same y. This does not affect means over single points, but
    estimates from pairs of points, see `SampleDivergence.between_rows`.
    """
    z = draw_latent(model, len(batch), batch.x, generator)
    if is_forward(direction):
        code, _ = model.latent(batch.x, batch.y)
        y = batch.y
        if direction == "forward_full" and batch.y is not None:
            y = model.predict(batch.x)
        return Pair(_joint(batch.y, z), _joint(y, code), z)
    x, _ = model.inverse(z, batch.y)
    y = batch.y if direction == "backward_joint" else None
    return Pair(_joint(batch.x, y), _joint(x, y), z, x)


def _joint(first: Tensor | None, second: Tensor | None) -> Tensor:
    """Concatenate columns, leaving out None; always a copy, so that no gradient is stored with the data."""
    return torch.cat([part for part in (first, second) if part is not None], -1)


def conflicts(direction: str, problem: Problem, architecture: Architecture) -> list[str]:
    """Return reasons why a direction cannot be computed, one sentence each; empty if it can."""
    if is_forward(direction) and Capability.LATENT not in architecture.capabilities:
        return [unmet_need(f"direction {direction}", Capability.LATENT, architecture.title)]
    has_y = Capability.OBSERVATION in problem.capabilities
    if direction == "forward_full" and has_y and Capability.FORWARD not in architecture.capabilities:
        need = unmet_need(f"direction {direction}", Capability.FORWARD, architecture.title)
        return [f"{need} (forward_true_y does without)"]
    return []


def cautions(direction: str, problem: Problem, architecture: Architecture, *, supervised: bool) -> list[str]:
    """Return warnings that minimising the divergence in this direction need not lead to the posterior.

    One sentence each, for the user. ``supervised`` is true where a loss L_y of the predicted y is added.
    """
    if Capability.OBSERVATION not in problem.capabilities:
        return []
    sentences = []
    has_supervision = supervised and Capability.FORWARD in architecture.capabilities
    if direction == "backward_marginal":
        sentences.append(
            "backward_marginal compares distributions of x alone, which do not involve y: "
            + (
                "the posterior is tied to y only as far as L_y reaches zero"
                if has_supervision
                else "a network that ignores y can be perfect by it and have no posterior at all"
            )
            + "; backward_joint identifies it."
        )
    if direction == "forward_full" and not has_supervision:
        sentences.append(
            "forward_full without L_y lets the network call any y what it likes: a bijection that mixes "
            "y and z can be perfect by it; add weight_y or take forward_true_y."
        )
    if is_forward(direction) and _surplus(architecture, problem.shapes):
        sentences.append(
            f"{direction} with zero padding compares a distribution of full dimension with T(x, 0), on a "
            f"surface of dimension {problem.shapes.x}: divergences of densities are infinite or saturated "
            "whatever the network is; take backward_joint, or no more latents than x has components beyond y."
        )
    return sentences


def _surplus(architecture: Architecture, shapes: Shapes) -> bool:
    """True for a network from x to [y, z] where y and z together have more components than x."""
    if Capability.FORWARD not in architecture.capabilities:
        return False
    return shapes.x <= shapes.y or getattr(architecture, "extra_latent", 0) > 0
