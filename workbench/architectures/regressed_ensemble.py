"""Ensemble of regressed spline flows: a linear Gaussian posterior read off the data, splines for the rest.

member    q_k: x → soft edges, where bounds are worth bending for → residuals of a regression on y, made
          uncorrelated → autoregressive splines whose knots depend on y → normal numbers; where it fits x, a
          linear model with errors of several widths, cut off at a box, in the place of edges and regression
density   p(x | y) = (1/K) Σ_k q_k(x | y); edges and regression are the same for all members
reading   y, and beside it what is far from normal, straightened; where y is found to be a set of blocks whose
          order says nothing, the ordered blocks and their means, spreads and correlations
start     edges, regression and the reading of y from the training data; the splines close to the identity,
          so that training begins at the best linear Gaussian answer
sampling  z = (z₀, ζ), all standard normal: Φ(z₀) picks the member, which inverts ζ; draws outside the bounds
          of x are drawn anew
inverse   none: which member a point came from is not known, and there is no latent code
Trained by maximum likelihood, each member on its own: by the mean of the members' log densities, which by
Jensen's inequality is at most the log density of the mixture, the one that is looked at.
Source: Lakshminarayanan, Pritzel & Blundell 2017, Deep ensembles, arXiv:1612.01474; Durkan et al. 2019,
Neural Spline Flows, arXiv:1906.04032; Box & Cox 1964 (edges). Putting them together is ours.
"""

from __future__ import annotations

import math
from typing import ClassVar

import param
import torch
from torch import Tensor, nn

from workbench.architectures.base import ACTIVATIONS, ARCHITECTURES, CostCard, NetworkArchitecture
from workbench.architectures.flow_model import check_context, check_rows
from workbench.bijections.regression import Regression
from workbench.bijections.soft_edges import SoftEdges
from workbench.core.capability import Capability
from workbench.core.model import Model, standard_normal_log_density
from workbench.core.shapes import Shapes
from workbench.nn.exchangeable import Exchangeable
from workbench.nn.normal_scores import NormalScores
from workbench.nn.stacked_splines import StackedSplines
from workbench.nn.truncated_mixture import TruncatedMixture


class RegressedEnsembleModel(Model):
    """K members. A draw takes D + 1 standard normal numbers, the first of which picks the member."""

    def __init__(
        self, shapes: Shapes, layers: list[StackedSplines], members: int, capabilities: frozenset[str]
    ) -> None:
        super().__init__(shapes.x, shapes.y, shapes.x + 1, capabilities)
        self.members = members
        self.embedding = NormalScores(shapes.y) if shapes.y else None
        self.arrangement = Exchangeable(shapes.y) if shapes.y else None
        self.cut = TruncatedMixture(shapes.x, 2 * shapes.y)
        self.edges, self.regression = SoftEdges(shapes.x), Regression(shapes.x, 2 * shapes.y)
        self.layers = nn.ModuleList(layers)

    @property
    def keeps_bounds(self) -> bool:
        return True

    @property
    def starts_from_data(self) -> bool:
        return True

    @torch.no_grad()
    def prepare(self, x: Tensor, y: Tensor | None, bounds: Tensor) -> None:
        if self.embedding is not None:
            self.arrangement.prepare(x, y)
            self.embedding.prepare(self.arrangement(y)[1], whole=self.arrangement.found is not None)
        read = self._read(y)
        self.cut.prepare(x, read, bounds)
        if not self.cut.on:  # it has edges and regression of its own
            self.edges.prepare(x, read, bounds)
            self.regression.prepare(self.edges()(x), read)

    def _read(self, y: Tensor | None) -> Tensor | None:
        if self.embedding is None:
            return None
        beside, told = self.arrangement(y)
        return self.embedding(told, beside)

    def log_probs(self, x: Tensor, y: Tensor | None) -> Tensor:
        """log q_k(x | y) (K, n) of each member, in nats."""
        check_rows("x", x, self.features)
        check_context(y, self.context, x.shape[0])
        read = self._read(y)
        x, inside = self.cut(x, read)
        v, total = self.edges().call_and_ladj(x)
        shared = self.regression(read)
        u, total = shared(v), total + inside + shared.log_volume
        u = u.expand(self.members, *u.shape)
        for layer in self.layers:
            u, log_det = layer(u, read)
            total = total + log_det
        return standard_normal_log_density(u) + total

    def log_prob(self, x: Tensor, y: Tensor | None) -> Tensor:
        """log p(x | y) (n,) in nats."""
        return torch.logsumexp(self.log_probs(x, y), 0) - math.log(self.members)

    def log_prob_to_train(self, x: Tensor, y: Tensor | None) -> Tensor:
        """The mean of the members' own (n,)."""
        return self.log_probs(x, y).mean(0)

    def inverse(self, z: Tensor, y: Tensor | None) -> tuple[Tensor, None]:
        """z (n, D + 1) -> x (n, D). It has jumps where the member changes, hence no log-determinant."""
        check_rows("latent z", z, self.latent_features)
        check_context(y, self.context, z.shape[0])
        read = self._read(y)
        member = (self.members * torch.special.ndtr(z[:, 0])).long().clamp(max=self.members - 1)
        if torch.compiler.is_compiling():  # a graph cannot hold sets of rows whose size depends on the data
            every = self._back(z[:, 1:].expand(self.members, -1, -1), read, slice(None))
            picked = nn.functional.one_hot(member, self.members).to(z.dtype)
            u = torch.einsum("nk,knd->nd", picked, every)
        else:
            u = torch.empty_like(z[:, 1:])
            for k in range(self.members):
                rows = (member == k).nonzero()[:, 0]
                own = None if read is None else read[rows]
                u[rows] = self._back(z[rows, 1:][None], own, slice(k, k + 1))[0]
        return self.cut.inverse(self.edges().inv(self.regression(read).inv(u)), read), None

    def _back(self, u: Tensor, read: Tensor | None, members: slice) -> Tensor:
        for layer in reversed(self.layers):
            u = layer.inverse(u, read, members)
        return u


@ARCHITECTURES.register
class RegressedEnsemble(NetworkArchitecture):
    """Few wide spline layers on top of what the data say at once, several times over."""

    key = "regressed_ensemble"
    title = "Ensemble of regressed spline flows"
    summary = "A regression on y read off the data, then several spline flows that are averaged."
    reference = (
        "Lakshminarayanan, Pritzel & Blundell (2017), Deep ensembles, arXiv:1612.01474; "
        "Durkan et al. (2019), Neural Spline Flows, arXiv:1906.04032"
    )
    capabilities = frozenset({Capability.DENSITY, Capability.CONDITIONAL, Capability.UNCONDITIONAL})
    cost: ClassVar[CostCard] = CostCard(
        density="1 pass", sampling="D passes", inverse="none, there is no latent"
    )
    formats: ClassVar[dict[str, str]] = {"graph": "", "onnx": ""}

    members = param.Integer(
        default=3,
        bounds=(1, 32),
        doc="""
        Number K of flows. More of them overfit less, together.""",
    )
    transforms = param.Integer(
        default=2,
        bounds=(1, 16),
        doc="""
        Spline layers of each flow.""",
    )
    width = param.Integer(default=128)
    activation = param.Selector(default="silu")
    bins = param.Integer(
        default=16,
        bounds=(2, 64),
        doc="""
        Pieces of each spline. More pieces draw finer detail.""",
    )
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
                    activation=ACTIVATIONS[self.activation],
                )
            )
        return RegressedEnsembleModel(shapes, layers, self.members, self.capabilities)
