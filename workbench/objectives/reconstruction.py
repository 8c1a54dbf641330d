"""Loss of autoencoders as inverse networks: reconstruction, supervision of y, and a normal latent code.

L = w_y |y − ŷ|² + w_z MMD²( [stop_gradient(ŷ), ẑ], [y, z] ) + w_x |x − x̂|² + w_o Σ_l ‖W_lᵀ W_l − I‖²,
[ŷ, ẑ] = e(x), x̂ = d(ŷ, ẑ), z ~ N(0, I).  The MMD compares joint distributions: the code must be normal *and*
independent of y, or samples at a given y would be wrong. Without y the first term is missing and the second
compares ẑ with z alone.
Source: Kruse, Ardizzone, Rother & Köthe 2021, arXiv:2101.10763; Mehta et al., A review of invertible neural
networks, eq. (16); Teng & Choromanska 2019 (the last term).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import param

from workbench.core.capability import Capability
from workbench.core.lazy import torch
from workbench.divergences import mmd_squared
from workbench.objectives.base import OBJECTIVES, Batch, Context, Loss, Objective, draw_latent

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.architectures.base import Architecture
    from workbench.core.model import Model
    from workbench.problems.base import Problem

_TIED_ONLY = frozenset({"weight_orthogonality"})


@OBJECTIVES.register
class Reconstruction(Objective):
    """Objective of autoencoders: reconstruction of x, supervision of y, and a normal latent code."""

    key = "reconstruction"
    title = "Reconstruction"
    summary = "Rebuilds x from its code, supervises y, and makes the code normal; loss (16)."
    reference = "Review of invertible neural networks, eq. 16; Kruse et al. (2021), arXiv:2101.10763"
    needs_model = frozenset({Capability.DECODER})
    live = frozenset({"weight_y", "weight_latent", "weight_reconstruction", "weight_orthogonality"})

    weight_y = param.Number(1.0, bounds=(0, 1e4), doc="Weight of the supervised loss of y.")
    weight_latent = param.Number(
        10.0,
        bounds=(0, 1e4),
        doc="Weight of the MMD between the code and "
        "a standard normal that is independent of y; 0 leaves the code free.",
    )
    weight_reconstruction = param.Number(1.0, bounds=(0, 1e4), doc="Weight of the reconstruction of x.")
    weight_orthogonality = param.Number(
        0.0, bounds=(0, 1e4), doc="Weight of the deviation of the tied matrices from orthogonal ones."
    )

    def conflicts(self, problem: Problem, architecture: Architecture) -> list[str]:
        if Capability.JOINT_LIKELIHOOD in architecture.capabilities:
            return [
                f"{architecture.title} is a flow beside its decoder; choose maximum likelihood, which "
                "trains both"
            ]
        return []

    def unused(self, architecture: Architecture) -> frozenset[str]:
        return frozenset() if Capability.TIED in architecture.capabilities else _TIED_ONLY

    def build(self, model: Model, context: Context) -> Loss:
        return ReconstructionLoss(self, context)


class ReconstructionLoss(Loss):
    """Autoencoder loss with the parts misfit_y, mmd_latent, reconstruction and orthogonality.

    There is misfit_y only with an observation, and orthogonality only if encoder and decoder share matrices.
    """

    objective: Reconstruction

    def parts(self, model: Model, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        x, y = batch.x, batch.y
        y_hat, z_hat = model.encode(x)
        z = draw_latent(model, len(batch), x, generator)
        parts = {} if y is None else {"misfit_y": (y_hat - y).square().sum(-1).mean()}
        pairs = (z_hat, z) if y is None else (torch.cat([y_hat.detach(), z_hat], -1), torch.cat([y, z], -1))
        parts["mmd_latent"] = mmd_squared(*pairs, kernel_name="forward")
        parts["reconstruction"] = (x - model.decode(y_hat, z_hat)).square().sum(-1).mean()
        if Capability.TIED in model.capabilities:
            parts["orthogonality"] = model.off_orthogonal()
        return parts

    def weights(self, progress: float) -> dict[str, float]:
        spec = self.objective
        return {
            "misfit_y": spec.weight_y,
            "mmd_latent": spec.weight_latent,
            "reconstruction": spec.weight_reconstruction,
            "orthogonality": spec.weight_orthogonality,
        }
