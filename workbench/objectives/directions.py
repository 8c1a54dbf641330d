"""Which two laws are compared, and when that pins the posterior down.

backward_joint     P_{X,Y}  and  P_{T⁻¹(Y,Z),Y}       equal exactly when T⁻¹(y, Z) is the posterior for almost
                                                      all y
backward_marginal  P_X      and  P_{T⁻¹(Y,Z)}         VINA eq. 50; a law of x alone says nothing about y
forward_true_y     P_{Y,Z}  and  P_{Y,T_z(X)}         VINA eq. 12; with T_y(X) = Y, or for a flow given y, as
                                                      good as backward_joint
forward_full       P_{Y,Z}  and  P_{T_y(X),T_z(X)}    VINA eq. 52; with T_y(X) = Y as good as backward_joint
without y          P_X and P_{T⁻¹(Z)}  or  P_Z and P_{T(X)}, the same for both names of a side

The first law is the one that training does not move ("data"), the second the one that it moves ("model").
All in standardised units; z is standard normal. A network that is padded is padded with exact zeros.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.core.capability import Capability
from workbench.core.model import Model
from workbench.objectives.base import Batch, draw_latent

DIRECTIONS = ("backward_joint", "forward_true_y", "forward_full", "backward_marginal")


@dataclass(frozen=True)
class Pair:
    """Samples of both laws, data (n, U) and model (m, U); what else was made on the way is kept for other
    terms.

    ``z`` (n, K) are the drawn latents; ``x_made`` (n, D) is T⁻¹(y, z) where it was computed.
    """

    data: Tensor
    model: Tensor
    z: Tensor
    x_made: Tensor | None = None


def is_forward(direction: str) -> bool:
    """Whether the latent side is compared."""
    return direction.startswith("forward")


def features(direction: str, model: Model) -> int:
    """Dimension U of the compared laws."""
    if is_forward(direction):
        return model.context + model.latent_features
    return model.features + (model.context if direction == "backward_joint" else 0)


def pair(direction: str, model: Model, batch: Batch, generator: torch.Generator) -> Pair:
    """Samples of the two laws on a batch; with y, row i of both belongs to the same y.

    A function of single points does not mind that; an estimate from pairs of points must, see
    `SampleDivergence.between_rows`.
    """
    z = draw_latent(model, len(batch), batch.x, generator)
    if is_forward(direction):
        reached, _ = model.latent(batch.x, batch.y)
        y_reached = batch.y
        if direction == "forward_full" and batch.y is not None:
            y_reached = model.predict(batch.x)
        data, made, x_made = _joint(batch.y, z), _joint(y_reached, reached), None
    else:
        x_made, _ = model.inverse(z, batch.y)
        y = batch.y if direction == "backward_joint" else None
        data, made = _joint(batch.x, y), _joint(x_made, y)
    return Pair(data, made, z, x_made)


def _joint(first: Tensor | None, second: Tensor | None) -> Tensor:
    """The columns of both side by side; a copy, so that a gradient at the data never reaches the data."""
    return torch.cat([part for part in (first, second) if part is not None], -1)


def conflicts(direction: str, problem, architecture) -> list[str]:
    """Why this direction cannot be computed, as sentences."""
    given = architecture.capabilities
    if is_forward(direction) and Capability.LATENT not in given:
        return [
            f"direction {direction} needs a model that {Capability.LATENT.sentence}; "
            f"{architecture.title} does not"
        ]
    observed = Capability.OBSERVATION in problem.capabilities
    if direction == "forward_full" and observed and Capability.FORWARD not in given:
        return [
            f"direction forward_full needs a model that {Capability.FORWARD.sentence}; "
            f"{architecture.title} does not (forward_true_y does without)"
        ]
    return []


def cautions(direction: str, problem, architecture, *, supervised: bool) -> list[str]:
    """Why this direction does not, or not alone, identify the posterior: sentences for the user.

    ``supervised`` says whether a loss L_y is added.
    """
    if Capability.OBSERVATION not in problem.capabilities:
        return []
    found = []
    held = supervised and Capability.FORWARD in architecture.capabilities
    if direction == "backward_marginal":
        found.append(
            "backward_marginal compares laws of x alone, which say nothing about y: "
            + (
                "the posterior is tied to y only as far as L_y reaches zero"
                if held
                else "a network that ignores y can be perfect by it and have no posterior at all"
            )
            + "; backward_joint identifies it."
        )
    if direction == "forward_full" and not held:
        found.append(
            "forward_full without L_y lets the network call any y what it likes: a bijection that mixes "
            "y and z can be perfect by it; add weight_y or take forward_true_y."
        )
    if is_forward(direction) and _surplus(architecture, problem.shapes):
        found.append(
            f"{direction} with zero padding compares a law of full dimension with T(x, 0), which stays on a "
            f"surface of dimension {problem.shapes.x}: divergences of densities are infinite or saturated "
            "whatever the network is; take backward_joint, or no more latents than x has components beyond y."
        )
    return found


def _surplus(architecture, shapes) -> bool:
    """Whether y and z together have more components than x."""
    if Capability.FORWARD not in architecture.capabilities:
        return False
    return shapes.x <= shapes.y or getattr(architecture, "extra_latent", 0) > 0
