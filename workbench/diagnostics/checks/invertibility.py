"""Round trips through the network on fresh data and fresh latents.

x → z → x    error max_i |x̂_i − x_i| in standard deviations of x; z → x → z: max_i |ẑ_i − z_i|.
A point whose error exceeds 1e-3, or is not finite, is lost. Green: none lost, medians at most 1e-4. Amber:
at most 1 % lost. Red otherwise. A network that predicts y comes back to x from the y that it predicted.
"""

from __future__ import annotations

import param
import torch

from workbench.core.capability import Capability
from workbench.diagnostics.checks.base import DIAGNOSTICS, Diagnostic, fresh, on_cpu
from workbench.snapshots.views.invertibility import round_trips


@DIAGNOSTICS.register
class Invertibility(Diagnostic):
    """Does the inverse undo the network, both ways?"""

    key = "invertibility"
    title = "Invertibility"
    summary = "Round trips x → z → x and z → x → z: largest and median error, and the share of lost latents."
    reference = "Behrmann et al. 2021, arXiv 2006.09347 (exploding inverses)"
    checked = "Whether the network's inverse undoes it, on fresh data and on fresh latents."
    remedy = "Bound the scales of the layers, use fewer of them, or compute in float64."
    needs_model = frozenset({Capability.LATENT})
    thorough = {"points": 20_000}

    points = param.Integer(1000, bounds=(10, 200_000), doc="Number of points sent each way.")

    def _measure(self, fitted, problem, seed):
        data = fresh(fitted, problem, self.points, seed)
        y = data.observation()
        scale = data.x.std(0).clamp(min=1e-12)
        code, _ = fitted.latent(data.x, y)
        own = fitted.predict(data.x) if Capability.FORWARD in fitted.capabilities else y
        back, _ = fitted.inverse(code, own)
        there = ((on_cpu(back) - data.x).abs() / scale).amax(1)
        # latents are drawn on the CPU: the same numbers on every device
        z = torch.randn(code.shape, generator=torch.Generator().manual_seed(seed + 2), dtype=torch.float64)
        made, _ = fitted.inverse(z.to(code), y)
        finite = made.isfinite().all(1)
        again = torch.full((len(z),), torch.inf, dtype=torch.float64)
        if bool(finite.any()):
            kept = None if y is None else y[finite.cpu()]
            code_again, _ = fitted.latent(made[finite], kept)
            again[finite.cpu()] = (on_cpu(code_again) - z[finite.cpu()]).abs().amax(1)
        found = round_trips([there.numpy(), again.numpy()], {"view": "invertibility", "iteration": 0})
        return found.assign_attrs(in_sample=int(data.in_sample))
