"""How steep the network and its inverse are, and what that leaves of the numbers' precision.

Constants    the largest singular value of ∂z/∂x and the reciprocal of the smallest, over fresh points, with x
             in standard deviations: the steepest slopes of T and of T⁻¹ that were seen, lower bounds of their
             Lipschitz constants.
Condition    the product of the two, at each point: a rounding error on the way there comes back so many times
             as large.
Verdict      ε · condition, with ε the precision of the network's numbers: green up to 1e-4, amber up to
             1e-2, red beyond. A steep network is not a wrong one (a narrow posterior needs slopes), but one
             whose inverse and density cannot be trusted to many digits.
Blind to     whether the posterior is right.
"""

from __future__ import annotations

import numpy as np
import param
import torch

from workbench.core.capability import Capability
from workbench.diagnostics.checks.base import DIAGNOSTICS, Diagnostic, dataset, fresh
from workbench.theory.lipschitz import jacobians

GREEN, AMBER = 1e-4, 1e-2


@DIAGNOSTICS.register
class Lipschitz(Diagnostic):
    """Lipschitz constants of the network and of its inverse, as seen."""

    key = "lipschitz"
    title = "Lipschitz constants"
    summary = "The steepest slopes of the network and of its inverse, and the precision that they leave."
    reference = "Behrmann et al. 2021, arXiv 2006.09347"
    checked = "How much the network and its inverse magnify a small error."
    remedy = "Bound the scales of the layers, use fewer of them, or compute in float64."
    needs_model = frozenset({Capability.LATENT, Capability.DENSITY})
    thorough = {"points": 1000}

    points = param.Integer(100, bounds=(10, 20_000), doc="Number of fresh points at which slopes are taken.")

    def _measure(self, fitted, problem, seed):
        data = fresh(fitted, problem, self.points, seed)
        scale = data.x.std(0).clamp(min=1e-12)
        y = data.observation()
        found = jacobians(lambda u: fitted.latent(u, y)[0], data.x).detach().cpu().double() * scale
        kept = found.isfinite().all(-1).all(-1)
        values = torch.linalg.svdvals(found[kept]) if bool(kept.any()) else torch.full((1, 1), torch.nan)
        steepest, flattest = values[:, 0].numpy(), values[:, -1].numpy()
        with np.errstate(divide="ignore"):
            inverse = 1 / flattest
            condition = steepest / flattest
        dtype = getattr(getattr(fitted, "model", None), "dtype", torch.float64)
        error = float(torch.finfo(dtype).eps * condition.max())
        lost = 1 - float(kept.double().mean())
        verdict = "green" if error <= GREEN else "amber" if error <= AMBER else "red"
        return dataset(
            {
                "forward": ((), float(steepest.max()), {"long_name": "steepest slope of x → z"}),
                "inverse": ((), float(inverse.max()), {"long_name": "steepest slope of z → x"}),
                "forward_slope": ("point", steepest),
                "inverse_slope": ("point", inverse),
                "condition": ("point", condition),
                "rounding": ((), error, {"long_name": "precision times the largest condition"}),
                "non_finite_share": ((), lost),
            },
            verdict="red" if lost > 0 else verdict,
            sentence=(
                f"Slopes reach {steepest.max():.3g} from x to the latent and {inverse.max():.3g} back; "
                f"rounding comes back as {error:.1g} standard deviations at most."
            ),
            data=data,
        )
