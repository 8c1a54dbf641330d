"""Model: what an architecture builds, in standardised units. Draws nothing by itself: the caller brings
the latent."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from workbench.core.capability import Capability
from workbench.core.errors import IncompatibleError


def standard_normal_log_density(z: Tensor) -> Tensor:
    """``log N(z; 0, I)`` in nats, summed over the last axis: (n, K) -> (n,)."""
    return -0.5 * (z.square() + math.log(2 * math.pi)).sum(-1)


def _for_each(y: Tensor | None, rows: int) -> Tensor | None:
    return y if y is None or len(y) != 1 else y.expand(rows, -1)


class Model(nn.Module, ABC):
    """What makes data ``x`` (n, D) out of latents ``z`` (n, K), possibly given ``y`` (n, M), and back.

    ``y`` is ``None`` when ``context`` is 0. Every model turns standard normal numbers into draws by
    `inverse`. One that declares LATENT also goes from x to z. A log-determinant is always that of the map
    just applied, in nats; it is ``None`` where a map has none that is known, and both are there where
    BIJECTION is declared.
    """

    def __init__(
        self, features: int, context: int, latent_features: int, capabilities: frozenset[str]
    ) -> None:
        super().__init__()
        self.features, self.context, self.latent_features = features, context, latent_features
        self.capabilities = capabilities

    def latent(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """``T``: x (n, D) -> z (n, K) and log|det ∂z/∂x| (n,)."""
        raise IncompatibleError(
            "The latent code of data was asked for",
            expected=f"a model that {Capability.LATENT.sentence}",
            found=type(self).__name__,
        )

    @abstractmethod
    def inverse(self, z: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """``T⁻¹``: z (n, K) -> x (n, D) and log|det ∂x/∂z| (n,)."""

    def draw(self, z: Tensor, y: Tensor | None) -> Tensor:
        """x (n, D) as `inverse` gives it for z (n, K), where nothing else is wanted; y (n, M), or (1, M) for
        one observation that all draws share."""
        return self.inverse(z, _for_each(y, len(z)))[0]

    def stages(self, z: Tensor, y: Tensor | None) -> list[Tensor]:
        """The latent, what each layer makes of it on the way to x, and x: tensors whose first two columns
        are drawn."""
        return [z, self.inverse(z, y)[0]]

    def log_prob(self, x: Tensor, y: Tensor | None) -> Tensor:
        """log p(x | y) (n,) in nats by the change of variables, for models that have a density."""
        if Capability.DENSITY not in self.capabilities:
            raise TypeError(f"{type(self).__name__} has no tractable density")
        z, log_det = self.latent(x, y)
        return standard_normal_log_density(z) + log_det

    def log_prob_to_train(self, x: Tensor, y: Tensor | None) -> Tensor:
        """What maximum likelihood maximises in the place of `log_prob` (n,): for models of several parts that
        are trained each on its own."""
        return self.log_prob(x, y)

    def penalties(self, progress: float) -> dict[str, Tensor]:
        """Parts that the model adds to every loss, weighted, by name; ``progress`` runs from 0 to 1."""
        return {}

    @property
    def settled(self) -> bool:
        """Whether validation may choose among weights: not while a model still changes by plan."""
        return True

    @property
    def keeps_bounds(self) -> bool:
        """Whether draws outside the bounds of x count as none and are drawn anew."""
        return False

    @property
    def starts_from_data(self) -> bool:
        """Whether `prepare` makes it a model that is worth something before the first step."""
        return False

    def prepare(self, x: Tensor, y: Tensor | None, bounds: Tensor) -> None:  # noqa: B027 most start from nothing
        """Called once before the first step with the training data, x (n, D), y (n, M) and ``bounds`` (2, D)
        of x in standardised units, infinite where there are none: for models that start from statistics."""

    def after_step(self, progress: float) -> None:  # noqa: B027 most models have nothing to do
        """Called after each optimiser step, for models that keep or change something of their own."""

    def parameter_count(self) -> int:
        """Number of trainable scalars."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad)

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        return next(self.parameters()).dtype
