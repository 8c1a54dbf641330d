"""Base class of the networks that architectures build, in standardised units.

A model draws no random numbers: the caller passes the latent.
"""

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


def _expand_observation(y: Tensor | None, rows: int) -> Tensor | None:
    return y if y is None or len(y) != 1 else y.expand(rows, -1)


class Model(nn.Module, ABC):
    """A map between data ``x`` (n, D) and latents ``z`` (n, K), possibly given an observation ``y`` (n, M).

    `inverse` maps standard normal z to draws of x; a model that declares LATENT also maps x to z. A
    log-determinant is always that of the map just applied, in nats, or ``None`` where it is not known; models
    that declare BIJECTION return it from both maps.

    Parameters
    ----------
    features, context, latent_features : D, M (0 for no observation, and ``y`` is ``None`` then) and K.
    capabilities : those that the architecture declares.
    """

    def __init__(
        self, features: int, context: int, latent_features: int, capabilities: frozenset[str]
    ) -> None:
        super().__init__()
        self.features, self.context, self.latent_features = features, context, latent_features
        self.capabilities = capabilities

    def latent(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Map data x (n, D) to latents z (n, K) and log|det ∂z/∂x| (n,).

        Raises `IncompatibleError` for a model that does not declare LATENT.
        """
        raise IncompatibleError(
            "The latent code of data was asked for",
            expected=f"a model that {Capability.LATENT.sentence}",
            found=type(self).__name__,
        )

    @abstractmethod
    def inverse(self, z: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Map latents z (n, K) to data x (n, D) and log|det ∂x/∂z| (n,)."""

    def draw(self, z: Tensor, y: Tensor | None) -> Tensor:
        """Map latents z (n, K) to data x (n, D), as `inverse` does, without the log-determinant.

        ``y`` is (n, M), or (1, M) for an observation common to all draws.
        """
        return self.inverse(z, _expand_observation(y, len(z)))[0]

    def stages(self, z: Tensor, y: Tensor | None) -> list[Tensor]:
        """Return the stages of `inverse` for plots of their first two columns: z, layers' outputs, and x.

        A model without layers of its own returns z and x only.
        """
        return [z, self.inverse(z, y)[0]]

    def log_prob(self, x: Tensor, y: Tensor | None) -> Tensor:
        """Return log p(x | y) (n,) in nats by the change of variables.

        Raises `TypeError` for a model without a tractable density or a log-determinant.
        """
        if Capability.DENSITY not in self.capabilities:
            raise TypeError(f"{type(self).__name__} has no tractable density")
        z, log_det = self.latent(x, y)
        if log_det is None:
            raise TypeError(f"{type(self).__name__} has a density, but its latent map has no log-determinant")
        return standard_normal_log_density(z) + log_det

    def log_prob_to_train(self, x: Tensor, y: Tensor | None, rows: Tensor | None = None) -> Tensor:
        """Return the values (n,) whose mean maximum likelihood maximises: by default `log_prob`.

        An ensemble whose networks are trained separately returns the mean of their log-densities instead, and
        one that is cross-fitted leaves out networks at ``rows``, the positions (n,) of the training rows.
        """
        return self.log_prob(x, y)

    @property
    def cross_fitted(self) -> bool:
        """True for an ensemble with members that are trained without some rows, for each of the rows."""
        return False

    def cross_validated_log_prob(self, x: Tensor, y: Tensor | None) -> Tensor:
        """Return log p(x | y) (n,) of all training rows by members trained without them, if cross-fitted."""
        raise NotImplementedError

    def calibrate(self, x: Tensor, y: Tensor | None, more_x: Tensor, more_y: Tensor | None) -> None:  # noqa: B027
        """Adjust, after training, the density to the training rows x, y and to held-out rows ``more``."""

    def penalties(self, progress: float) -> dict[str, Tensor]:
        """Return weighted regularisation terms that are added to every loss, by name.

        ``progress`` is the fraction of the planned steps that are done.
        """
        return {}

    @property
    def settled(self) -> bool:
        """True once validation may select the best weights.

        False while a change of the network is scheduled that these must include, such as pruning.
        """
        return True

    @property
    def keeps_bounds(self) -> bool:
        """True for a model whose samples outside the bounds of x are rejected and drawn again."""
        return False

    @property
    def starts_from_data(self) -> bool:
        """True for a model that `prepare` fits to the data, so that it is useful before the first step."""
        return False

    def prepare(self, x: Tensor, y: Tensor | None, bounds: Tensor) -> None:  # noqa: B027 most models do nothing
        """Initialise from the training data; called once before the first step, does nothing by default.

        x (n, D), y (n, M) and ``bounds`` (2, D) of x are in standardised units; bounds may be infinite.
        """

    def learn_whole_numbers(self, origin: Tensor, step: Tensor) -> None:  # noqa: B027 most models do nothing
        """Treat x_i as origin_i + k · step_i with whole numbers k, where step_i > 0; both (D,), standardised.

        Called once, before `prepare`, where x has whole numbers. Other models see them with uniform noise.
        """

    def keep_together(self, labels: Tensor) -> None:  # noqa: B027 most models do nothing
        """Keep training rows with the same label (n,) on one side of the model's own splits of the rows.

        Called once, before `prepare`, where rows belong together.
        """

    def after_step(self, progress: float) -> None:  # noqa: B027 most models do nothing
        """Update the model's own state; called after each optimiser step, does nothing by default.

        ``progress`` is the fraction of the planned steps that are done.
        """

    def parameter_count(self) -> int:
        """Number of trainable scalars."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad)

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        return next(self.parameters()).dtype
