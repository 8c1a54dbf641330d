"""Base of the regressed ensembles: a linear Gaussian posterior fitted to the data, refined by K networks.

x → soft edges (a map of bounded components to the real line, logarithmic near a bound) → residuals of a
linear regression on features of y → one flow or mixture per ensemble member. Soft edges, regression and
features of y are common to all members; they are fitted to the training data before training starts. If it
has a higher likelihood, a regression truncated to the bounds of x replaces soft edges and regression. The
density is zero outside the bounds of x, and integrates to one inside.
"""

from __future__ import annotations

import math
from abc import abstractmethod

import torch
from torch import Tensor, nn

from workbench.architectures.models.input_checks import check_context, check_rows
from workbench.bijections.regression import Regression, RegressionTransform
from workbench.bijections.soft_edges import SoftEdges
from workbench.bijections.truncated_mixture import TruncatedMixture
from workbench.core.model import Model
from workbench.core.scale import nonzero
from workbench.core.shapes import Shapes
from workbench.nn.exchangeable import Exchangeable
from workbench.nn.normal_scores import NormalScores
from workbench.nn.ridge import fit_ridge
from workbench.nn.support import Support

#: Coefficients of a regression per row, beyond which no layer is fitted by rows that it has seen.
_MOST_FREEDOM = 0.2
#: Most rows, and standard errors of the gain, by which blocks of y are tested for a loss of information.
_ROWS, _ERRORS = 10_000, 3.0


