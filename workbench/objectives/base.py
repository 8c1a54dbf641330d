"""Bases of the objectives: a Spec, and the Loss with named parts that it builds for a model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from workbench.core.capability import Needs
from workbench.core.catalogue import Catalogue
from workbench.core.lazy import torch
from workbench.core.shapes import Shapes
from workbench.core.spec import Spec

if TYPE_CHECKING:
    from torch import Tensor, nn

    from workbench.architectures.base import Architecture
    from workbench.core.model import Model
    from workbench.problems.base import Problem

OBJECTIVES: Catalogue[Objective] = Catalogue("objectives", "objective")


@dataclass(frozen=True)
class Batch:
    """A mini-batch in standardised units: x (n, D), and y (n, M) or None.

    ``progress`` runs from 0 to 1 over the run.
    """

    x: Tensor
    y: Tensor | None
    progress: float = 0.0

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Context:
    """Problem, shapes and units of the data for which a loss is built.

    ``scale_x``, ``shift_x`` (D,) and ``scale_y``, ``shift_y`` (M,) turn standardised values into data units.
    """

    problem: Problem
    shapes: Shapes
    shift_x: Tensor
    scale_x: Tensor
    shift_y: Tensor
    scale_y: Tensor


class Objective(Needs, Spec):
    """Base of the objectives.

    ``needs_model`` and ``needs_problem`` name capabilities; `conflicts` adds what they cannot express.
    """

    #: The network's learning rate as a share of the training's; beside a critic less than 1 may be better.
    model_rate = 1.0
    #: Decay of the moving average of the network's weights that suits this objective. The training's own
    #: setting is used where it is larger.
    model_averaging = 0.0

    def conflicts(self, problem: Problem, architecture: Architecture) -> list[str]:
        """Return reasons against this combination beyond the declared needs, one sentence each."""
        return []

    def warnings(self, problem: Problem, architecture: Architecture) -> list[str]:
        """Return the limitations of the settings, one sentence each: shown before training, not refused."""
        return []

    @property
    def network_rate(self) -> float:
        """Factor on the training's learning rate for the network."""
        return self.model_rate

    @property
    def momenta(self) -> tuple[float, float]:
        """β1 and β2 of Adam for the network."""
        return (0.9, 0.999)

    def unused(self, architecture: Architecture) -> frozenset[str]:
        """Return the names of settings without effect for this architecture, which a form leaves out."""
        return frozenset()

    @abstractmethod
    def build(self, model: Model, context: Context) -> Loss:
        """Return the loss; the initial weights of a critic use the global random numbers."""


class Loss(ABC):
    """A sum of named, weighted parts, computed on a batch with the generator that is passed in.

    Attributes
    ----------
    critic : the network that is trained against the model, or None.
    validates : a smaller value on held-out data means a better model; not so for a loss with a critic.
    held_out : largest number of held-out points to validate on.

    A loss is saved, moved and watched like a module: `state_dict`, `load_state_dict`, `parameters` and `to`
    cover its networks.
    """

    validates: bool = True
    held_out: int = 2048

    def __init__(self, objective: Objective, context: Context) -> None:
        self.objective, self.context = objective, context
        self.critic: nn.Module | None = None

    def networks(self) -> nn.ModuleDict:
        """Return the loss's own networks by name; the names open the keys of checkpoints (``critic.…``)."""
        return torch.nn.ModuleDict({} if self.critic is None else {"critic": self.critic})

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the loss's networks, as `torch.nn.Module.state_dict` does."""
        return self.networks().state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load a state of `state_dict`; raises `RuntimeError` where names or shapes differ."""
        self.networks().load_state_dict(state)

    def parameters(self) -> Iterator[nn.Parameter]:
        """Iterate over the parameters of the loss's networks."""
        return self.networks().parameters()

    def to(self, *device_or_type: torch.device | torch.dtype) -> Self:
        """Move the networks to a device or type, in place, and return the loss."""
        self.networks().to(*device_or_type)
        return self

    @abstractmethod
    def parts(self, model: Model, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Return the unweighted scalar parts by name, in the order in which they are shown."""

    def weights(self, progress: float) -> dict[str, float]:
        """Return the weights other than 1 by part; read at every step, so that live settings act at once."""
        return {}

    def total(self, parts: dict[str, Tensor], progress: float) -> Tensor:
        """Return the weighted sum, which is minimised; a part of weight 0 is only recorded."""
        weights = self.weights(progress)
        terms = [
            weights.get(name, 1.0) * value for name, value in parts.items() if weights.get(name, 1.0) != 0.0
        ]
        if not terms:  # all weights are 0: a loss without effect, with a gradient
            return 0.0 * torch.stack(list(parts.values())).sum()
        return torch.stack(terms).sum()

    def critic_loss(self, model: Model, batch: Batch, generator: torch.Generator) -> Tensor:
        """Return the loss that the critic minimises, a scalar, for losses with a critic."""
        raise TypeError(f"{type(self).__name__} has no critic")

    def after_critic_step(self) -> None:
        """Update what follows the critic, after each step of its optimiser."""
        return None


def draw_latent(model: Model, n: int, like: Tensor, generator: torch.Generator) -> Tensor:
    """Draw standard normal latents (n, K) of the type and device of ``like``."""
    return torch.randn(n, model.latent_features, generator=generator, device=like.device, dtype=like.dtype)
