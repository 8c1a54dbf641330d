"""Ensemble of regressed mixtures: a linear Gaussian posterior fitted to the data, refined by mixtures.

member    q_k: x → soft edges (a map of bounded components to the real line, logarithmic near a bound; where
          it raises the likelihood) → whitened residuals of a linear regression on y → for each residual a
          mixture of two-piece normals whose modes, scales and weights depend on y and on the residuals before
          it. If it has a higher likelihood, a regression whose errors are a scale mixture of normals,
          truncated to the bounds of x, replaces the first two steps
bounds    without soft edges: each mixture is truncated to the range of its residual given those before it.
          For more than two components each member whitens the residuals in its own order, which makes this
          range exact: no probability lies outside the bounds of x, and hard edges are kept as they are
density   p(x | y) = (1/K) Σ_k q_k(x | y); soft edges and regression are common to the K members
features  of y: as in the ensemble of regressed spline flows (`regressed_ensemble`)
start     soft edges, regression and features are fitted to the training data and the mixtures are close to
          standard normal: training begins at the best linear Gaussian posterior
whole     numbers k: the probability of the interval from k − ½ to k + ½, given the numbers before it; the
          residuals of each member are turned so that it is an interval of one residual
few rows  the regression has a ridge penalty, and the residuals of a training row are those of a fit that has
          not seen it (`workbench.nn.ridge`); nor have the members that judge it. A set of blocks is given up
          where a linear fit to y in its order predicts x better
order     of the residuals: ascending and descending in alternate members. Two members are trained for a few
          steps, one in each order; where held-out data are significantly more likely in one order, by a fifth
          of a nat at least, all members take it
sampling  z = (z₀, ζ), all standard normal: Φ(z₀) selects the member, which maps ζ to residuals
inverse   none: it is unknown which member a point came from
Developed on the tasks of the study `posteriors`: a mixture of two normals is the posterior of one of them
(gaussian_mixture), and sets of exchangeable blocks suit another (slcp). The study `recipe` measures it on
eight tasks that took no part.
Trained by maximum likelihood, each member on its own, as the ensemble of regressed spline flows. A mixture
represents narrow modes and jumps of the density directly, where a spline needs steep slopes, and a training
step is cheaper.
Source: Bishop 1994, Mixture density networks; Germain et al. 2015, MADE, arXiv:1502.03509; Lakshminarayanan,
Pritzel & Blundell 2017, Deep ensembles, arXiv:1612.01474. The combination: this project.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import param

from workbench.architectures.base import ARCHITECTURES, activation_module
from workbench.architectures.regressed import RegressedArchitecture
from workbench.core.lazy import torch
from workbench.core.shapes import Shapes

if TYPE_CHECKING:
    from workbench.architectures.models.regressed_mixtures import RegressedMixturesModel


@ARCHITECTURES.register
class RegressedMixtures(RegressedArchitecture):
    """Ensemble of masked networks that give mixtures for the residuals of one common regression on y."""

    key = "regressed_mixtures"
    title = "Ensemble of regressed mixtures"
    summary = "A regression on y fitted to the data, then mixtures within the bounds, averaged over networks."
    reference = (
        "Bishop (1994), Mixture density networks; Germain et al. (2015), MADE, arXiv:1502.03509; "
        "Lakshminarayanan, Pritzel & Blundell (2017), Deep ensembles, arXiv:1612.01474"
    )

    depth = param.Integer(default=3)
    bells = param.Integer(
        default=8,
        bounds=(2, 64),
        doc="""
        Components of each mixture. More of them resolve finer detail.""",
    )
    detail = param.Number(
        default=2.0,
        bounds=(0.1, 20.0),
        doc="""
        Initial weights of the networks' first layer, relative to the usual ones. Larger ones fit fine
        structure sooner, and noise as well.""",
    )

    folds = param.Integer(
        default=0,
        bounds=(0, 20),
        doc="""
        Parts of the training data; each network leaves one of them out, and is judged by it. For few data. 0:
        all networks learn from all training data.""",
    )

    def refusals(self, shapes: Shapes) -> list[str]:
        reasons = super().refusals(shapes)
        if self.folds > self.members:
            reasons.append(f"{self.folds} folds need at least as many networks, and there are {self.members}")
        return reasons

    def assemble(self, shapes: Shapes) -> RegressedMixturesModel:
        from workbench.architectures.models.regressed_mixtures import RegressedMixturesModel
        from workbench.nn.stacked_masked_network import StackedMaskedNetwork
        from workbench.nn.two_piece_normal import PARAMETERS

        orders = torch.arange(shapes.x).repeat(self.members, 1)  # residuals come in the member's order
        network = StackedMaskedNetwork(
            orders,
            2 * shapes.y,
            PARAMETERS * self.bells,
            [self.width] * self.depth,
            activation_module(self.activation),
            detail=self.detail,
            linear=True,
        )
        return RegressedMixturesModel(shapes, network, self.members, self.capabilities, self.folds)
