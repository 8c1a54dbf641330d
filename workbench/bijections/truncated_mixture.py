"""Map from a box to standard normal numbers: the CDFs of a linear Gaussian mixture truncated to the box.

density   p(u | y) ∝ Σ_k p_k Π_i N(u_i; m_i, σ_ik²) inside the box low ≤ u ≤ high, zero outside; m = A c + b,
          c the features of y. Normalised it is Σ_k π_k Π_i p_ik(u_i), with p_ik the truncated normal density,
          M_ik the normal's probability inside the box and π_k ∝ p_k Π_i M_ik
forward   w_i = Φ⁻¹(F_i), F_i = Σ_k γ_ik F_ik(u_i), γ_ik ∝ π_k Π_{j<i} p_jk(u_j), F_ik the CDF of p_ik: the
          conditional CDF of each component given the components before it (Rosenblatt's transform)
log-det   Σ_i log Σ_k γ_ik p_ik(u_i) − log φ(w_i)
inverse   component after component, each by bisection
fit       maximum likelihood: expectation-maximisation without the box over a grid of scales, then L-BFGS
          with it. The fit is used where σ is small against the box and where it gains at least a tenth of a
          nat per point over one normal distribution; nothing is learned afterwards
Source: Hausman & Wise 1977 (truncated regression); Andrews & Mallows 1974 and Dempster, Laird & Rubin 1980
        (scale mixtures of normals); Rosenblatt 1952. The use as a layer: this project.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import Transform
from torch.special import log_ndtr
from zuko.lazy import LazyTransform

from workbench.bijections.transform import ReversibleTransform
from workbench.nn.normal_quantile import log_quantile

#: Least gain in nats per point for the fit to be used, and the largest residual σ as a fraction of the box.
_LEAST_GAIN, _LARGEST_SPREAD = 0.1, 1 / 6
#: Expectation-maximisation: relative scales, iterations, ridge, least weight of a component (others are
#: dropped) and most components.
_SCALES = torch.logspace(-2, 1, 25, dtype=torch.float64)
_ROUNDS, _RIDGE, _LEAST_SHARE, _MOST_COMPONENTS = 60, 1e-6, 0.02, 8
#: Fit inside the box: iterations of L-BFGS, and most rows of the training data.
_ITERATIONS, _ROWS = 40, 10_000
#: Largest correlation of two residuals with which the model is used.
_LARGEST_CORRELATION = 0.5
#: Least distance of a point from an edge, and largest distance of m outside the box, both as fractions of the
#: box; number of bisections.
_EDGE_DISTANCE, _OUTSIDE, _BISECTIONS = 1e-7, 0.25, 45
_HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


def log_mass(low: Tensor, high: Tensor) -> Tensor:
    """Return log[Φ(high) − Φ(low)] for low < high, computed in the tail where no digits cancel."""
    in_upper_tail = low > 0
    low, high = torch.where(in_upper_tail, -high, low), torch.where(in_upper_tail, -low, high)
    upper = log_ndtr(high)
    return upper + torch.log(-torch.expm1((log_ndtr(low) - upper).clamp(max=-1e-30)))


class TruncatedMixture(LazyTransform):
    """Layer of a truncated mixture for D features and a context of C; the identity until `prepare` fits it.

    Nothing is learned by gradient descent.
    """

    def __init__(self, features: int, context: int) -> None:
        super().__init__()
        self.register_buffer("edges", torch.tensor([[0.0], [1.0]]).repeat(1, features))
        self.register_buffer("offset", torch.zeros(features))
        self.register_buffer("slope", torch.zeros(features, context))
        self.register_buffer("widths", torch.ones(_MOST_COMPONENTS, features))
        self.register_buffer("shares", torch.full((_MOST_COMPONENTS,), 1 / _MOST_COMPONENTS))
        self.register_buffer("active", torch.zeros((), dtype=torch.bool))
        self.on = False  # the same as a Python bool: a traced graph holds one branch only

    def _load_from_state_dict(self, state: dict, prefix: str, *args, **settings) -> None:
        if prefix + "active" not in state:  # stored by a version without this transform
            state.update({prefix + name: value for name, value in self.named_buffers()})
            state[prefix + "active"] = torch.zeros_like(self.active)
        super()._load_from_state_dict(state, prefix, *args, **settings)
        self.on = bool(self.active)

    def forward(self, c: Tensor | None = None) -> Transform:
        return TruncatedMixtureTransform(self, c)

    def components(self, c: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return means, standardised edges of the box, and log-probabilities in the box of the K normals.

        Four tensors: m (n, D), or (D,) without c; (low − m)/σ and (high − m)/σ, each (…, K, D), for the box
        low ≤ u ≤ high; and log M (…, K, D), the log-probability of each normal between these edges.
        """
        mean = self.offset if c is None else self.offset + c @ self.slope.mT
        low, high = self.edges
        margin = _OUTSIDE * (high - low)
        mean = torch.maximum(torch.minimum(mean, high + margin), low - margin)
        below, above = ((edge - mean)[..., None, :] / self.widths for edge in self.edges)
        return mean, below, above, log_mass(below, above)

    @torch.no_grad()
    def prepare(self, x: Tensor, c: Tensor | None, bounds: Tensor) -> None:
        """Fit the mixture to x (n, D) given features c (n, C) of y; the box is ``bounds`` (2, D) of x.

        The layer remains the identity unless all bounds are finite and the fit raises the likelihood enough.
        """
        if not bounds.isfinite().all():
            return
        u, ones = x.double(), torch.ones(len(x), 1, dtype=torch.float64, device=x.device)
        design = ones if c is None else torch.cat([c.double(), ones], 1)
        weights, spread = _weighted_regression(design, u, torch.ones(len(u)).to(u))
        length = (bounds[1] - bounds[0]).double()
        if not bool((spread < _LARGEST_SPREAD * length).all()):
            return
        covariance = torch.cov((u - design @ weights).T).reshape(len(spread), -1)
        correlation = (covariance / spread / spread[:, None]).fill_diagonal_(0).abs()
        if bool((correlation > _LARGEST_CORRELATION).any()):
            return  # given y the model's components of x are independent but for their scale
        mixture = _fit_without_box(design, u)
        weights, widths, shares = _fit_within_box(bounds.double(), design[:_ROWS], u[:_ROWS], *mixture)
        identity = (self.edges.clone(), self.widths.clone())
        self.edges.copy_(bounds)
        self.offset.copy_(weights[-1])
        self.slope.copy_(weights[:-1].T)
        self.shares.fill_(1e-30)
        self.widths.copy_(widths[:1])
        self.shares[: len(shares)].copy_(shares)
        self.widths[: len(shares)].copy_(widths)
        self.on = True
        w, log_det = self(c).call_and_ladj(x)
        gain = float((log_det - 0.5 * w.square().sum(1)).mean() - u.shape[1] * _HALF_LOG_TWO_PI)
        gain += float(spread.log().sum()) + u.shape[1] * (_HALF_LOG_TWO_PI + 0.5)
        self.on = gain > _LEAST_GAIN and math.isfinite(gain)
        self.active.fill_(self.on)
        if not self.on:
            self.edges.copy_(identity[0])
            self.widths.copy_(identity[1])


