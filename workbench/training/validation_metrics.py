"""Validation metrics: divergences measured while a run trains, whatever its objective.

Held-out data (x, y) are compared with the model's (T⁻¹(y', z), y') for other held-out y', in standardised
units; without y, the data with T⁻¹(z). Points and latents are drawn once from the seed, so that changes come
from learning; no random number of the training is used. Estimators are unbiased where that is possible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.core.capability import Capability
from workbench.core.lazy import torch
from workbench.divergences import DIVERGENCES, SampleDivergence, estimate
from workbench.training.history import MEASURED

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.training.run import Run

#: Points a side; enough to see a difference of a tenth of a standard deviation, at little cost.
POINTS = 256
#: Critics need this many points a side, and get this many steps, since they are trained anew each time.
_FEWEST_POINTS, _STEPS = 40, 150
#: A model that is inverted by search is measured at one validation in this many.
_EVERY = 10


class ValidationMetrics:
    """The divergences named in the training's ``measured``, on held-out data."""

    def __init__(self, run: Run) -> None:
        data = run.data
        generator = torch.Generator().manual_seed(run.experiment.seed + 6)
        batch = data.held_out(2 * POINTS if data.has_y else POINTS, 1.0)
        # a y that both sides share would pair each draw with its own x
        half = len(batch) // 2 if data.has_y else len(batch)
        self.x, self.y = batch.x[:half], None if batch.y is None else batch.y[:half]
        self.other_y = None if batch.y is None else batch.y[half : 2 * half]
        z = torch.randn(half, run.model.latent_features, generator=generator, dtype=torch.float64)
        self.z = z.to(run.device, run.dtype)
        self._every = 1 if Capability.EXACT_INVERSE in run.model.capabilities else _EVERY

    def measure(self, run: Run) -> dict[str, float]:
        """Return the divergences by name; the run must be in evaluation mode."""
        due = run.iteration // run.settings.validate_every % self._every == 0
        if not run.settings.measured or len(self.x) < 2 or not due:
            return {}
        with torch.no_grad():
            samples, _ = run.model.inverse(self.z, self.other_y)
            p, q = _joint(self.x, self.y), _joint(samples, self.other_y)
            if not bool(torch.isfinite(q).all()):
                return {}
            values = {key: _value(key, p, q, run.experiment.seed) for key in run.settings.measured}
        return {MEASURED + key: value for key, value in values.items() if value is not None}


def _joint(x: Tensor, y: Tensor | None) -> Tensor:
    return x if y is None else torch.cat([x, y], -1)


def _value(key: str, p: Tensor, q: Tensor, seed: int) -> float | None:
    member = DIVERGENCES[key]
    settings = {"unbiased": True} if "unbiased" in {s.name for s in member.settings()} else {}
    divergence = member(**settings)
    if isinstance(divergence, SampleDivergence):
        return float(divergence.between(p, q))
    if min(len(p), len(q)) < _FEWEST_POINTS:
        return None
    with torch.enable_grad():
        return estimate(divergence, p, q, seed=seed, steps=_STEPS).value
