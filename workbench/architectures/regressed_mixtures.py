"""Ensemble of regressed mixtures: a linear Gaussian posterior read off the data, bells for the rest.

member    q_k: x → soft edges, where bounds are worth bending for → residuals of a regression on y, made
          uncorrelated → one after the other, a mixture of split normal laws whose middles, widths and shares
          depend on y and on the residuals before it; where it fits x, a linear model with errors of several
          widths, cut off at a box, in the place of edges and regression
bounds    hard where they are not soft: each mixture is cut off at how far its component can go, so that next
          to nothing lies outside the bounds of x (in up to a dozen unknowns)
density   p(x | y) = (1/K) Σ_k q_k(x | y); edges and regression are the same for all members
reading   as the ensemble of regressed spline flows
start     edges, regression and the reading of y from the training data; the mixtures make normal numbers, so
          that training begins at the best linear Gaussian answer
order     which residual comes first: in neighbouring members the first or the last. Two members are trained
          for a few steps, one in each order; where held-out data are likelier in one of them beyond chance
          and by a fifth of a nat, all members take it
sampling  z = (z₀, ζ), all standard normal: Φ(z₀) picks the member, which makes its numbers of ζ; draws
          outside the bounds of x, where there are any, are drawn anew
inverse   none: which member a point came from is not known, and there is no latent code
Trained by maximum likelihood, each member on its own, as the ensemble of regressed spline flows. A mixture
places narrow modes and edges directly, where a spline has to bend towards them, and costs less a step.
Source: Bishop 1994, Mixture density networks; Germain et al. 2015, MADE, arXiv:1502.03509; Lakshminarayanan,
Pritzel & Blundell 2017, Deep ensembles, arXiv:1612.01474. Putting them together is ours.
"""

from __future__ import annotations

import copy
import math
from typing import ClassVar

import param
import torch
from torch import Tensor

from workbench.architectures.base import ACTIVATIONS, ARCHITECTURES, CostCard, NetworkArchitecture
from workbench.architectures.flow_model import check_context, check_rows
from workbench.bijections.regression import Regression
from workbench.bijections.soft_edges import SoftEdges
from workbench.core.capability import Capability
from workbench.core.model import Model
from workbench.core.shapes import Shapes
from workbench.nn.box_limits import BoxLimits
from workbench.nn.exchangeable import Exchangeable
from workbench.nn.normal_scores import NormalScores
from workbench.nn.stacked_splines import StackedMasked
from workbench.nn.truncated_mixture import TruncatedMixture
from workbench.nn.two_piece_normal import PARAMETERS, TwoPieceNormal

#: The trial of orders: steps, rows a step, learning rate, rows held out at most; and what an order must be
#: worth: so many standard errors, and nats.
_STEPS, _BATCH, _RATE, _HELD_OUT = 150, 256, 5e-3, 1000
_ERRORS, _WORTH = 3.0, 0.2
#: From so many unknowns on bounds are left to drawing anew: the work for limits grows with the square.
_MANY = 13
#: How far a limit is moved, in standard deviations, to hold a point that rounding has put on it.
_ROUNDING = 1e-5


