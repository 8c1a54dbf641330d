"""Ensemble of regressed spline flows: a linear Gaussian posterior fitted to the data, refined by splines.

member    q_k: x → soft edges (a map of bounded components to the real line, logarithmic near a bound; where
          it raises the likelihood) → whitened residuals of a linear regression on y → autoregressive
          splines whose knots depend on y → standard normal numbers. If it has a higher likelihood, a
          regression whose errors are a scale mixture of normals, truncated to the bounds of x, replaces the
          first two steps
density   p(x | y) = (1/K) Σ_k q_k(x | y); soft edges and regression are common to the K members
features  of y: y itself, and normal scores of the components far from normal; where y is a set of
          exchangeable blocks, the sorted blocks and their means, standard deviations and correlations
start     soft edges, regression and features are fitted to the training data and the splines are close to the
          identity: training begins at the best linear Gaussian posterior
sampling  z = (z₀, ζ), all standard normal: Φ(z₀) selects the member, whose inverse maps ζ to x; samples
          outside the bounds of x are rejected and replaced
inverse   none: it is unknown which member a point came from
Trained by maximum likelihood, each member on its own, that is by the mean of the members' log-densities; by
Jensen's inequality it is at most the log-density of the ensemble, which is what is reported.
Source: Lakshminarayanan, Pritzel & Blundell 2017, Deep ensembles, arXiv:1612.01474; Durkan et al. 2019,
Neural Spline Flows, arXiv:1906.04032; Box & Cox 1964 (soft edges). The combination: this project.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import param

from workbench.architectures.base import ARCHITECTURES, activation_module
from workbench.architectures.regressed import RegressedArchitecture
from workbench.architectures.splines import BINS_DOC
from workbench.core.lazy import torch
from workbench.core.shapes import Shapes

if TYPE_CHECKING:
    from workbench.architectures.models.regressed_ensemble import RegressedEnsembleModel


@ARCHITECTURES.register
class RegressedEnsemble(RegressedArchitecture):
    """Ensemble of spline flows of a few wide layers, for the residuals of one common regression on y."""

    key = "regressed_ensemble"
    title = "Ensemble of regressed spline flows"
    summary = "A regression on y fitted to the data, then several spline flows that are averaged."
    reference = (
        "Lakshminarayanan, Pritzel & Blundell (2017), Deep ensembles, arXiv:1612.01474; "
        "Durkan et al. (2019), Neural Spline Flows, arXiv:1906.04032"
    )

    transforms = param.Integer(
        default=2,
        bounds=(1, 16),
        doc="""
        Spline layers of each flow.""",
    )
    bins = param.Integer(default=16, bounds=(2, 64), doc=BINS_DOC)
    bound = param.Number(
        default=5.0,
        bounds=(1.0, 20.0),
        doc="""
        The splines act between −bound and +bound, in standard deviations of the residuals; further out they
        are the identity.""",
    )
    least_slope = param.Number(
        default=1e-3,
        bounds=(1e-5, 0.1),
        doc="""
        Slopes of the splines stay between this and its inverse. Smaller allows thinner structure, and loses
        digits of the inverse where it is used.""",
    )

    def assemble(self, shapes: Shapes) -> RegressedEnsembleModel:
        from workbench.architectures.models.regressed_ensemble import RegressedEnsembleModel
        from workbench.bijections.stacked_splines import StackedSplines

        ascending = torch.arange(shapes.x)
        layers = []
        for number in range(self.transforms):
            # neighbouring members and neighbouring layers begin at opposite ends
            orders = torch.stack(
                [ascending if (number + k) % 2 == 0 else ascending.flip(0) for k in range(self.members)]
            )
            layers.append(
                StackedSplines(
                    orders,
                    2 * shapes.y,
                    bins=self.bins,
                    bound=self.bound,
                    slope=self.least_slope,
                    hidden=[self.width] * self.depth,
                    activation=activation_module(self.activation),
                )
            )
        return RegressedEnsembleModel(shapes, layers, self.members, self.capabilities)
