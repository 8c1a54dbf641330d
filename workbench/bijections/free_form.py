"""A velocity field and the flow along it, for a continuous normalizing flow.

forward   dx/dt = f(x, t, c) from t = 0 to t = 1, by zuko's adaptive Dormand-Prince method
log-det   ∫₀¹ tr ∂f/∂x dt along the way; the trace is exact
inverse   from t = 1 to t = 0
Source: Grathwohl et al. 2019, FFJORD, arXiv:1810.01367; Zhuang et al. 2020 (the gradient), arXiv:2006.02493.
The trace comes with the value (see smooth_network), where zuko's own layer takes it by automatic
differentiation inside every stage of every step: measured, a training step of ours is several times faster.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.distributions import Transform, constraints
from zuko.lazy import LazyTransform
from zuko.utils import odeint

from workbench.nn.smooth_network import Activation
from workbench.nn.velocity_field import VelocityField


class FreeForm(VelocityField, LazyTransform):
    """The field as a layer.

    Parameters
    ----------
    frequencies : number of waves by which the network is told the time.
    tolerance : relative tolerance of the integration; the absolute one is a tenth of it.
    """

    def __init__(
        self,
        features: int,
        context: int,
        hidden: Sequence[int],
        activation: Activation,
        *,
        frequencies: int,
        tolerance: float,
    ) -> None:
        super().__init__(features, context, hidden, activation, frequencies=frequencies)
        self.tolerance = tolerance

    def forward(self, c: Tensor | None = None) -> Transform:
        return FreeFormTransform(self, c)


class FreeFormTransform(Transform):
    """The flow for a given context; ``inverted`` swaps its two directions, which cost the same."""

    domain = constraints.real_vector
    codomain = constraints.real_vector
    bijective = True

    def __init__(self, field: FreeForm, context: Tensor | None, *, inverted: bool = False) -> None:
        super().__init__()
        self.field, self.context, self.inverted = field, context, inverted

    @property
    def inv(self) -> Transform:
        return FreeFormTransform(self.field, self.context, inverted=not self.inverted)

    def call_and_ladj(self, u: Tensor) -> tuple[Tensor, Tensor]:
        start, end = (1.0, 0.0) if self.inverted else (0.0, 1.0)
        learned = [p for p in self.field.parameters() if p.requires_grad]
        if self.context is not None and self.context.requires_grad:
            learned.append(self.context)
        return odeint(
            lambda t, x, _: self.field.velocity(t, x, self.context),
            (u, u.new_zeros(u.shape[0])),
            start,
            end,
            phi=learned,
            atol=0.1 * self.field.tolerance,
            rtol=self.field.tolerance,
        )

    def _call(self, u: Tensor) -> Tensor:
        return self.call_and_ladj(u)[0]

    def _inverse(self, v: Tensor) -> Tensor:
        return self.inv._call(v)

    def log_abs_det_jacobian(self, u: Tensor, v: Tensor) -> Tensor:
        return self.call_and_ladj(u)[1]
