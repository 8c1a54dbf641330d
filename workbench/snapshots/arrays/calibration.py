"""Ranks of held-out truths among posterior draws, on a small budget: the live form of the judged diagnostic.

rank u of a truth x_i among L draws of the model at its own y_i: uniform on (0, 1) under the exact posterior
(Talts et al. 2018, arXiv 1804.06788). Pairs and latents are the run's own eyes, drawn once, so that what
moves is learning. As many pairs as fit into the time, at most ``PAIRS``; each is asked in one batch with
others, and a live page gives this view at most its share of the time.

Arrays: calibration_rank (pairs, D); calibration_figures (iteration, draws a pair).
"""

from __future__ import annotations

import time

import numpy as np
import torch

PAIRS, DRAWS, CHUNK = 200, 40, 25
#: After so many seconds no further chunk is begun.
SECONDS = 0.5


def calibration(run, look) -> dict[str, np.ndarray]:
    """Empty without an observation: then there is no posterior to be calibrated."""
    if not run.data.has_y:
        return {}
    return run.evaluation_points.cached_expensive(
        "calibration", run.iteration, lambda: _ranks(run), fresh=look.fresh
    )


def _ranks(run) -> dict[str, np.ndarray]:
    x, y = run.evaluation_points.x[:PAIRS], run.evaluation_points.y[:PAIRS]
    generator = torch.Generator().manual_seed(run.experiment.seed + 8)
    found, ends = [], time.monotonic() + SECONDS
    for start in range(0, len(x), CHUNK):
        truth, rows = x[start : start + CHUNK], y[start : start + CHUNK].repeat_interleave(DRAWS, 0)
        z = torch.randn(len(rows), run.model.latent_features, generator=generator, dtype=torch.float64)
        made, _ = run.model.inverse(z.to(rows), rows)
        made = made.reshape(len(truth), DRAWS, -1)
        # what is not finite counts as above; ties are broken by chance, whole numbers become continuous
        below = (made < truth[:, None]).sum(1).double().cpu()
        equal = (made == truth[:, None]).sum(1).double().cpu()
        share = torch.rand(below.shape, generator=generator, dtype=torch.float64)
        found.append((below + share * (equal + 1)) / (DRAWS + 1))
        if time.monotonic() > ends:
            break
    return {
        "calibration_rank": torch.cat(found).numpy(),
        "calibration_figures": np.array([run.iteration, DRAWS], dtype=np.float64),
    }
