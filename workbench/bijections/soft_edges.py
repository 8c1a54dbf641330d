"""Map from an interval to the real line: the identity inside, logarithmic within a width w of an edge.

forward   v = u + w log(1 − e^{−a}) − w log(1 − e^{−b}),  a = (u − low)/w,  b = (high − u)/w
log-det   Σ log(1 + 1/(e^a − 1) + 1/(e^b − 1))
inverse   u = low + w log(1 + e^{(v − low)/w}) − w log(1 + e^{(v − high)/w})
limits    w small: u itself; w large: the logarithm (one edge) or the logit (two); an infinite edge drops out
fit       w of each component by maximum likelihood among multiples of its interval (or spread), the residuals
          of a linear regression on y being modelled as jointly normal: the likelihood of Box & Cox 1964
          (J. R. Stat. Soc. B 26) with this family in place of powers. Where the gain over residuals that are
          truncated at the edges is less than a tenth of a nat per point, the component is not transformed.
Source: this project; the inverse with one edge is the softplus.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Transform
from torch.nn.functional import softplus
from zuko.lazy import LazyTransform

from workbench.bijections.transform import JointMixin, VectorTransform
from workbench.bijections.truncated_mixture import log_mass
from workbench.core.scale import nonzero

#: Candidate widths w, as multiples of the interval, or of four standard deviations where it is infinite.
WIDTHS = (0.01, 0.03, 0.1, 0.3, 1.0, 10.0)
#: Least distance of a point from an edge, in widths; closer points are moved to it.
_EDGE_DISTANCE = 1e-8
#: Multiple that stands for no soft edge, and the least gain in nats per point for a soft edge to be used,
#: since the flow that follows has to undo the bending near an edge.
_NO_WIDTH, _LEAST_GAIN = 1e-7, 0.1
#: Least width where every edge is soft.
_LEAST_WIDE = 0.1
#: Standard deviations that stand for no edge.
_FAR = 1e3
#: Most rows of the training data by which the widths are chosen.
_ROWS = 5000


class SoftEdgesTransform(JointMixin, VectorTransform):
    """Soft-edge transform, with edges ``low``, ``high`` and widths ``width``, each (D,) and finite.

    ``has_low`` and ``has_high`` (D,) are 1 where the edge exists, else 0.
    """

    def __init__(self, low: Tensor, high: Tensor, width: Tensor, has_low: Tensor, has_high: Tensor) -> None:
        super().__init__()
        self.low, self.high, self.width, self.has_low, self.has_high = low, high, width, has_low, has_high

    def _distances(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Distances a and b (n, D) of u from the lower and upper edges, in widths; 50 without an edge."""
        a = ((u - self.low) / self.width).clamp(min=_EDGE_DISTANCE)
        b = ((self.high - u) / self.width).clamp(min=_EDGE_DISTANCE)
        return torch.where(self.has_low > 0, a, 50.0), torch.where(self.has_high > 0, b, 50.0)

    def call_and_ladj(self, u: Tensor) -> tuple[Tensor, Tensor]:
        a, b = self._distances(u)
        below, above = self.has_low * torch.log(-torch.expm1(-a)), self.has_high * torch.log(-torch.expm1(-b))
        slope = 1 + self.has_low / torch.expm1(a) + self.has_high / torch.expm1(b)
        return u + self.width * (below - above), slope.log().sum(-1)

    def _inverse(self, v: Tensor) -> Tensor:
        rise = self.low + self.width * softplus((v - self.low) / self.width)
        u = torch.where(self.has_low > 0, rise, v)
        u = u - self.has_high * self.width * softplus((v - self.high) / self.width)
        # rounding may lead a little beyond
        u = torch.where(self.has_low > 0, torch.maximum(u, self.low), u)
        return torch.where(self.has_high > 0, torch.minimum(u, self.high), u)


