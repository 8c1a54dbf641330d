"""What a divergence is: a Spec that turns two samples, or a critic's outputs on them, into a number."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn

from workbench.core.catalogue import Catalogue
from workbench.core.errors import IncompatibleError, SpecError
from workbench.core.spec import Spec

DIVERGENCES = Catalogue("divergences", "divergence")

#: Beyond this logit an exponential is continued by its tangent; e^40 is far from float32's largest number.
_LIMIT = 40.0


def tame(logits: Tensor, limit: float = _LIMIT) -> Tensor:
    """The identity up to ``limit`` and logarithmic beyond, so that ``exp(tame(v))`` goes on along its
    tangent.

    A critic seen through it is still a critic, so that bounds stay bounds; and its gradient never vanishes,
    as it would behind a clamp.
    """
    return torch.where(logits > limit, limit + torch.log1p((logits - limit).clamp_min(0)), logits)


def tame_both(logits: Tensor, limit: float = _LIMIT) -> Tensor:
    """`tame` towards both infinities."""
    return tame(logits, limit) - tame(-logits, limit) - logits


class Divergence(Spec):
    """D(P, Q). ``definition``, ``estimator``, ``bias``, ``expense`` and ``needs`` are the divergence's
    card."""

    definition: ClassVar[str] = ""
    estimator: ClassVar[str] = ""
    bias: ClassVar[str] = ""
    expense: ClassVar[str] = ""
    needs: ClassVar[str] = "samples of both laws"

    #: Invariant under a change of variables, so that samples may be standardised before they are compared.
    invariant: ClassVar[bool] = False

    #: What suits the model's learning rate when this is trained with, as a multiple of that of a usual game.
    pace: ClassVar[float] = 1.0

    #: Why training with it by default does not come within 0.05, in 2-Wasserstein distance, of the exact
    #: posterior of the linear Gaussian problem: a sentence; empty where it does. A slow test asks each one.
    unreached: ClassVar[str] = ""

    @property
    def caution(self) -> str:
        """Why its minimum is not, or not only, at equal laws with these settings: a sentence, or empty."""
        return ""

    @property
    def at_equality(self) -> float:
        """D(P, P)."""
        return 0.0

    @property
    def pinsker(self) -> float | None:
        """The constant c_f in TV(P, Q) <= c_f sqrt(D(P||Q) - D(P||P)) for all laws, or None where none is
        known."""
        return None

    @property
    def pinsker_reason(self) -> str:
        """Where the constant comes from, or why there is none: a sentence."""
        return f"{self.title} is not an f-divergence: it does not bound the total variation."


class SampleDivergence(Divergence):
    """A divergence that is computed from the two samples directly."""

    #: There is no critic that has to keep up with the model.
    pace = 3.0

    @abstractmethod
    def between(self, p: Tensor, q: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The value for samples p (n, D) and q (m, D): a scalar with gradient.

        ``generator`` serves those that draw directions; without one they use a fixed set.
        """

    def between_rows(self, p: Tensor, q: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The value to train with, for p (n, D) and q (n, D) of which the rows i may belong together, by a y
        that they share: a scalar with gradient, zero on average for equal laws.

        Such rows must not be compared, since a draw would be pulled to the very x that its y came from. And
        two samples of one law differ, less so if they are narrow: what is descended must not count that.
        Hence halves, of which like are taken off unlike,
        ½ [ D(p₁, q₂) + D(p₂, q₁) - D(p₁, p₂) - D(q₁, q₂) ];
        the scatter of a y that both sides share drops out of it. On a line, for r = 2, it is the mean over
        the ranks of (p₁ - q₁)(p₂ - q₂), which has the expectation (E p₍ᵢ₎ - E q₍ᵢ₎)².
        """
        return self.crossed(p, q, lambda a, b: self.between(a, b, generator))

    @staticmethod
    def crossed(p: Tensor, q: Tensor, distance: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """The form of `between_rows` for any distance of two samples of the same size."""
        half = len(p) // 2
        if half == 0:  # a single row has no other
            return distance(p, q)
        (p1, p2), (q1, q2) = ((s[:half], s[half : 2 * half]) for s in (p, q))
        return 0.5 * (distance(p1, q2) + distance(p2, q1) - distance(p1, p2) - distance(q1, q2))


def mean_off_diagonal(values: Tensor) -> Tensor:
    """The mean of a square matrix (n, n) without its diagonal: a scalar. One row has nothing else to give."""
    n = len(values)
    return (values.sum() - values.diagonal().sum()) / (n * (n - 1)) if n > 1 else values.mean()


class VariationalDivergence(Divergence):
    """The supremum over critics ``v`` of a value of the critic on samples of P and on samples of Q (VINA eq.
    6).

    The critic climbs ``critic_value`` less ``penalty``; the model descends ``value``, which for most members
    is the same number.
    """

    #: The optimal critic is `optimal_logits` of log p/q, and p/q can be read back from it.
    from_ratio: ClassVar[bool] = False

    @abstractmethod
    def critic_value(self, logits_p: Tensor, logits_q: Tensor) -> Tensor:
        """What the critic climbs: (n,), (m,) -> ()."""

    @abstractmethod
    def value(self, logits_p: Tensor, logits_q: Tensor) -> Tensor:
        """The divergence's estimate for one critic, which the model descends: (n,), (m,) -> ()."""

    def penalty(self, critic: nn.Module, p: Tensor, q: Tensor, generator: torch.Generator | None) -> Tensor:
        """What keeps the critic in its class, for those that need it: a scalar with gradient in the
        critic."""
        return p.new_zeros(())


class FDivergence(VariationalDivergence):
    """An f-divergence: the supremum of ``E_P[gain(v)] - E_Q[cost(v)]`` (VINA eqs. 9, 10).

    ``gain`` is ``g_f(v)``, into the domain of f*, and ``cost`` is ``f*(g_f(v))``, both written so that no
    value of the logit ``v`` overflows.
    """

    estimator = "critic, logit form"
    bias = "lower bound"
    expense = "one critic pass over both samples"
    invariant = True
    from_ratio = True

    #: gain is concave and cost convex in the logit, so that the supremum over a convex class is a convex
    #: problem.
    concave: ClassVar[bool] = True

    #: What the model descends with `non_saturating`, in words, where it has a name.
    non_saturating_descends: ClassVar[str] = ""

    @abstractmethod
    def generator(self, ratio: Tensor) -> Tensor:
        """f(u), elementwise, for u = p/q >= 0."""

    @abstractmethod
    def conjugate(self, t: Tensor) -> Tensor:
        """f*(t) = sup over u >= 0 of t u - f(u), elementwise; infinite where the supremum is."""

    @abstractmethod
    def gain(self, logits: Tensor) -> Tensor:
        """g_f(v) on samples of P, elementwise."""

    @abstractmethod
    def cost(self, logits: Tensor) -> Tensor:
        """f*(g_f(v)) on samples of Q, elementwise."""

    @abstractmethod
    def optimal_logits(self, log_ratio: Tensor) -> Tensor:
        """The logit at which the supremum is reached, from log p/q, elementwise."""

    @abstractmethod
    def log_ratio(self, logits: Tensor) -> Tensor:
        """log p/q as the critic sees it: the inverse of `optimal_logits`, elementwise."""

    @property
    @abstractmethod
    def slope_at_infinity(self) -> float:
        """f'(∞) = lim f(u)/u: the price of mass where q = 0."""

    @property
    def at_equality(self) -> float:
        return float(self.generator(torch.ones((), dtype=torch.float64)))

    def ratio(self, logits: Tensor) -> Tensor:
        """p/q as the critic sees it: (f*)'(g_f(v)), elementwise."""
        return self.log_ratio(logits).exp()

    def critic_value(self, logits_p: Tensor, logits_q: Tensor) -> Tensor:
        return self.gain(logits_p).mean() - self.cost(logits_q).mean()

    def value(self, logits_p: Tensor, logits_q: Tensor) -> Tensor:
        """The variational value for one critic: a lower bound of D(P, Q) up to sampling error. (n,), (m,)
        -> ()."""
        return self.gain(logits_p).mean() - self.cost(logits_q).mean()

    def non_saturating(self, logits_q: Tensor) -> Tensor:
        """The model's loss of the "trick", -E_Q[gain(v)]: (m,) -> ().

        Its gradient is *not* that of this divergence but of ∫ p k(q/p) with k'(w) = -f'(1/w): for KL that is
        the reverse KL, for reverse KL half the Neyman χ², for Jensen-Shannon KL(Q||P) - 2 JSD.
        """
        return -self.gain(logits_q).mean()

    def non_saturating_first(self, logits_p: Tensor) -> Tensor:
        """The same trick for a model that is the first argument, E_P[cost(v)] in place of E_P[gain(v)]: (n,)
        -> ().

        At the optimal critic its gradient is that of ∫ q k(p/q) with k'(u) = f*(f'(u)) = u f'(u) - f(u).
        """
        return self.cost(logits_p).mean()

    def primal(self, p: Tensor, q: Tensor) -> Tensor:
        """∫ q f(p/q) for two discrete laws (k,), with f(0) and f'(∞) where one of them has no mass."""
        return discrete_primal(self.generator, self.slope_at_infinity, p, q)

    def from_log_densities(
        self, log_p_at_p: Tensor, log_q_at_p: Tensor, log_p_at_q: Tensor, log_q_at_q: Tensor
    ) -> Tensor:
        """Monte Carlo value from the two log-densities at samples of P (n,) and of Q (m,): a scalar.

        It is the bound at the optimal critic: unbiased, and exactly D(P, P) where the densities are equal.
        """
        at_p = self.optimal_logits(log_p_at_p - log_q_at_p)
        return self.value(at_p, self.optimal_logits(log_p_at_q - log_q_at_q))


def discrete_primal(generator: Callable, slope_at_infinity: float, p: Tensor, q: Tensor) -> Tensor:
    """∫ q f(p/q) for two discrete laws (k,): a scalar with gradient where both have mass."""
    _check_laws(p, q)
    on_q = q > 0
    safe = torch.where(on_q, q, torch.ones_like(q))
    inside = torch.where(on_q, safe * generator(p / safe), torch.zeros_like(q))
    lonely = p[~on_q].sum()
    outside = lonely * slope_at_infinity if float(lonely.detach()) > 0 else torch.zeros_like(lonely)
    return inside.sum() + outside


def _check_laws(p: Tensor, q: Tensor) -> None:
    for law in (p, q):
        total = float(law.detach().sum()) if law.ndim == 1 and law.shape == p.shape else float("nan")
        if not abs(total - 1) < 1e-6 or bool((law < 0).any()):
            raise SpecError(
                "The primal form compares two discrete laws",
                expected="two vectors of the same length, not negative, with sum 1",
                found=f"shapes {tuple(p.shape)} and {tuple(q.shape)}, sum {total:.6g}",
            )


def no_ratio(divergence: Divergence) -> IncompatibleError:
    """The refusal of those whose critic does not know p/q."""
    return IncompatibleError(
        f"The critic of {divergence.title} does not know the ratio p/q, only the side of a threshold",
        suggestion="use Kullback-Leibler or Pearson as the auxiliary divergence",
    )
