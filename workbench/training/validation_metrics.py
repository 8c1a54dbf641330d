"""Rulers: divergences that are measured while a run trains, whatever it trains with.

Held-out data (x, y) against the model's (T⁻¹(y, z), y) for other held-out y, in standardised units; without y
the data against T⁻¹(z). Points and latents are drawn once from the seed, so that what moves is learning; no
random number of the training is used. Where an estimator can be unbiased it is.
"""

from __future__ import annotations

import torch
from torch import Tensor

from workbench.core.capability import Capability
from workbench.divergences import DIVERGENCES, SampleDivergence, estimate
from workbench.training.history import MEASURED

#: Points a side; enough to see a difference of a tenth of a standard deviation, at little cost.
POINTS = 256
#: Critics need this many a side; and get this many steps, since they are trained anew at each look.
_FEWEST, _STEPS = 40, 150
#: A model whose inverse is searched for is measured at one validation in so many.
_SELDOM = 10


class ValidationMetrics:
    """What a run is measured with besides its loss: the divergences named in the training's ``measured``."""

    def __init__(self, run) -> None:
        data = run.data
        generator = torch.Generator().manual_seed(run.experiment.seed + 6)
        batch = data.held_out(2 * POINTS if data.has_y else POINTS, 1.0)
        # a y that both sides share would pair each draw with its own x
        half = len(batch) // 2 if data.has_y else len(batch)
        self.x, self.y = batch.x[:half], None if batch.y is None else batch.y[:half]
        self.other_y = None if batch.y is None else batch.y[half : 2 * half]
        z = torch.randn(half, run.model.latent_features, generator=generator, dtype=torch.float64)
        self.z = z.to(run.device, run.dtype)
        self._every = 1 if Capability.EXACT_INVERSE in run.model.capabilities else _SELDOM

    @torch.no_grad()
    def measure(self, run) -> dict[str, float]:
        """The named divergences, to be called while the looked-at weights are in place."""
        due = run.iteration // run.settings.validate_every % self._every == 0
        if not run.settings.measured or len(self.x) < 2 or not due:
            return {}
        made, _ = run.model.inverse(self.z, self.other_y)
        p, q = _joint(self.x, self.y), _joint(made, self.other_y)
        found = {}
        if bool(torch.isfinite(q).all()):
            for key in run.settings.measured:
                value = _value(key, p, q, run.experiment.seed)
                if value is not None:
                    found[MEASURED + key] = value
        return found


def _joint(x: Tensor, y: Tensor | None) -> Tensor:
    return x if y is None else torch.cat([x, y], -1)


def _value(key: str, p: Tensor, q: Tensor, seed: int) -> float | None:
    member = DIVERGENCES[key]
    unbiased = {"unbiased": True} if "unbiased" in {s.name for s in member.settings()} else {}
    made = member(**unbiased)
    if isinstance(made, SampleDivergence):
        return float(made.between(p, q))
    if min(len(p), len(q)) < _FEWEST:
        return None
    with torch.enable_grad():
        return estimate(made, p, q, seed=seed, steps=_STEPS).value