class TruncatedMixtureTransform(ReversibleTransform):
    """Transform of a `TruncatedMixture` for a given context: u (n, D) in the box -> w (n, D).

    The inverse has no gradient.
    """

    layer: TruncatedMixture

    def _forward(self, u: Tensor) -> tuple[Tensor, Tensor]:
        layer = self.layer
        if not layer.on:
            return u, torch.zeros_like(u[..., 0])
        low, high = layer.edges
        distance = _EDGE_DISTANCE * (high - low)
        u = torch.maximum(torch.minimum(u, high - distance), low + distance)
        mean, below, above, mass = layer.components(self.context)
        a = (u - mean)[:, None, :] / layer.widths
        normal = -0.5 * a.square() - _HALF_LOG_TWO_PI - layer.widths.log()
        # log γ up to a constant: the share, the masses of all components, the densities of those before
        before = normal.cumsum(-1) - normal
        log_share = layer.shares.log()[:, None] + before + (mass.flip(-1).cumsum(-1)).flip(-1)
        log_share = log_share - log_share.logsumexp(-2, keepdim=True)
        lower = torch.logsumexp(log_share + log_mass(below, a) - mass, -2)
        upper = torch.logsumexp(log_share + log_mass(a, above) - mass, -2)
        density = torch.logsumexp(log_share + normal - mass, -2)
        negative = lower < upper
        w = log_quantile(torch.where(negative, lower, upper))
        w = torch.where(negative, w, -w)
        return w, (density + 0.5 * w.square() + _HALF_LOG_TWO_PI).sum(-1)

    def _call(self, u: Tensor) -> Tensor:
        return self._solve(u) if self.inverted else self._forward(u)[0]

    def _backward(self, v: Tensor) -> tuple[Tensor, Tensor]:
        u = self._solve(v)
        return u, -self._forward(u)[1]

    @torch.no_grad()
    def _solve(self, w: Tensor) -> Tensor:
        """Invert by bisection: w (n, D) -> u (n, D) in the box."""
        layer = self.layer
        if not layer.on:
            return w
        mean, below, above, mass = layer.components(self.context)
        mean, below, above, mass = (
            t.expand(len(w), *t.shape[-k:]) for t, k in ((mean, 1), (below, 2), (above, 2), (mass, 2))
        )
        log_share = layer.shares.log() + mass.sum(-1)
        columns = []
        for i in range(w.shape[1]):
            share = log_share - log_share.logsumexp(-1, keepdim=True) - mass[..., i]
            negative = w[:, i] < 0
            target = log_ndtr(-w[:, i].abs())
            low, high = (edge[i].expand(len(w)) for edge in layer.edges)
            for _ in range(_BISECTIONS):
                half = 0.5 * (low + high)
                a = (half - mean[:, i])[:, None] / layer.widths[:, i]
                start = torch.where(negative[:, None], below[..., i], a)
                end = torch.where(negative[:, None], a, above[..., i])
                value = torch.logsumexp(share + log_mass(start, end), -1)
                short = torch.where(negative, value < target, value > target)
                low, high = torch.where(short, half, low), torch.where(short, high, half)
            u = 0.5 * (low + high)
            columns.append(u)
            a = (u - mean[:, i])[:, None] / layer.widths[:, i]
            log_share = log_share - mass[..., i] - 0.5 * a.square() - layer.widths[:, i].log()
        return torch.stack(columns, 1)


