"""Bases of the divergences: Specs that compute a number from two samples or a critic's logits on them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from workbench.core.catalogue import Catalogue
from workbench.core.errors import IncompatibleError, SpecError
from workbench.core.lazy import torch
from workbench.core.spec import Spec

if TYPE_CHECKING:
    from torch import Tensor, nn

    from workbench.divergences.gaussians import GaussianPair

DIVERGENCES: Catalogue[Divergence] = Catalogue("divergences", "divergence")

#: Logit beyond which exponentials are continued by their tangent; e^40 is far below float32's largest number.
_LIMIT = 40.0


def tame(logits: Tensor, limit: float = _LIMIT) -> Tensor:
    """Make logits grow only logarithmically beyond ``limit``, so that ``exp(tame(v))`` is linear there.

    Up to the limit it is the identity. A critic composed with it is still a critic, so that lower bounds
    remain lower bounds; unlike a clamp it does not make the gradient zero.
    """
    return torch.where(logits > limit, limit + torch.log1p((logits - limit).clamp_min(0)), logits)


def tame_both(logits: Tensor, limit: float = _LIMIT) -> Tensor:
    """Apply `tame` to large positive and large negative logits."""
    return tame(logits, limit) - tame(-logits, limit) - logits


class Divergence(Spec):
    """Base of divergences and distances D(P, Q) between two distributions, with their settings.

    ``definition``, ``estimator``, ``bias``, ``expense`` and ``needs`` are short texts for tables and forms.
    """

    definition: ClassVar[str] = ""
    estimator: ClassVar[str] = ""
    bias: ClassVar[str] = ""
    expense: ClassVar[str] = ""
    needs: ClassVar[str] = "samples of both distributions"

    #: True if it is invariant under changes of variables, so that samples may be standardised beforehand.
    invariant: ClassVar[bool] = False

    #: Factor on the model's learning rate for training with this divergence; 1 where a critic is trained too.
    pace: ClassVar[float] = 1.0

    #: Reason why training with the defaults does not come within 0.05, in 2-Wasserstein distance, of the
    #: exact posterior of the linear Gaussian problem: a sentence, empty where it does. A slow test checks it.
    unreached: ClassVar[str] = ""

    @property
    def caution(self) -> str:
        """Warning if unequal distributions minimise it as well, with these settings: a sentence, or empty."""
        return ""

    @property
    def at_equality(self) -> float:
        """Value D(P, P) for equal distributions."""
        return 0.0

    @property
    def pinsker(self) -> float | None:
        """Constant c_f of Pinsker's inequality TV(P, Q) <= c_f sqrt(D(P||Q) - D(P||P)) for all distributions.

        TV is the total variation. None where no such constant is known.
        """
        return None

    @property
    def pinsker_reason(self) -> str:
        """Source of the constant `pinsker`, or the reason why there is none: a sentence."""
        return f"{self.title} is not an f-divergence: it does not bound the total variation."


class SampleDivergence(Divergence):
    """Base of divergences that are computed from the two samples directly, without a critic."""

    #: Above 1, since no critic has to keep up with the model.
    pace = 3.0

    @abstractmethod
    def between(self, p: Tensor, q: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return the divergence between samples p (n, D) and q (m, D), a scalar with gradient.

        ``generator`` draws random directions for divergences that use them; without it they are fixed.
        """

    def between_rows(self, p: Tensor, q: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return a training loss for data p (n, D) and model samples q (n, D), paired by their observations.

        Row i of p and row i of q may share an observation y. The loss is a scalar with gradient, zero on
        average for equal distributions. Rows that share y must not be compared, since each model sample would
        be drawn to the very x that generated its y. And two samples of one distribution differ by chance,
        less so if they are narrow; a loss that included this would shrink the model. Hence both samples are
        halved and the differences within p and within q subtracted:

            ½ [ D(p₁, q₂) + D(p₂, q₁) - D(p₁, p₂) - D(q₁, q₂) ]

        Fluctuations of the shared y cancel. For the squared Wasserstein distance in one dimension this is
        the mean over ranks i of (p₁ - q₁)(p₂ - q₂), of expectation (E p₍ᵢ₎ - E q₍ᵢ₎)².
        """
        return self.crossed(p, q, lambda a, b: self.between(a, b, generator))

    @staticmethod
    def crossed(p: Tensor, q: Tensor, distance: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """Return ½ [D(p₁, q₂) + D(p₂, q₁) - D(p₁, p₂) - D(q₁, q₂)], a scalar, for D = ``distance``.

        p₁, p₂ and q₁, q₂ are the halves of p and q.
        """
        half = len(p) // 2
        if half == 0:  # a single row has no other
            return distance(p, q)
        (p1, p2), (q1, q2) = ((s[:half], s[half : 2 * half]) for s in (p, q))
        return 0.5 * (distance(p1, q2) + distance(p2, q1) - distance(p1, p2) - distance(q1, q2))


def mean_off_diagonal(values: Tensor) -> Tensor:
    """Return the mean of a matrix (n, n) without its diagonal, or of the single entry where n is 1."""
    n = len(values)
    return (values.sum() - values.diagonal().sum()) / (n * (n - 1)) if n > 1 else values.mean()


class VariationalDivergence(Divergence):
    """Base of divergences defined as a supremum over critics v (VINA, arXiv:2602.20480, eq. 6).

    The critic maximises ``critic_value`` minus ``penalty``; the model minimises ``value``, which for most
    divergences is the same number as ``critic_value``. Logits, the critic's outputs, are (n, 1) or (n,).
    """

    #: True if the optimal critic is a function of p/q, `optimal_logits`, from which p/q can be recovered.
    from_ratio: ClassVar[bool] = False

    @abstractmethod
    def critic_value(self, logits_p: Tensor, logits_q: Tensor) -> Tensor:
        """Return what the critic maximises, a scalar, given its logits at samples of P (n,) and of Q (m,)."""

    @abstractmethod
    def value(self, logits_p: Tensor, logits_q: Tensor) -> Tensor:
        """Return the estimate of D(P, Q), a scalar, given a critic's logits on P (n,) and on Q (m,)."""

    def between_gaussians(self, pair: GaussianPair) -> Tensor | None:
        """Return D(P, Q) of two Gaussians, of the shape of their batch; None where no form is implemented."""
        return None

    def penalty(self, critic: nn.Module, p: Tensor, q: Tensor, generator: torch.Generator | None) -> Tensor:
        """Return the penalty that keeps a critic in its function class: a scalar with gradient in the critic.

        p (n, D) and q (m, D) are samples. It is 0 for divergences whose critic may be any function.
        """
        return p.new_zeros(())


class FDivergence(VariationalDivergence):
    """Base of f-divergences, as the supremum over critics v of E_P[gain(v)] - E_Q[cost(v)].

    See VINA, arXiv:2602.20480, eqs. 9 and 10. ``gain`` is g_f(v), with values in the domain of the conjugate
    f*, and ``cost`` is f*(g_f(v)); both are written so that no logit v overflows.
    """

    estimator = "critic, logit form"
    bias = "lower bound"
    expense = "one critic pass over both samples"
    invariant = True
    from_ratio = True

    #: True if the gain is concave and the cost convex in the logit: then the supremum over a convex class of
    #: critics is a convex problem.
    concave: ClassVar[bool] = True

    #: Divergence that the non-saturating loss minimises in place of this one, as a formula; empty if unnamed.
    non_saturating_descends: ClassVar[str] = ""

    @abstractmethod
    def generator(self, ratio: Tensor) -> Tensor:
        """Return the generator f(u) of the f-divergence, elementwise, for u = p/q >= 0."""

    @abstractmethod
    def conjugate(self, t: Tensor) -> Tensor:
        """Return the convex conjugate f*(t) = sup over u >= 0 of t u - f(u), elementwise; it can be inf."""

    @abstractmethod
    def gain(self, logits: Tensor) -> Tensor:
        """Return g_f(v), elementwise, for logits v on samples of P."""

    @abstractmethod
    def cost(self, logits: Tensor) -> Tensor:
        """Return f*(g_f(v)), elementwise, for logits v on samples of Q."""

    @abstractmethod
    def optimal_logits(self, log_ratio: Tensor) -> Tensor:
        """Return the critic's logit that attains the supremum, elementwise, given log p/q."""

    @abstractmethod
    def log_ratio(self, logits: Tensor) -> Tensor:
        """Return the log p/q that a critic's logits imply, elementwise: the inverse of `optimal_logits`."""

    @property
    @abstractmethod
    def slope_at_infinity(self) -> float:
        """Limit f'(∞) of f(u)/u for large u: the contribution per probability of P where q = 0."""

    @property
    def at_equality(self) -> float:
        return float(self.generator(torch.ones((), dtype=torch.float64)))

    def ratio(self, logits: Tensor) -> Tensor:
        """Return the p/q = (f*)'(g_f(v)) that a critic's logits v imply, elementwise."""
        return self.log_ratio(logits).exp()

    def critic_value(self, logits_p: Tensor, logits_q: Tensor) -> Tensor:
        return self.gain(logits_p).mean() - self.cost(logits_q).mean()

    def value(self, logits_p: Tensor, logits_q: Tensor) -> Tensor:
        """Return E_P[gain(v)] - E_Q[cost(v)], a scalar: a lower bound of D(P, Q) up to sampling error."""
        return self.gain(logits_p).mean() - self.cost(logits_q).mean()

    def between_gaussians(self, pair: GaussianPair) -> Tensor | None:
        return pair.integral(self.generator)

    def non_saturating(self, logits_q: Tensor) -> Tensor:
        """Return the model's non-saturating loss -E_Q[gain(v)], a scalar, from logits (m,) at samples of Q.

        At the optimal critic its gradient is not that of this divergence but of ∫ p k(q/p) with
        k'(w) = -f'(1/w): for KL that is the reverse KL, for reverse KL half the Neyman χ², for Jensen-Shannon
        KL(Q||P) - 2 JSD.
        """
        return -self.gain(logits_q).mean()

    def non_saturating_first(self, logits_p: Tensor) -> Tensor:
        """Return the non-saturating loss E_P[cost(v)] of a model P, the first argument of D(P||Q), a scalar.

        At the optimal critic its gradient is that of ∫ q k(p/q) with k'(u) = f*(f'(u)) = u f'(u) - f(u).
        """
        return self.cost(logits_p).mean()

    def primal(self, p: Tensor, q: Tensor) -> Tensor:
        """Return Σ q f(p/q) for two discrete distributions (k,), a scalar; zero probabilities are allowed."""
        return discrete_primal(self.generator, self.slope_at_infinity, p, q)

    def from_log_densities(
        self, log_p_at_p: Tensor, log_q_at_p: Tensor, log_p_at_q: Tensor, log_q_at_q: Tensor
    ) -> Tensor:
        """Return a Monte Carlo estimate of D(P||Q), a scalar, from log-densities at samples of P and of Q.

        ``log_p_at_p`` and ``log_q_at_p`` (n,) are log p and log q at samples of P, the other two (m,) those
        at samples of Q. It is the optimal critic's value: unbiased, and exactly D(P, P) for equal densities.
        """
        at_p = self.optimal_logits(log_p_at_p - log_q_at_p)
        return self.value(at_p, self.optimal_logits(log_p_at_q - log_q_at_q))


def discrete_primal(
    generator: Callable[[Tensor], Tensor], slope_at_infinity: float, p: Tensor, q: Tensor
) -> Tensor:
    """Return Σ q f(p/q) for two discrete distributions (k,), a scalar; f is ``generator``.

    Where q is 0, the term is p times ``slope_at_infinity``, f'(∞). Raises `SpecError` unless both are
    probabilities of the same number of outcomes.
    """
    _check_probabilities(p, q)
    on_q = q > 0
    safe = torch.where(on_q, q, torch.ones_like(q))
    inside = torch.where(on_q, safe * generator(p / safe), torch.zeros_like(q))
    singular = p[~on_q].sum()  # mass of P where Q has none
    outside = singular * slope_at_infinity if float(singular.detach()) > 0 else torch.zeros_like(singular)
    return inside.sum() + outside


def _check_probabilities(p: Tensor, q: Tensor) -> None:
    for weights in (p, q):
        vectors = weights.ndim == 1 and weights.shape == p.shape
        total = float(weights.detach().sum()) if vectors else float("nan")
        if not abs(total - 1) < 1e-6 or bool((weights < 0).any()):
            raise SpecError(
                "The primal form compares two discrete distributions",
                expected="two vectors of the same length, not negative, with sum 1",
                found=f"shapes {tuple(p.shape)} and {tuple(q.shape)}, sum {total:.6g}",
            )


def no_ratio(divergence: Divergence) -> IncompatibleError:
    """Return the error to raise where p/q is needed, but the divergence's critic does not determine it."""
    return IncompatibleError(
        f"The critic of {divergence.title} does not know the ratio p/q, only the side of a threshold",
        suggestion="use Kullback-Leibler or Pearson as the auxiliary divergence",
    )
