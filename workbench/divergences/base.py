"""Bases of the divergences: Specs that turn two samples, or a critic's outputs on them, into a number."""

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

DIVERGENCES: Catalogue[Divergence] = Catalogue("divergences", "divergence")

#: Beyond this logit an exponential is continued by its tangent; e^40 is far from float32's largest number.
_LIMIT = 40.0


def tame(logits: Tensor, limit: float = _LIMIT) -> Tensor:
    """Continue logits beyond ``limit`` logarithmically, so that ``exp(tame(v))`` is linear there.

    The result is the identity up to the limit. A critic composed with it is still a critic, so that bounds
    stay bounds, and its gradient never vanishes, as it would behind a clamp.
    """
    return torch.where(logits > limit, limit + torch.log1p((logits - limit).clamp_min(0)), logits)


def tame_both(logits: Tensor, limit: float = _LIMIT) -> Tensor:
    """Apply `tame` towards both infinities."""
    return tame(logits, limit) - tame(-logits, limit) - logits


class Divergence(Spec):
    """A number D(P, Q) for two distributions.

    ``definition``, ``estimator``, ``bias``, ``expense`` and ``needs`` are short texts for tables and forms.
    """

    definition: ClassVar[str] = ""
    estimator: ClassVar[str] = ""
    bias: ClassVar[str] = ""
    expense: ClassVar[str] = ""
    needs: ClassVar[str] = "samples of both distributions"

    #: Invariant under a change of variables, so that samples may be standardised before they are compared.
    invariant: ClassVar[bool] = False

    #: Factor on the model's learning rate that suits training with this divergence; 1 beside a critic.
    pace: ClassVar[float] = 1.0

    #: Reason why training with the defaults does not come within 0.05, in 2-Wasserstein distance, of the
    #: exact posterior of the linear Gaussian problem: a sentence, empty where it does. A slow test checks it.
    unreached: ClassVar[str] = ""

    @property
    def caution(self) -> str:
        """Warning that with these settings not only equal distributions minimise it: a sentence, or empty."""
        return ""

    @property
    def at_equality(self) -> float:
        """The value D(P, P) of equal distributions."""
        return 0.0

    @property
    def pinsker(self) -> float | None:
        """The constant c_f in TV(P, Q) <= c_f sqrt(D(P||Q) - D(P||P)) for all distributions.

        None where no such constant is known.
        """
        return None

    @property
    def pinsker_reason(self) -> str:
        """Source of the constant, or the reason why there is none: a sentence."""
        return f"{self.title} is not an f-divergence: it does not bound the total variation."


