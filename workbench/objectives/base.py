"""What an objective is: a Spec that, with a model and a problem, becomes a Loss with named parts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from workbench.core.catalogue import Catalogue
from workbench.core.model import Model
from workbench.core.shapes import Shapes
from workbench.core.spec import Spec

OBJECTIVES = Catalogue("objectives", "objective")


@dataclass(frozen=True)
class Batch:
    """A mini-batch in standardised units: x (n, D), y (n, M) or None; ``progress`` runs from 0 to 1 over
    the run."""

    x: Tensor
    y: Tensor | None
    progress: float = 0.0

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Context:
    """What a loss may know beside the model: the problem, the shapes and the units of the data.

    ``scale_x``, ``shift_x`` (D,) and ``scale_y``, ``shift_y`` (M,) turn standardised values into data units.
    """

    problem: object
    shapes: Shapes
    shift_x: Tensor
    scale_x: Tensor
    shift_y: Tensor
    scale_y: Tensor


class Objective(Spec):
    """Base of the catalogue's members.

    ``needs_model`` and ``needs_problem`` name capabilities; ``conflicts`` (below) may add sentences of its
    own.
    """

    needs_model: ClassVar[frozenset[str]] = frozenset()
    needs_problem: ClassVar[frozenset[str]] = frozenset()
    #: The network's learning rate as a share of the training's; a game with a critic may want less than 1.
    model_rate = 1.0
    #: Decay of the moving average of the network's weights that suits this objective; the training's own
    #: counts where it is longer.
    model_averaging = 0.0

    def conflicts(self, problem, architecture) -> list[str]:
        """Reasons, as sentences, beyond the declared needs."""
        return []

    def warnings(self, problem, architecture) -> list[str]:
        """What the chosen settings do not do, as sentences: shown before training, no reason to refuse."""
        return []

    @property
    def network_rate(self) -> float:
        """The factor on the training's learning rate that the network gets."""
        return self.model_rate

    @property
    def momenta(self) -> tuple[float, float]:
        """β1 and β2 of Adam for the network."""
        return (0.9, 0.999)

    def unused(self, architecture) -> frozenset[str]:
        """Settings that mean nothing for this architecture: a form leaves them out."""
        return frozenset()

    @abstractmethod
    def build(self, model: Model, context: Context) -> Loss:
        """The loss; uses the global random numbers for initial weights only."""


class Loss(nn.Module, ABC):
    """A sum of named, weighted parts, computed on a batch with the generator that it is handed.

    ``validates`` says whether a smaller value on held-out data means a better model (not so for a game
    with a critic); ``held_out`` is how many held-out points it is validated on, at most.
    """

    validates: bool = True
    held_out: int = 2048

    def __init__(self, objective: Objective, context: Context) -> None:
        super().__init__()
        self.objective, self.context = objective, context
        self.critic: nn.Module | None = None

    @abstractmethod
    def parts(self, model: Model, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Unweighted scalar parts, in the order in which they are shown."""

    def weights(self, progress: float) -> dict[str, float]:
        """Weight of each part that is not 1; read at every step, so that live settings act at once."""
        return {}

    def total(self, parts: dict[str, Tensor], progress: float) -> Tensor:
        """The weighted sum: what is minimised. A part of weight 0 is only watched."""
        weights = self.weights(progress)
        terms = [
            weights.get(name, 1.0) * value for name, value in parts.items() if weights.get(name, 1.0) != 0.0
        ]
        if not terms:  # all weights at 0: nothing moves, and nothing breaks
            return 0.0 * torch.stack(list(parts.values())).sum()
        return torch.stack(terms).sum()

    def critic_loss(self, model: Model, batch: Batch, generator: torch.Generator) -> Tensor:
        """What the critic minimises, for losses that have one."""
        raise TypeError(f"{type(self).__name__} has no critic")

    def after_critic_step(self) -> None:
        """Called after each step of the critic's optimiser."""
        return None


def draw_latent(model: Model, n: int, like: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal latents (n, K) of the batch's type and device from the run's own generator."""
    return torch.randn(n, model.latent_features, generator=generator, device=like.device, dtype=like.dtype)
