"""Invertibility: errors of round trips through the network on fresh data and fresh latents.

x → z → x    error max_i |x̂_i − x_i| in standard deviations of x; z → x → z: max_i |ẑ_i − z_i|.
A point whose error exceeds 1e-3, or is not finite, counts as lost. Green: none lost, and medians at most
1e-4. Amber: at most 1 % lost. Red otherwise. A network that predicts y is inverted at the y that it predicts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import param

from workbench.core.capability import Capability
from workbench.core.lazy import torch
from workbench.core.scale import column_scale
from workbench.diagnostics.checks.base import DIAGNOSTICS, Diagnostic, held_out_pairs, on_cpu

if TYPE_CHECKING:
    import xarray as xr

    from workbench.inference.fitted_model import FittedModel
    from workbench.problems import Problem


@DIAGNOSTICS.register
class Invertibility(Diagnostic):
    """Check of the round-trip errors x → z → x and z → x → z."""

    key = "invertibility"
    title = "Invertibility"
    summary = "Round trips x → z → x and z → x → z: largest and median error, and the share of lost latents."
    reference = "Behrmann et al. 2021, arXiv 2006.09347 (exploding inverses)"
    purpose = "Whether the network's inverse undoes it, on fresh data and on fresh latents."
    remedy = "Bound the scales of the layers, use fewer of them, or compute in float64."
    needs_model = frozenset({Capability.LATENT})
    thorough = {"points": 20_000}
    notices = frozenset()

    points = param.Integer(1000, bounds=(10, 200_000), doc="Number of points sent each way.")

    def _measure(self, fitted: FittedModel, problem: Problem, seed: int) -> xr.Dataset:
        from workbench.snapshots.invertibility import round_trips

        data = held_out_pairs(fitted, problem, self.points, seed)
        y = data.observation()
        scale = column_scale(data.x)
        code, _ = fitted.latent(data.x, y)
        own_y = fitted.predict(data.x) if Capability.FORWARD in fitted.capabilities else y
        x_back, _ = fitted.inverse(code, own_y)
        x_error = ((on_cpu(x_back) - data.x).abs() / scale).amax(1)
        # latents are drawn on the CPU: the same numbers on every device
        z = torch.randn(code.shape, generator=torch.Generator().manual_seed(seed + 2), dtype=torch.float64)
        x, _ = fitted.inverse(z.to(code), y)
        finite = x.isfinite().all(1)
        z_error = torch.full((len(z),), torch.inf, dtype=torch.float64)
        if bool(finite.any()):
            rows = None if y is None else y[finite.cpu()]
            z_back, _ = fitted.latent(x[finite], rows)
            z_error[finite.cpu()] = (on_cpu(z_back) - z[finite.cpu()]).abs().amax(1)
        attrs = {"view": "invertibility", "iteration": 0}
        result = round_trips([x_error.numpy(), z_error.numpy()], attrs)
        return result.assign_attrs(in_sample=int(data.in_sample))
