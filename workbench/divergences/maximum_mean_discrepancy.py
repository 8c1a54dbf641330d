"""Squared maximum mean discrepancy (MMD²) with a choice of kernels.

Definition   MMD²(P, Q) = E k(x,x') - 2 E k(x,y) + E k(y,y')
Kernels      backward, forward: k = Σ_(C,a) C^a ((C + d²)/a)^(-a)  with the constants of Ardizzone et al.
             (2019);
             multiscale: k = Σ_h 1 / (1 + d²/h²), h in {0.05, 0.2, 0.9} (as in Kruse et al. 2021,
             arXiv:2101.10763);
             gaussian: k = exp(-d²/(2h²)), h the length; gaussian_median: h the length times the median
             distance in the pooled sample;  d is the distance of two points
Estimator    biased (V-statistic, which includes pairs of a point with itself; never negative) for training,
             unbiased (U-statistic) for evaluation
Bias         upwards by about (1/n + 1/m) k(x, x), or none; with the median the kernel depends on the samples
Cost         n² kernel values
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import param

from workbench.core.entries import public
from workbench.core.errors import SpecError, unknown
from workbench.core.lazy import torch
from workbench.divergences.base import DIVERGENCES, SampleDivergence, mean_off_diagonal

if TYPE_CHECKING:
    from torch import Tensor

#: (C, a) pairs of the kernels in the published code of Ardizzone et al. (2019).
FORWARD = ((0.2, 2.0), (1.5, 2.0), (3.0, 2.0))
BACKWARD = ((0.2, 0.1), (0.2, 0.5), (0.2, 2.0))
#: Bandwidths h of the multiscale kernel.
MULTISCALE = (0.05, 0.2, 0.9)

KERNELS = ("multiscale", "forward", "backward", "gaussian", "gaussian_median")


def _squared_distances(a: Tensor, b: Tensor) -> Tensor:
    # a.a + b.b - 2 a.b is fast and exact enough after the clamp, where both are near the origin; cdist has no
    # double backward
    centre = b.detach().mean(-2)
    a, b = a - centre, b - centre
    distances = a.square().sum(-1)[:, None] + b.square().sum(-1)[None, :] - 2 * a @ b.T
    return distances.clamp_min(0)


def kernel(distances: Tensor, name: str, length: float = 1.0) -> Tensor:
    """Return the values of the kernel ``name`` at squared ``distances``, elementwise.

    ``length`` is the standard deviation of the Gaussian kernel, in the units of x.
    """
    if name == "multiscale":
        return sum(1 / (1 + distances / h**2) for h in MULTISCALE)
    if name == "gaussian":
        return (-0.5 * distances / length**2).exp()
    pairs = {"forward": FORWARD, "backward": BACKWARD}[name]
    return sum(c**a * ((c + distances) / a) ** (-a) for c, a in pairs)


def median_distance(p: Tensor, q: Tensor, largest: int = 500) -> float:
    """Return the median distance between two points of the pooled samples p (n, D) and q (m, D).

    At most ``largest`` points of each are used. It is 1 where the median is 0.
    """
    points = torch.cat([p[:largest], q[:largest]]).detach()
    rows, columns = torch.triu_indices(len(points), len(points), 1, device=points.device)
    middle = float(_squared_distances(points, points)[rows, columns].median()) ** 0.5
    return middle if middle > 0 else 1.0


@public
def mmd_squared(
    p: Tensor,
    q: Tensor,
    *,
    kernel_name: str = "multiscale",
    unbiased: bool = False,
    length: float = 1.0,
    by_rows: bool = False,
) -> Tensor:
    """Return MMD² between samples p (n, D) and q (m, D), a scalar.

    Parameters
    ----------
    kernel_name : one of `KERNELS`.
    unbiased : leave out the pairs of a point with itself; for equal distributions the expectation is then
        zero, and single values may be negative.
    length : length of the Gaussian kernels, in the units of x or, with gaussian_median, in median distances.
    by_rows : leave out the pairs of row i of p and row i of q, which depend on each other (n = m).
    """
    _check(p, q, unbiased)
    if kernel_name not in KERNELS:
        raise unknown("kernel", kernel_name, KERNELS)
    kernel_name, length = _kernel_and_length(p, q, kernel_name, length)
    k_pp, k_qq, k_pq = (
        kernel(_squared_distances(a, b), kernel_name, length) for a, b in ((p, p), (q, q), (p, q))
    )
    across = mean_off_diagonal(k_pq) if by_rows else k_pq.mean()
    within = (mean_off_diagonal(k) if unbiased else k.mean() for k in (k_pp, k_qq))
    return sum(within) - 2 * across


def witness(
    points: Tensor, p: Tensor, q: Tensor, *, kernel_name: str = "multiscale", length: float = 1.0
) -> Tensor:
    """Return the witness function E k(u, x) - E k(u, y) (k,) at points u (k, D), the optimal critic.

    It is not normalised: its mean over p minus its mean over q is the biased MMD². Divided by its norm, which
    is MMD, it would be MMD.
    """
    _check(p, q, False)
    kernel_name, length = _kernel_and_length(p, q, kernel_name, length)
    to_p, to_q = (kernel(_squared_distances(points, s), kernel_name, length).mean(-1) for s in (p, q))
    return to_p - to_q


def _kernel_and_length(p: Tensor, q: Tensor, name: str, length: float) -> tuple[str, float]:
    if name == "gaussian_median":
        return "gaussian", length * median_distance(p, q)
    return name, length


def _check(p: Tensor, q: Tensor, unbiased: bool) -> None:
    if p.ndim != 2 or q.ndim != 2 or p.shape[1] != q.shape[1]:
        raise SpecError(
            "MMD compares two samples of the same dimension",
            expected="(n, D) and (m, D)",
            found=f"{tuple(p.shape)} and {tuple(q.shape)}",
        )
    if unbiased and min(len(p), len(q)) < 2:
        raise SpecError(
            "The unbiased MMD needs at least two samples on each side", found=f"{len(p)} and {len(q)}"
        )


@DIVERGENCES.register
class MaximumMeanDiscrepancy(SampleDivergence):
    """Squared maximum mean discrepancy (MMD²), biased for training or unbiased for evaluation."""

    key = "maximum_mean_discrepancy"
    title = "Maximum mean discrepancy"
    summary = (
        "Compares two samples through a kernel: no critic to train, and a gradient even on disjoint supports."
    )
    reference = "Gretton et al. (2012); kernels of Ardizzone et al. (2019)"
    definition = "E k(x,x') - 2 E k(x,y) + E k(y,y')"
    estimator = "closed form in the samples"
    bias = "biased upwards by about (1/n + 1/m) k(x, x), or unbiased"
    expense = "n² kernel values"

    kernel = param.Selector(
        default="multiscale",
        objects=list(KERNELS),
        doc="Kernel: a sum of inverse multiquadrics (heavy tails reach further, narrow ones resolve "
        "detail), or a Gaussian.",
    )
    length = param.Number(
        1.0,
        bounds=(1e-6, 1e6),
        doc="Gaussian kernels: the length h in the units of x; with gaussian_median in median distances.",
    )
    unbiased = param.Boolean(
        default=False, doc="Leave out pairs of a point with itself: for evaluation; noisier in training."
    )

    def between(self, p: Tensor, q: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return MMD² between samples p (n, D) and q (m, D), a scalar."""
        return mmd_squared(p, q, kernel_name=self.kernel, unbiased=self.unbiased, length=self.length)

    def between_rows(self, p: Tensor, q: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return MMD² between p (n, D) and q (n, D), a scalar, without the pairs (p_i, q_i).

        Row i of p and row i of q may share an observation. All other pairs of rows are used, more than in
        `SampleDivergence.between_rows`, which halves the samples.
        """
        return mmd_squared(
            p, q, kernel_name=self.kernel, unbiased=self.unbiased, length=self.length, by_rows=True
        )
