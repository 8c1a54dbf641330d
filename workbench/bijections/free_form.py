"""Flow along a velocity field, the layer of a continuous normalizing flow.

forward   dx/dt = f(x, t, c) from t = 0 to t = 1, by zuko's adaptive Dormand-Prince method
log-det   ∫₀¹ tr ∂f/∂x dt along the way; the trace is exact
inverse   from t = 1 to t = 0
Source: Grathwohl et al. 2019, FFJORD, arXiv:1810.01367; Zhuang et al. 2020 (the gradient), arXiv:2006.02493.
The trace is computed together with f (see smooth_network). zuko's own layer computes it by automatic
differentiation in every stage of every step, which makes a training step several times slower.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.distributions import Transform
from zuko.lazy import LazyTransform
from zuko.utils import odeint

from workbench.bijections.transform import ReversibleTransform
from workbench.nn.smooth_network import Activation
from workbench.nn.velocity_field import VelocityField


class FreeForm(VelocityField, LazyTransform):
    """Layer that moves points along a velocity field from time 0 to time 1.

    Parameters
    ----------
    frequencies : number of Fourier features of time.
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


class FreeFormTransform(ReversibleTransform):
    """Flow of a `FreeForm` layer for a given context. Both directions cost the same."""

    layer: FreeForm

    def _forward(self, u: Tensor) -> tuple[Tensor, Tensor]:
        return self._integrate(u, 0.0, 1.0)

    def _backward(self, v: Tensor) -> tuple[Tensor, Tensor]:
        return self._integrate(v, 1.0, 0.0)

    def _integrate(self, u: Tensor, start: float, end: float) -> tuple[Tensor, Tensor]:
        field, context = self.layer, self.context
        parameters = [p for p in field.parameters() if p.requires_grad]
        if context is not None and context.requires_grad:
            parameters.append(context)
        return odeint(
            lambda t, x, _: field.velocity(t, x, context),
            (u, u.new_zeros(u.shape[0])),
            start,
            end,
            phi=parameters,
            atol=0.1 * field.tolerance,
            rtol=field.tolerance,
        )
