"""Validation metrics: divergences measured while a run trains, whatever its objective.

Held-out data (x, y) are compared with (T⁻¹(y', z), y'), samples of the model at other held-out y', in
standardised units; without y, the data x with T⁻¹(z). T⁻¹ maps latents z to x. Data and latents are drawn
once from the seed, so that changes come from learning, and no random number of the training is used.
Estimators are unbiased where that is possible.
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

#: Points in each of the two compared samples: a difference of a tenth of a standard deviation is seen.
POINTS = 256
#: Fewest points in each sample for a divergence with a critic, and steps for which its critic is trained.
_FEWEST_POINTS, _STEPS = 40, 150
#: A model without an exact inverse is measured only at every tenth validation.
_EVERY = 10


class ValidationMetrics:
    """Computes the divergences listed in the training setting ``measured`` on held-out data."""

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
        """Return the divergences by key, with the prefix `MEASURED`; the run must be in evaluation mode.

        Empty where no measurement is due at this validation or the model's samples are not finite.
        """
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
        return estimate(divergence, p, q, seed=seed, steps=_STEPS, warn=False).value
