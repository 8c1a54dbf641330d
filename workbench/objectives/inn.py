"""Losses of the invertible neural network of Ardizzone et al. (2019), arXiv:1808.04730.

L_y   E |T_y(x) - y|²
L_z   MMD²( [stop_gradient(T_y(x)), T_z(x)], [y, z] )          on the joint, without a gradient through T_y(x)
L_x   MMD²( T⁻¹(y, z), x )                                     its weight rises from almost zero over the run
pad   E |T_pad(x)|² and, with padding, the reconstruction of x from noisy outputs
z is standard normal, T = [T_y, T_z, T_pad] the network.
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

    from workbench.core.model import Model

_START_OF_RAMP = 0.002


@OBJECTIVES.register
class INNObjective(Objective):
    """Objective of the INN: a supervised loss of y plus MMDs of latents and of x."""

    key = "inn"
    title = "INN: L_y + λ_z L_z + λ_x L_x"
    summary = "Supervises y; MMD makes the latent normal and independent of y, and the samples like the data."
    reference = "Ardizzone et al. (2019), arXiv:1808.04730; VINA eq. 2 with D = MMD"
    needs_model = frozenset({Capability.FORWARD, Capability.LATENT, Capability.EXACT_INVERSE})
    needs_problem = frozenset({Capability.OBSERVATION})
    live = frozenset({"weight_y", "weight_z", "weight_x", "weight_reconstruction", "noise_y", "noise_z"})

    weight_y = param.Number(10.0, bounds=(0, 1e4), doc="Weight of the supervised loss L_y.")
    weight_z = param.Number(
        50.0, bounds=(0, 1e4), doc="Weight λ_z of the MMD on the joint of y and the latent."
    )
    weight_x = param.Number(50.0, bounds=(0, 1e4), doc="Weight λ_x of the MMD on x, reached gradually.")
    weight_reconstruction = param.Number(
        1.0,
        bounds=(0, 1e4),
        doc="Weight of the padding loss and of the "
        "reconstruction of x from noisy outputs (only with padding).",
    )
    kernel_z = param.Selector(
        default="backward",
        objects=["forward", "backward", "multiscale"],
        doc="Kernel of L_z. The published one, forward, gives hardly any gradient to a latent that is "
        "far away; the other two have heavier tails and pull it back, so that modes are not lost.",
    )
    noise_y = param.Number(
        0.02, bounds=(0, 1), doc="Noise on y in the backward passes, in standardised units."
    )
    noise_z = param.Number(0.02, bounds=(0, 1), doc="Noise on the latent in the reconstruction.")
    noise_padding = param.Number(0.01, bounds=(0, 1), doc="Noise on padding inputs and outputs.")

    def build(self, model: Model, context: Context) -> Loss:
        return INNLoss(self, context)


class INNLoss(Loss):
    """INN loss with the parts misfit_y, mmd_latent, mmd_x and, if padded, padding and reconstruction."""

    objective: INNObjective

    def parts(self, model: Model, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        x, y = batch.x, batch.y
        noise = self._noise(len(x), model.width - model.features, self.objective.noise_padding, x, generator)
        out, _ = model.forward_full(model.pad_x(x, noise))
        y_hat, z_hat, padding = model.split(out)
        z = draw_latent(model, len(x), x, generator)
        parts = {
            "misfit_y": (y_hat - y).square().sum(-1).mean(),
            "mmd_latent": mmd_squared(
                torch.cat([y_hat.detach(), z_hat], -1),
                torch.cat([y, z], -1),
                kernel_name=self.objective.kernel_z,
            ),
            "mmd_x": self._mmd_x(model, x, y, z, generator),
        }
        if model.width > min(model.features, y.shape[-1] + model.latent_features):
            parts["padding"] = padding.square().sum(-1).mean() if padding.shape[-1] else x.new_zeros(())
            parts["reconstruction"] = self._reconstruction(model, x, y_hat, z_hat, padding, generator)
        return parts

    def _mmd_x(self, model: Model, x: Tensor, y: Tensor, z: Tensor, generator: torch.Generator) -> Tensor:
        spec = self.objective
        y_noisy = y + spec.noise_y * torch.randn(y.shape, generator=generator, device=y.device, dtype=y.dtype)
        n_padding = model.width - y.shape[-1] - z.shape[-1]
        padding = self._noise(len(x), n_padding, spec.noise_padding, x, generator)
        x_back, _ = model.inverse_full(model.join(y_noisy, z, padding))
        return mmd_squared(x_back[:, : model.features], x, kernel_name="backward")

    def _reconstruction(
        self,
        model: Model,
        x: Tensor,
        y_hat: Tensor,
        z_hat: Tensor,
        padding: Tensor,
        generator: torch.Generator,
    ) -> Tensor:
        spec = self.objective
        noisy = [
            part + self._noise(*part.shape, size, x, generator)
            for part, size in ((y_hat, spec.noise_y), (z_hat, spec.noise_z), (padding, spec.noise_padding))
        ]
        x_back, _ = model.inverse_full(model.join(*noisy))
        return (x_back[:, : model.features] - x).square().sum(-1).mean()

    @staticmethod
    def _noise(n: int, features: int, size: float, like: Tensor, generator: torch.Generator) -> Tensor:
        return size * torch.randn(n, features, generator=generator, device=like.device, dtype=like.dtype)

    def weights(self, progress: float) -> dict[str, float]:
        spec = self.objective
        ramp = min(1.0, 2.0 * _START_OF_RAMP ** (1.0 - min(max(progress, 0.0), 1.0)))
        return {
            "misfit_y": spec.weight_y,
            "mmd_latent": spec.weight_z,
            "mmd_x": spec.weight_x * ramp,
            "padding": spec.weight_reconstruction,
            "reconstruction": spec.weight_reconstruction,
        }