class RegressedModel(Model):
    """Ensemble of K conditional densities, which are averaged.

    A sample takes D + 1 standard normal numbers: the first selects the member, which maps the others to x.

    Parameters
    ----------
    learned_regression : train offset and slope of the regression together with the members; otherwise they
        keep the values fitted by `prepare`.
    """

    def __init__(
        self, shapes: Shapes, members: int, capabilities: frozenset[str], *, learned_regression: bool
    ) -> None:
        super().__init__(shapes.x, shapes.y, shapes.x + 1, capabilities)
        self.members = members
        self.embedding = NormalScores(shapes.y) if shapes.y else None
        self.arrangement = Exchangeable(shapes.y) if shapes.y else None
        self.cut = TruncatedMixture(shapes.x, 2 * shapes.y)
        self.edges = SoftEdges(shapes.x)
        self.regression = Regression(shapes.x, 2 * shapes.y, learned=learned_regression)
        self.support = Support(shapes.x)
        #: labels (n,) of training rows that belong together; None where all are independent
        self.labels: Tensor | None = None
        #: what the prediction (n, D) of each training row changes by if the regression has not seen the row
        self.unseen_change: Tensor | None = None

    def _load_from_state_dict(self, state: dict, prefix: str, *args, **settings) -> None:
        if prefix + "support.edges" not in state:  # stored by a version that knew bounds by its parts alone
            state.update(self._support_of_parts(state, prefix))
        super()._load_from_state_dict(state, prefix, *args, **settings)

    def _support_of_parts(self, state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
        """Return the entries of `support` in a state that lacks them: the bounds that its parts store."""
        get = lambda name, default: state.get(prefix + name, default)  # noqa: E731
        nothing = torch.zeros(2, self.features)
        there = torch.stack([get(f"edges.has_{side}", nothing[0]) for side in ("low", "high")]) > 0
        edges = torch.stack([get(f"edges.{side}", nothing[0]) for side in ("low", "high")])
        has_limit = get("limits.there", nothing > 0)
        edges = torch.where(has_limit, get("limits.edges", nothing).to(edges), edges)
        cut = bool(get("cut.active", torch.zeros(())))
        edges = get("cut.edges", nothing).to(edges) if cut else edges
        there = torch.ones_like(there) if cut else there | has_limit
        return {
            prefix + "support.edges": torch.where(there, edges, 0.0),
            prefix + "support.there": there,
            prefix + "support.exact": torch.tensor(False),
        }

    @abstractmethod
    def log_probs(self, x: Tensor, y: Tensor | None) -> Tensor:
        """log q_k(x | y) (K, n) in nats, for each of the K members."""

    @abstractmethod
    def invert_members(self, z: Tensor, c: Tensor | None, members: slice) -> Tensor:
        """Map latents z (m, n, D) to residuals u (m, n, D) for the m ensemble members in ``members``.

        c (n, C) are the features of y.
        """

    @property
    def keeps_bounds(self) -> bool:
        return True

    @property
    def truncates(self) -> bool:
        """True if the members' own densities end at those bounds of x that have no soft edge."""
        return False

    def bounds_of_edges(self, bounds: Tensor) -> Tensor:
        """Return those bounds (2, D) of x that soft edges may replace, with infinite ones for the others."""
        return bounds

    def rounding_variance(self) -> Tensor | None:
        """Return the variance (D,) that rounding adds to each component of x; None for real numbers."""
        return None

    @property
    def starts_from_data(self) -> bool:
        return True

    @torch.no_grad()
    def prepare(self, x: Tensor, y: Tensor | None, bounds: Tensor) -> None:
        """Fit soft edges, regression and features of y to the training data x (n, D) and y (n, M).

        ``bounds`` (2, D) are lower and upper bounds of x, which may be infinite; all in standardised units.
        """
        if self.embedding is not None:
            self.arrangement.prepare(x, y)
            if self._loses_information(x, y):
                self.arrangement.keep_order()
            whole = self.arrangement.layout is not None
            self.embedding.prepare(self.arrangement(y)[1], whole=whole)
        c = self.features_of(y)
        self.support.prepare(bounds)
        bounds = self.bounds_of_edges(bounds)
        fit = fit_ridge(c, x, self.labels)
        many_coefficients = bool(fit.freedom.max() > _MOST_FREEDOM * len(x))
        if not many_coefficients:  # its regression is fitted, and judged, by the same rows
            self.cut.prepare(x, c, bounds)
        if not self.cut.on:  # it replaces edges and regression
            regressors = fit.unseen.to(x) if many_coefficients else c
            self.edges.prepare(x, regressors, bounds, every=not self.truncates)
            unseen = self.regression.prepare(self.edges()(x), c, self.labels, self.rounding_variance())
            self.unseen_change = unseen - self.regression(c).shift if self.cross_fitted else None

    def _loses_information(self, x: Tensor, y: Tensor) -> bool:
        """Test whether a linear fit to y, in its order, predicts x better than one to a set of blocks.

        Few rows cannot tell whether the order of many components matters.
        """
        if self.arrangement.layout is None:
            return False
        x, y = x[:_ROWS], y[:_ROWS]
        labels = None if self.labels is None else self.labels[:_ROWS]
        scores = []
        for features in (y, torch.cat(self.arrangement(y), 1)):
            c = features.double()
            c = (c - c.mean(0)) / nonzero(c.std(0, unbiased=False))
            error = x.double() - fit_ridge(c, x, labels).unseen
            spread = nonzero(error.square().mean(0).sqrt())
            scores.append((-0.5 * (error / spread).square() - spread.log()).sum(1))
        gain = scores[0] - scores[1]
        return bool(gain.mean() > _ERRORS * gain.std() / len(gain) ** 0.5)

    def features_of(self, y: Tensor | None) -> Tensor | None:
        """Return features c (n, 2 M) of y (n, M), or None without y: two halves, (y, normal scores of y).

        If y is a set of exchangeable blocks: the sorted blocks, and normal scores of statistics over them.
        """
        if self.embedding is None:
            return None
        beside, inputs = self.arrangement(y)
        return self.embedding(inputs, beside)

    def residuals(
        self, x: Tensor, c: Tensor | None, rows: Tensor | None = None
    ) -> tuple[Tensor, Tensor, RegressionTransform]:
        """Return residuals u (n, D) of x (n, D), log|det ∂u/∂x| (n,), and the regression given c.

        For training rows at the positions ``rows`` (n,) the regression is one that has not seen the row.
        """
        x, truncation_log_det = self.cut(c).call_and_ladj(x)
        v, log_det = self.edges().call_and_ladj(x)
        regression = self.regression(c)
        if rows is not None and self.unseen_change is not None:
            regression = regression.shifted_to(regression.shift + self.unseen_change[rows])
        return regression(v), log_det + truncation_log_det + regression.log_volume, regression

    def log_prob(self, x: Tensor, y: Tensor | None) -> Tensor:
        """log p(x | y) (n,) in nats, the log of the mean of the members' densities; -inf outside bounds."""
        check_rows("x", x, self.features)
        inside, outside = self.support(x)
        value = self.mixed_log_prob(inside, y)
        return torch.where(outside, -torch.inf, value) if self.support.on else value

    def mixed_log_prob(self, x: Tensor, y: Tensor | None) -> Tensor:
        """Return the logarithm (n,) of the mean of the members' densities of x (n, D) within its bounds."""
        return torch.logsumexp(self.log_probs(x, y), 0) - math.log(self.members)

    def log_prob_to_train(self, x: Tensor, y: Tensor | None, rows: Tensor | None = None) -> Tensor:
        """Return the mean of the members' log-densities (n,) in nats.

        Its gradient trains each member independently of the others, unlike that of `log_prob`.
        """
        return self.log_probs(x, y).mean(0)

    @property
    def choices(self) -> int:
        """Number of distributions that a sample may come from, the members first."""
        return self.members

    def choice(self, z: Tensor) -> Tensor:
        """Select for standard normal z (n,) the distribution that each sample comes from."""
        return (self.members * torch.special.ndtr(z)).long().clamp(max=self.members - 1)

    def inverse(self, z: Tensor, y: Tensor | None) -> tuple[Tensor, None]:
        """Map latents z (n, D + 1) to samples x (n, D); return x, and None in place of a log-determinant.

        There is none, since x jumps where z selects another ensemble member.
        """
        check_rows("latent z", z, self.latent_features)
        check_context(y, self.context, z.shape[0])
        c = self.features_of(y)
        member = self.choice(z[:, 0])
        if torch.compiler.is_compiling():  # a graph cannot hold sets of rows whose size depends on the data
            parts = [slice(0, self.members), slice(self.members, self.choices)]
            parts = [part for part in parts if part.stop > part.start]
            u = [self.invert_members(z[:, 1:].expand(p.stop - p.start, -1, -1), c, p) for p in parts]
            every = torch.cat(u)
            selection = nn.functional.one_hot(member, self.choices).to(z.dtype)
            u = torch.einsum("nk,knd->nd", selection, every)
        else:
            u = torch.empty_like(z[:, 1:])
            for k in range(self.choices):
                rows = (member == k).nonzero()[:, 0]
                own = None if c is None else c[rows]
                u[rows] = self.invert_members(z[rows, 1:][None], own, slice(k, k + 1))[0]
        return self.support.clip(self.cut(c).inv(self.edges().inv(self.regression(c).inv(u)))), None
