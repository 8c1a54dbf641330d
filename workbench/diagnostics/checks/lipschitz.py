"""Lipschitz constants of the network T: x → z and of its inverse, and the precision lost by them.

Constants    the largest singular value of ∂z/∂x and the reciprocal of the smallest, over fresh points, with x
             in standard deviations: lower bounds of the Lipschitz constants of T and of T⁻¹.
Condition    the product of the two, at each point: the factor by which a rounding error grows on a round
             trip.
Verdict      ε · condition, with ε the precision of the network's numbers: green up to 1e-4, amber up to
             1e-2, red beyond. A steep network is not a wrong one (a narrow posterior needs slopes), but one
             whose inverse and density cannot be trusted to many digits.
Blind to     errors of the posterior.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import param

from workbench.core.capability import Capability
from workbench.core.lazy import torch
from workbench.core.scale import column_scale
from workbench.diagnostics.checks.base import DIAGNOSTICS, Diagnostic, dataset, held_out_pairs

if TYPE_CHECKING:
    import xarray as xr

    from workbench.inference.fitted_model import FittedModel
    from workbench.problems import Problem

GREEN, AMBER = 1e-4, 1e-2


@DIAGNOSTICS.register
class Lipschitz(Diagnostic):
    """Check of the Lipschitz constants of the network and of its inverse, estimated from below."""

    key = "lipschitz"
    title = "Lipschitz constants"
    summary = "The steepest slopes of the network and of its inverse, and the precision that they leave."
    reference = "Behrmann et al. 2021, arXiv 2006.09347"
    purpose = "How much the network and its inverse magnify a small error."
    remedy = "Bound the scales of the layers, use fewer of them, or compute in float64."
    needs_model = frozenset({Capability.LATENT, Capability.DENSITY})
    thorough = {"points": 1000}
    notices = frozenset()

    points = param.Integer(100, bounds=(10, 20_000), doc="Number of fresh points at which slopes are taken.")

    def _measure(self, fitted: FittedModel, problem: Problem, seed: int) -> xr.Dataset:
        from workbench.theory.lipschitz import jacobians

        data = held_out_pairs(fitted, problem, self.points, seed)
        scale = column_scale(data.x)
        y = data.observation()
        jacobian = jacobians(lambda u: fitted.latent(u, y)[0], data.x).detach().cpu().double() * scale
        finite = jacobian.isfinite().all(-1).all(-1)
        if bool(finite.any()):
            values = torch.linalg.svdvals(jacobian[finite])
        else:
            values = torch.full((1, 1), torch.nan)
        steepest, flattest = values[:, 0].numpy(), values[:, -1].numpy()
        with np.errstate(divide="ignore"):
            inverse = 1 / flattest
            condition = steepest / flattest
        dtype = getattr(getattr(fitted, "model", None), "dtype", torch.float64)
        error = float(torch.finfo(dtype).eps * condition.max())
        non_finite = 1 - float(finite.double().mean())
        verdict = "green" if error <= GREEN else "amber" if error <= AMBER else "red"
        return dataset(
            {
                "forward": ((), float(steepest.max()), {"long_name": "steepest slope of x → z"}),
                "inverse": ((), float(inverse.max()), {"long_name": "steepest slope of z → x"}),
                "forward_slope": ("point", steepest),
                "inverse_slope": ("point", inverse),
                "condition": ("point", condition),
                "rounding": ((), error, {"long_name": "precision times the largest condition"}),
                "non_finite_share": ((), non_finite),
            },
            verdict="red" if non_finite > 0 else verdict,
            sentence=(
                f"Slopes reach {steepest.max():.3g} from x to the latent and {inverse.max():.3g} back; "
                f"rounding comes back as {error:.1g} standard deviations at most."
            ),
            data=data,
        )