class RegressedMixturesModel(Model):
    """K members. A draw takes D + 1 standard normal numbers, the first of which picks the member."""

    def __init__(
        self, shapes: Shapes, network: StackedMasked, members: int, capabilities: frozenset[str]
    ) -> None:
        super().__init__(shapes.x, shapes.y, shapes.x + 1, capabilities)
        self.members, self.network = members, network
        self.embedding = NormalScores(shapes.y) if shapes.y else None
        self.arrangement = Exchangeable(shapes.y) if shapes.y else None
        self.cut = TruncatedMixture(shapes.x, 2 * shapes.y)
        self.edges = SoftEdges(shapes.x)
        # the network has a straight line of its own
        self.regression = Regression(shapes.x, 2 * shapes.y, learned=False)
        self.limits = BoxLimits(members, shapes.x)
        ascending = torch.arange(shapes.x)
        self.register_buffer(
            "orders", torch.stack([ascending if k % 2 == 0 else ascending.flip(0) for k in range(members)])
        )

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
        edges = torch.full_like(bounds, torch.inf) * bounds.new_tensor([[-1.0], [1.0]])
        if not self.cut.on:  # it has edges and regression of its own
            self.edges.prepare(x, read, bounds)
            self.regression.prepare(self.edges()(x), read)
            soft = (self.edges.has_low + self.edges.has_high) > 0
            edges = torch.where(soft, edges, bounds)
        self._bound(edges)
        self._choose_order(x, y, edges)

    def _bound(self, edges: Tensor) -> None:
        if self.features < _MANY:
            self.limits.prepare(edges, self.regression.factor, self.regression.inverse_factor, self.orders)

    def _choose_order(self, x: Tensor, y: Tensor | None, edges: Tensor) -> None:
        held_out = min(_HELD_OUT, len(x) // 10)
        if self.features < 2 or self.members < 2 or held_out < 20:
            return
        trial, rows = copy.deepcopy(self), len(x) - held_out
        rates = {"lr": _RATE, "betas": (0.9, 0.99)}
        optimiser = torch.optim.Adam(trial.network.parameters(), **rates)
        size = min(_BATCH, rows)
        for step in range(_STEPS):
            where = torch.arange(step * size, (step + 1) * size, device=x.device) % rows
            with torch.enable_grad():
                loss = -trial.log_probs(x[where], None if y is None else y[where], slice(0, 2)).mean()
                optimiser.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(trial.network.parameters(), 1.0)
                optimiser.step()
        found = trial.log_probs(x[rows:], None if y is None else y[rows:], slice(0, 2))
        gain = (found[0] - found[1]).double()
        if abs(float(gain.mean())) > max(_WORTH, _ERRORS * float(gain.std()) / held_out**0.5):
            self.orders.copy_(self.orders[0 if gain.mean() > 0 else 1].expand_as(self.orders))
            self._bound(edges)

    def _read(self, y: Tensor | None) -> Tensor | None:
        if self.embedding is None:
            return None
        beside, told = self.arrangement(y)
        return self.embedding(told, beside)

    def _laws(
        self, u: Tensor, read: Tensor | None, shift: Tensor, members: slice
    ) -> tuple[TwoPieceNormal, tuple[Tensor, Tensor] | None]:
        """Of each component u (m, n, D), in the members' orders: its law and limits."""
        return TwoPieceNormal.read(self.network(u, read, members)), self.limits(u, shift, members)

    def log_probs(self, x: Tensor, y: Tensor | None, members: slice = slice(None)) -> Tensor:
        """log q_k(x | y) (K, n) of each member, in nats."""
        check_rows("x", x, self.features)
        check_context(y, self.context, x.shape[0])
        with torch.set_grad_enabled(x.requires_grad or (y is not None and y.requires_grad)):
            read = self._read(y)
            x, inside = self.cut(x, read)
            v, total = self.edges().call_and_ladj(x)
            shared = self.regression(read)
            u, total = shared(v), total + inside + shared.log_volume
            u = u[:, self.orders[members]].movedim(1, 0)
        laws, limits = self._laws(u, read, shared.shift, members)
        if limits is not None:
            held = u.detach()
            limits = (torch.minimum(limits[0], held - _ROUNDING), torch.maximum(limits[1], held + _ROUNDING))
        return laws.log_prob(u, limits).sum(-1) + total

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
            picked = torch.nn.functional.one_hot(member, self.members).to(z.dtype)
            u = torch.einsum("nk,knd->nd", picked, every)
        else:
            u = torch.empty_like(z[:, 1:])
            for k in range(self.members):
                rows = (member == k).nonzero()[:, 0]
                own = None if read is None else read[rows]
                u[rows] = self._back(z[rows, 1:][None], own, slice(k, k + 1))[0]
        return self.cut.inverse(self.edges().inv(self.regression(read).inv(u)), read), None

    @torch.no_grad()
    def _back(self, z: Tensor, read: Tensor | None, members: slice) -> Tensor:
        """z (m, n, D) -> u (m, n, D), component after component."""
        u, shift = torch.zeros_like(z), self.regression(read).shift
        for i in range(self.features):
            laws, limits = self._laws(u, read, shift, members)
            own = TwoPieceNormal(*(t[:, :, i] for t in (laws.log_share, laws.middle, laws.below, laws.above)))
            found = own.draw(z[:, :, i], limits and (limits[0][..., i], limits[1][..., i]))
            u = torch.cat([u[..., :i], found[..., None], u[..., i + 1 :]], -1)
        places = self.orders[members].argsort(-1)[:, None].expand(u.shape)
        return u.gather(-1, places)


@ARCHITECTURES.register
class RegressedMixtures(NetworkArchitecture):
    """One network a member, on top of what the data say at once, several times over."""

    key = "regressed_mixtures"
    title = "Ensemble of regressed mixtures"
    summary = "A regression on y read off the data, then mixtures of bells that keep to the bounds, averaged."
    reference = (
        "Bishop (1994), Mixture density networks; Germain et al. (2015), MADE, arXiv:1502.03509; "
        "Lakshminarayanan, Pritzel & Blundell (2017), Deep ensembles, arXiv:1612.01474"
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
        Number K of networks. More of them overfit less, together.""",
    )
    width = param.Integer(default=128)
    depth = param.Integer(default=3)
    activation = param.Selector(default="silu")
    bells = param.Integer(
        default=8,
        bounds=(2, 64),
        doc="""
        Components of each mixture. More of them draw finer detail.""",
    )
    detail = param.Number(
        default=2.0,
        bounds=(0.1, 20.0),
        doc="""
        How steep the networks' first layer begins. Steeper ones find fine structure sooner, and chance sooner
        too.""",
    )

    def assemble(self, shapes: Shapes) -> RegressedMixturesModel:
        orders = torch.arange(shapes.x).repeat(self.members, 1)  # each member's numbers come in its order
        network = StackedMasked(
            orders,
            2 * shapes.y,
            PARAMETERS * self.bells,
            [self.width] * self.depth,
            ACTIVATIONS[self.activation],
            detail=self.detail,
            straight=True,
        )
        return RegressedMixturesModel(shapes, network, self.members, self.capabilities)