class SoftEdges(LazyTransform):
    """Layer that maps components with bounds to the real line, as in the module's equations.

    It is the identity until `prepare` fits it to data. It is not learned, and does not depend on y.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        for name, value in (("low", 0.0), ("high", 0.0), ("width", 1.0), ("has_low", 0.0), ("has_high", 0.0)):
            self.register_buffer(name, torch.full((features,), value))

    def forward(self, c: Tensor | None = None) -> Transform:
        return SoftEdgesTransform(self.low, self.high, self.width, self.has_low, self.has_high)

    @torch.no_grad()
    def prepare(self, x: Tensor, c: Tensor | None, bounds: Tensor, *, every: bool = False) -> None:
        """Choose the widths that maximise the likelihood of x (n, D), given features c (n, C) of y.

        The edges are the finite ones of ``bounds`` (2, D). A component whose likelihood hardly gains is left
        unchanged, unless ``every`` component with an edge is to be transformed: by a wide soft edge, since
        a narrow one piles up at the edge what a smooth density has beyond it.
        """
        for name, edge in zip(("low", "high"), bounds, strict=True):
            getattr(self, name).copy_(torch.where(edge.isfinite(), edge, 0.0))
            getattr(self, f"has_{name}").copy_(edge.isfinite())
        components = ((self.has_low + self.has_high) > 0).nonzero()[:, 0].tolist()
        if not components:
            return
        both = (self.has_low * self.has_high) > 0
        unit = torch.where(both, self.high - self.low, 4 * x.std(0))
        rows, widths = slice(0, _ROWS), [w for w in WIDTHS if not every or w >= _LEAST_WIDE]
        design = torch.ones(len(x[rows]), 1).to(x) if c is None else _with_constant(c[rows])
        basis = torch.linalg.qr(design.double())[0]
        factors = [1.0 if i in components else 0.0 for i in range(x.shape[1])]
        for _ in range(2):  # two sweeps over the components
            for i in components:
                scores = {}
                for factor in (_NO_WIDTH, *widths):
                    factors[i] = factor
                    self._set_widths(unit, factors)
                    no_edge = torch.tensor([f == _NO_WIDTH for f in factors], device=x.device)
                    hard = no_edge & (not every)  # a density that may end there
                    scores[factor] = self._log_likelihood(x[rows].double(), basis, hard)
                factors[i] = max(widths, key=scores.get)
                if not every and scores[factors[i]] < scores[_NO_WIDTH] + _LEAST_GAIN:
                    factors[i] = _NO_WIDTH
        self._set_widths(unit, factors)
        no_edge = torch.tensor([factor == _NO_WIDTH for factor in factors], device=x.device)
        self.has_low.masked_fill_(no_edge, 0.0)
        self.has_high.masked_fill_(no_edge, 0.0)

    def _set_widths(self, unit: Tensor, factors: list[float]) -> None:
        self.width.copy_((unit * torch.tensor(factors).to(unit)).clamp(min=1e-9))

    def _log_likelihood(self, x: Tensor, basis: Tensor, hard: Tensor) -> float:
        """Return the mean log-likelihood of the rows of x (n, D) for the current widths, up to a constant.

        Model: x, once transformed by the soft edges, is a linear regression on y with jointly normal
        residuals. The columns of ``basis`` (n, k) are orthonormal and span the regressors: a constant and
        features of y. Components that are ``hard`` (D,) have normal residuals truncated at their edges, with
        the coefficients of least squares: a lower bound of their likelihood.
        """
        buffers = [t.double() for t in (self.low, self.high, self.width, self.has_low, self.has_high)]
        v, log_det = SoftEdgesTransform(*buffers).call_and_ladj(x)
        residual = v - basis @ (basis.T @ v)
        covariance = residual.T @ residual / len(x)
        value = log_det.mean() - 0.5 * torch.linalg.slogdet(covariance)[1]
        if hard.any():
            low, high, _, has_low, has_high = buffers
            mean, spread = v - residual, nonzero(covariance.diagonal().sqrt())
            below = torch.where(has_low > 0, (low - mean) / spread, -_FAR)
            above = torch.where(has_high > 0, (high - mean) / spread, _FAR)
            mass = log_mass(below, torch.maximum(above, below + 1e-6)).mean(0)
            value = value - mass[hard].sum()
        return float(value)


def _with_constant(c: Tensor) -> Tensor:
    return torch.cat([c, torch.ones(len(c), 1).to(c)], 1)