class SampleDivergence(Divergence):
    """A divergence that is computed from the two samples directly, without a critic."""

    #: No critic has to keep up with the model.
    pace = 3.0

    @abstractmethod
    def between(self, p: Tensor, q: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return the value for samples p (n, D) and q (m, D), a scalar with gradient.

        Divergences along random directions draw them from ``generator``; without one they use a fixed set.
        """

    def between_rows(self, p: Tensor, q: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return the value to train with for p (n, D) and q (n, D) whose rows i may share an observation y.

        A scalar with gradient, zero on average for equal distributions. Rows that share a y must not be
        compared, since a draw would be pulled to the very x that its y came from. Two samples of one
        distribution differ by chance, less so if they are narrow, and a loss that counted this would shrink
        the model. Hence both samples are halved and the self-terms subtracted:

            ½ [ D(p₁, q₂) + D(p₂, q₁) - D(p₁, p₂) - D(q₁, q₂) ]

        The scatter of a y that both sides share cancels. In one dimension, for r = 2, this is the mean over
        the ranks of (p₁ - q₁)(p₂ - q₂), whose expectation is (E p₍ᵢ₎ - E q₍ᵢ₎)².
        """
        return self.crossed(p, q, lambda a, b: self.between(a, b, generator))

    @staticmethod
    def crossed(p: Tensor, q: Tensor, distance: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """Return the halved form of `between_rows` for any ``distance`` of two samples."""
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
    """A supremum over critics v of a value of v on samples of P and of Q (VINA eq. 6).

    The critic maximises ``critic_value`` less ``penalty``; the model minimises ``value``, which for most
    members is the same number. Logits are (n, 1) or (n,).
    """

    #: The optimal critic is `optimal_logits` of log p/q, and p/q can be read back from it.
    from_ratio: ClassVar[bool] = False

    @abstractmethod
    def critic_value(self, logits_p: Tensor, logits_q: Tensor) -> Tensor:
        """Return the value that the critic maximises, a scalar, from its logits on P (n,) and Q (m,)."""

    @abstractmethod
    def value(self, logits_p: Tensor, logits_q: Tensor) -> Tensor:
        """Return the divergence's estimate that the model minimises, a scalar, from logits (n,) and (m,)."""

    def penalty(self, critic: nn.Module, p: Tensor, q: Tensor, generator: torch.Generator | None) -> Tensor:
        """Return the penalty that keeps a critic in its class, a scalar with gradient in the critic.

        It is 0 for divergences whose critic may be any function; p (n, D) and q (m, D) are samples.
        """
        return p.new_zeros(())


class FDivergence(VariationalDivergence):
    """An f-divergence: the supremum over v of E_P[gain(v)] - E_Q[cost(v)] (VINA eqs. 9, 10).

    ``gain`` is g_f(v), with values in the domain of f*, and ``cost`` is f*(g_f(v)); both are written so that
    no value of the logit v overflows.
    """

    estimator = "critic, logit form"
    bias = "lower bound"
    expense = "one critic pass over both samples"
    invariant = True
    from_ratio = True

    #: The gain is concave and the cost convex in the logit: over a convex class of critics the supremum is a
    #: convex problem.
    concave: ClassVar[bool] = True

    #: Name of the divergence whose gradient `non_saturating` has, where there is one.
    non_saturating_descends: ClassVar[str] = ""

    @abstractmethod
    def generator(self, ratio: Tensor) -> Tensor:
        """Return f(u), elementwise, for u = p/q >= 0."""

    @abstractmethod
    def conjugate(self, t: Tensor) -> Tensor:
        """Return f*(t) = sup over u >= 0 of t u - f(u), elementwise; infinite where the supremum is."""

    @abstractmethod
    def gain(self, logits: Tensor) -> Tensor:
        """Return g_f(v), elementwise, for logits v on samples of P."""

    @abstractmethod
    def cost(self, logits: Tensor) -> Tensor:
        """Return f*(g_f(v)), elementwise, for logits v on samples of Q."""

    @abstractmethod
    def optimal_logits(self, log_ratio: Tensor) -> Tensor:
        """Return the logit that attains the supremum, elementwise, from log p/q."""

    @abstractmethod
    def log_ratio(self, logits: Tensor) -> Tensor:
        """Return the critic's log p/q, elementwise: the inverse of `optimal_logits`."""

    @property
    @abstractmethod
    def slope_at_infinity(self) -> float:
        """The limit f'(∞) of f(u)/u: the cost of a unit of mass where q = 0."""

    @property
    def at_equality(self) -> float:
        return float(self.generator(torch.ones((), dtype=torch.float64)))

    def ratio(self, logits: Tensor) -> Tensor:
        """Return the critic's p/q = (f*)'(g_f(v)), elementwise."""
        return self.log_ratio(logits).exp()

    def critic_value(self, logits_p: Tensor, logits_q: Tensor) -> Tensor:
        return self.gain(logits_p).mean() - self.cost(logits_q).mean()

    def value(self, logits_p: Tensor, logits_q: Tensor) -> Tensor:
        """Return the variational value of one critic, a lower bound of D(P, Q) up to sampling error."""
        return self.gain(logits_p).mean() - self.cost(logits_q).mean()

    def non_saturating(self, logits_q: Tensor) -> Tensor:
        """Return the model's non-saturating loss -E_Q[gain(v)], a scalar, from logits (m,).

        Its gradient is not that of this divergence but of ∫ p k(q/p) with k'(w) = -f'(1/w): for KL that is
        the reverse KL, for reverse KL half the Neyman χ², for Jensen-Shannon KL(Q||P) - 2 JSD.
        """
        return -self.gain(logits_q).mean()

    def non_saturating_first(self, logits_p: Tensor) -> Tensor:
        """Return the non-saturating loss E_P[cost(v)] of a model that is the first argument.

        At the optimal critic its gradient is that of ∫ q k(p/q) with k'(u) = f*(f'(u)) = u f'(u) - f(u).
        """
        return self.cost(logits_p).mean()

    def primal(self, p: Tensor, q: Tensor) -> Tensor:
        """Return ∫ q f(p/q) for two discrete distributions (k,), with f(0) or f'(∞) where one has no mass."""
        return discrete_primal(self.generator, self.slope_at_infinity, p, q)

    def from_log_densities(
        self, log_p_at_p: Tensor, log_q_at_p: Tensor, log_p_at_q: Tensor, log_q_at_q: Tensor
    ) -> Tensor:
        """Return the Monte Carlo value, a scalar, from log-densities at samples of P (n,) and of Q (m,).

        It is the bound at the optimal critic: unbiased, and exactly D(P, P) where the densities are equal.
        """
        at_p = self.optimal_logits(log_p_at_p - log_q_at_p)
        return self.value(at_p, self.optimal_logits(log_p_at_q - log_q_at_q))


def discrete_primal(
    generator: Callable[[Tensor], Tensor], slope_at_infinity: float, p: Tensor, q: Tensor
) -> Tensor:
    """Return ∫ q f(p/q) for two discrete distributions (k,), a scalar with gradient where both have mass."""
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
    """Return the error of a divergence whose critic does not know p/q."""
    return IncompatibleError(
        f"The critic of {divergence.title} does not know the ratio p/q, only the side of a threshold",
        suggestion="use Kullback-Leibler or Pearson as the auxiliary divergence",
    )
