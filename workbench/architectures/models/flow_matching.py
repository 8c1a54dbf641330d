"""Model of flow matching (`workbench.architectures.flow_matching`)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchdiffeq import odeint

from workbench.architectures.models.input_checks import check_context, check_rows
from workbench.core.model import Model, standard_normal_log_density
from workbench.core.shapes import Shapes
from workbench.nn.velocity_field import VelocityField


class FlowMatchingModel(Model):
    """Flow along a velocity field, integrated by a solver with a fixed number of steps.

    Both directions take the same number of steps; x -> z -> x has the error of the discretisation. `latent`
    and `inverse` return no log-determinant, since it costs D times as much; `log_prob` integrates it.

    Parameters
    ----------
    field : the velocity field; time 0 is noise and time 1 data.
    solver, steps : torchdiffeq's method, and the number of its steps.
    embedding : y (n, M) -> features (n, C) that the field reads; None where it reads y itself.
    """

    def __init__(
        self,
        shapes: Shapes,
        field: VelocityField,
        solver: str,
        steps: int,
        capabilities: frozenset[str],
        embedding: nn.Module | None = None,
    ) -> None:
        super().__init__(shapes.x, shapes.y, shapes.x, capabilities)
        self.field, self.solver, self.steps, self.embedding = field, solver, steps, embedding

    def velocity(self, t: Tensor, x: Tensor, y: Tensor | None) -> Tensor:
        """f(x, t, y) (n, D) at times t (n,)."""
        return self.field.value(t, x, self._embed(y, x.shape[0]))

    def latent(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, None]:
        check_rows("x", x, self.features)
        return self._path(x, y, 1.0, 0.0)[-1], None

    def inverse(self, z: Tensor, y: Tensor | None) -> tuple[Tensor, None]:
        check_rows("latent z", z, self.latent_features)
        return self._path(z, y, 0.0, 1.0)[-1], None

    def draw(self, z: Tensor, y: Tensor | None) -> Tensor:
        """z (n, D) -> x (n, D), given y (n, M), or (1, M) for one common to all, which is embedded once."""
        check_rows("latent z", z, self.latent_features)
        return self._path(z, y, 0.0, 1.0, common=y is not None and len(y) == 1)[-1]

    def stages(self, z: Tensor, y: Tensor | None) -> list[Tensor]:
        """Positions (n, D) of points on their way from z to x: z, after each step, and x."""
        check_rows("latent z", z, self.latent_features)
        return list(self._path(z, y, 0.0, 1.0))

    def log_prob(self, x: Tensor, y: Tensor | None) -> Tensor:
        """log p(x | y) (n,) in nats, to the accuracy of the discretisation."""
        check_rows("x", x, self.features)
        context = self._embed(y, x.shape[0])
        z, log_det = odeint(
            lambda t, state: self.field.velocity(t, state[0], context),
            (x, x.new_zeros(x.shape[0])),
            self._times(x, 1.0, 0.0),
            method=self.solver,
        )
        return standard_normal_log_density(z[-1]) + log_det[-1]

    def _path(
        self, start: Tensor, y: Tensor | None, begin: float, end: float, *, common: bool = False
    ) -> Tensor:
        """Start and points after each step of the integration over time, (steps + 1, n, D)."""
        context = self._embed(y, 1 if common else start.shape[0])
        return odeint(
            lambda t, x: self.field.value(t, x, context),
            start,
            self._times(start, begin, end),
            method=self.solver,
        )

    def _times(self, like: Tensor, begin: float, end: float) -> Tensor:
        return torch.linspace(begin, end, self.steps + 1, dtype=like.dtype, device=like.device)

    def _embed(self, y: Tensor | None, rows: int) -> Tensor | None:
        check_context(y, self.context, rows)
        return y if y is None or self.embedding is None else self.embedding(y)