def _weighted_regression(design: Tensor, u: Tensor, importance: Tensor) -> tuple[Tensor, Tensor]:
    """Return coefficients (C + 1, D) and residual scales (D,) of a linear regression of u on ``design``.

    ``importance`` (n,) are the weights of the rows.
    """
    rows = design * importance[:, None]
    ridge = _RIDGE * importance.mean() * torch.eye(design.shape[1]).to(u)
    weights = torch.linalg.solve(rows.T @ design / len(u) + ridge, rows.T @ u / len(u))
    return weights, (importance[:, None] * (u - design @ weights).square()).mean(0).sqrt() + 1e-9


def _fit_without_box(design: Tensor, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Fit the mixture without truncation by expectation-maximisation.

    Returns regression coefficients (C + 1, D), scales (K, D) and mixture weights (K,).
    """
    grid, importance = _SCALES.to(u.device), torch.ones(len(u)).to(u)
    shares = torch.full((len(grid),), 1 / len(grid)).to(u)
    for _ in range(_ROUNDS):
        weights, spread = _weighted_regression(design, u, importance)
        square = ((u - design @ weights) / spread).square().sum(1)
        log_joint = -u.shape[1] * grid.log() - 0.5 * square[:, None] / grid.square() + shares.log()
        responsibilities = log_joint.softmax(1)
        shares = responsibilities.mean(0).clamp(min=1e-12)
        importance = (responsibilities / grid.square()).sum(1)
    largest = shares.argsort(descending=True)[:_MOST_COMPONENTS]
    largest = largest[shares[largest] > min(_LEAST_SHARE, float(shares.max()) / 2)]
    return weights, grid[largest, None] * spread, shares[largest] / shares[largest].sum()


def _fit_within_box(
    bounds: Tensor, design: Tensor, u: Tensor, weights: Tensor, widths: Tensor, shares: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Maximise the likelihood truncated to ``bounds`` by L-BFGS, starting from the parameters passed in.

    Returns regression coefficients (C + 1, D), scales (K, D) and mixture weights (K,).
    """
    least = (bounds[1] - bounds[0]) / 500
    shift = torch.zeros(weights.shape).to(weights).requires_grad_()
    log_stretch = torch.zeros(len(widths), 1).to(widths).requires_grad_()
    logits = torch.zeros_like(shares).requires_grad_()
    unit = widths.max(0).values / len(u) ** 0.5

    def parameters() -> tuple[Tensor, Tensor, Tensor]:
        scales = (widths * log_stretch.exp()).clamp(min=least)
        return weights + shift * unit, scales, (shares.log() + logits).softmax(0)

    def loss() -> Tensor:
        coefficients, scales, share = parameters()
        mean = (design @ coefficients)[:, None]
        a = (u[:, None] - mean) / scales
        mass = log_mass((bounds[0] - mean) / scales, (bounds[1] - mean) / scales).sum(-1)
        density = (-0.5 * a.square() - scales.log()).sum(-1)
        return (torch.logsumexp(share.log() + mass, 1) - torch.logsumexp(share.log() + density, 1)).mean()

    with torch.enable_grad():
        search = torch.optim.LBFGS(
            [shift, log_stretch, logits], max_iter=_ITERATIONS, line_search_fn="strong_wolfe"
        )

        def closure() -> Tensor:
            search.zero_grad()
            value = loss()
            value.backward()
            return value

        search.step(closure)
    return tuple(part.detach() for part in parameters())
