"""Bases of the objectives: a Spec of a training loss, and the `Loss` that it builds for a model."""

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
    from workbench.inference.standardisation import Standardisation
    from workbench.problems.base import Problem

OBJECTIVES: Catalogue[Objective] = Catalogue("objectives", "objective")


@dataclass(frozen=True)
class Batch:
    """Mini-batch in standardised units: x (n, D), and y (n, M) or None.

    ``progress`` is the fraction of the run that is over, from 0 to 1; ``rows`` are the positions (n,) of
    training rows, None for other data.
    """

    x: Tensor
    y: Tensor | None
    progress: float = 0.0
    rows: Tensor | None = None

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Context:
    """Problem, shapes of the network and units of the data for which a loss is built."""

    problem: Problem
    shapes: Shapes
    units: Standardisation

    def log_volume(self, x: Tensor) -> Tensor:
        """Return log|det| of the map of x (n, D) from network units to data units: (n,), or one scalar.

        It has the precision of ``x``: in single precision the scale itself might not be finite.
        """
        if self.units.linear_x:
            return self.units.log_scale_x.to(x)
        return self.units.x_out_with_volume(x)[1].to(x)

    def to_data(self, x: Tensor) -> Tensor:
        """Map x (n, D) from network units to data units, in double precision."""
        return self.units.x_out(x)


class Objective(Needs, Spec):
    """Settings of a training loss, which `build` makes for a model: base of every objective.

    ``needs_model`` and ``needs_problem`` are the capabilities that it requires; `conflicts` checks all other
    requirements.
    """

    #: Factor on the training's learning rate for the model; with a critic, less than 1 may be better.
    model_rate = 1.0
    #: Decay of the moving average of the model's weights for this objective. The setting of the training
    #: replaces it where that is larger.
    model_averaging = 0.0

    def conflicts(self, problem: Problem, architecture: Architecture) -> list[str]:
        """Return reasons, beyond the declared needs, why problem, architecture and settings do not fit.

        One sentence each; empty if they do.
        """
        return []

    def warnings(self, problem: Problem, architecture: Architecture) -> list[str]:
        """Return limitations of these settings, one sentence each; they do not prevent training."""
        return []

    @property
    def network_rate(self) -> float:
        """Factor on the training's learning rate for the model; subclasses may adapt ``model_rate``."""
        return self.model_rate

    @property
    def momenta(self) -> tuple[float, float]:
        """β1 and β2 of the Adam optimiser for the model."""
        return (0.9, 0.999)

    def unused(self, architecture: Architecture) -> frozenset[str]:
        """Return the names of settings without effect for an architecture, which forms leave out."""
        return frozenset()

    @abstractmethod
    def build(self, model: Model, context: Context) -> Loss:
        """Return the loss for a model; initial weights of a critic come from torch's global generator."""


class Loss(ABC):
    """Training loss: a weighted sum of named parts that are computed on a batch.

    Attributes
    ----------
    critic : the network that is trained against the model, or None.
    validates : True if a smaller value on held-out data means a better model; False with a critic.
    held_out : largest number of held-out points to validate on.

    As in a torch module, `state_dict`, `load_state_dict`, `parameters` and `to` cover its networks.
    """

    validates: bool = True
    held_out: int = 2048

    def __init__(self, objective: Objective, context: Context) -> None:
        self.objective, self.context = objective, context
        self.critic: nn.Module | None = None

    def networks(self) -> nn.ModuleDict:
        """Return the loss's own networks by name; names are prefixes of checkpoint keys (``critic.…``)."""
        return torch.nn.ModuleDict({} if self.critic is None else {"critic": self.critic})

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the loss's networks, as `torch.nn.Module.state_dict` does."""
        return self.networks().state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load a state from `state_dict`; raises `RuntimeError` where names or shapes differ."""
        self.networks().load_state_dict(state)

    def parameters(self) -> Iterator[nn.Parameter]:
        """Iterate over the parameters of the loss's networks."""
        return self.networks().parameters()

    def to(self, *device_or_type: torch.device | torch.dtype) -> Self:
        """Move the loss's networks to a device or type, in place, and return the loss."""
        self.networks().to(*device_or_type)
        return self

    @abstractmethod
    def parts(self, model: Model, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Return the parts of the loss on a batch, unweighted scalars by name, in the order for display."""

    def weights(self, progress: float) -> dict[str, float]:
        """Return the weights of parts by name, 1 where missing, at ``progress`` (0 to 1) of the run.

        They are read at every step, so that changes of settings during a run take effect at once.
        """
        return {}

    def total(self, parts: dict[str, Tensor], progress: float) -> Tensor:
        """Return the weighted sum of ``parts``, which training minimises; weight 0 only records a part."""
        weights = self.weights(progress)
        terms = [
            weights.get(name, 1.0) * value for name, value in parts.items() if weights.get(name, 1.0) != 0.0
        ]
        if not terms:  # all weights are 0: a loss without effect, with a gradient
            return 0.0 * torch.stack(list(parts.values())).sum()
        return torch.stack(terms).sum()

    def critic_loss(self, model: Model, batch: Batch, generator: torch.Generator) -> Tensor:
        """Return the loss that the critic minimises, a scalar; raises `TypeError` without a critic."""
        raise TypeError(f"{type(self).__name__} has no critic")

    def after_critic_step(self) -> None:
        """Update state that depends on the critic, such as its moving average, after each critic step."""
        return None


def draw_latent(model: Model, n: int, like: Tensor, generator: torch.Generator) -> Tensor:
    """Draw standard normal latents (n, K) for a model, with the type and device of ``like``."""
    return torch.randn(n, model.latent_features, generator=generator, device=like.device, dtype=like.dtype)
