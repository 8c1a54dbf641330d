"""Wrapper that makes an objective of a function."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from workbench.core.capability import Capability
from workbench.core.errors import SpecError, unknown
from workbench.core.lazy import torch
from workbench.core.wrapper import accepted, member_class, settings_of
from workbench.objectives.base import OBJECTIVES, Batch, Context, Loss, Objective, draw_latent

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.core.model import Model

#: Arguments of a loss function that are no settings.
INPUTS = ("model", "x", "y", "z", "generator", "progress")


class WrappedObjective(Objective):
    """Base of objectives whose loss is a function of network and batch."""

    loss_function: ClassVar[Callable[..., Any]]

    def build(self, model: Model, context: Context) -> Loss:
        return WrappedLoss(self, context)


class WrappedLoss(Loss):
    """Loss whose parts a function returns: a scalar, or scalars by name, of which the sum is minimised."""

    objective: WrappedObjective

    def parts(self, model: Model, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        function = type(self.objective).loss_function
        names = accepted(function, INPUTS)
        inputs = {
            "model": model,
            "x": batch.x,
            "y": batch.y,
            "generator": generator,
            "progress": batch.progress,
            **({"z": draw_latent(model, len(batch), batch.x, generator)} if "z" in names else {}),
        }
        # settings are read at every step, so that changes during a run take effect at once
        result = function(**{name: inputs[name] for name in names}, **self.objective.values())
        parts = result if isinstance(result, dict) else {self.objective.key: result}
        for name, value in parts.items():
            if not isinstance(value, torch.Tensor) or value.ndim:
                raise SpecError(
                    f"The loss '{self.objective.key}' cannot be minimised",
                    expected="a scalar tensor, or a dict of scalar tensors by name",
                    found=f"{name}: shape {tuple(value.shape)}"
                    if isinstance(value, torch.Tensor)
                    else f"{name}: {type(value).__name__}",
                    suggestion="return the mean over the rows",
                )
        return parts


def loss(
    function: Callable[..., Any] | None = None,
    *,
    needs: Iterable[str] = (),
    needs_problem: Iterable[str] = (),
    **texts: Any,
) -> Any:
    """Register a function as an objective, and return its class; also used as a decorator.

    Parameters
    ----------
    function : returns the loss of a batch as a scalar tensor, or as scalars by name. Of these arguments it
        takes those that it names: ``model``, ``x`` (n, D) and ``y`` (n, M) or None in network units, ``z``
        (n, K) standard normal noise for ``model.draw(z, y)``, ``generator`` for other random numbers, and
        ``progress`` (0 to 1). Its further arguments become settings, which may be changed in a run.
    needs : capabilities that the model must have, such as "density" (`workbench.core.capability`).
    needs_problem : capabilities that the problem must have, such as "observation".
    texts : ``key``, ``title``, ``summary`` and ``reference``; by default the function's name and docstring.

    Raises `SpecError` for an unknown capability.
    """
    if function is None:
        return partial(loss, needs=needs, needs_problem=needs_problem, **texts)
    settings = settings_of(function, INPUTS)
    return OBJECTIVES.register(
        member_class(
            WrappedObjective,
            function,
            settings,
            **texts,
            loss_function=staticmethod(function),
            needs_model=_capabilities(needs),
            needs_problem=_capabilities(needs_problem),
            live=frozenset(settings),
        )
    )


def _capabilities(names: Iterable[str]) -> frozenset[Capability]:
    names = [names] if isinstance(names, str) else list(names)
    for name in names:
        if name not in set(Capability):
            raise unknown("capability", name, [c.value for c in Capability])
    return frozenset(Capability(name) for name in names)  # type: ignore[call-arg]
