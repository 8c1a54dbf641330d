"""Significance of a network's improvement over its initial weights, where these are fitted to the data.

Validation is repeated many times, and the best of many noisy measurements exceeds an unbeatable baseline by
chance. A network is accepted when its held-out log-likelihood exceeds the baseline's by two standard errors
of the mean gain. Gains are paired row by row, so that variation common to both models cancels.
Source: the one-standard-error rule of Breiman, Friedman, Olshen & Stone 1984, Classification and Regression
Trees, section 3.4; here paired, and with two standard errors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.training.run import Run

_STANDARD_ERRORS = 2.0


def held_out_log_prob(run: Run) -> Tensor | None:
    """Return log p(x | y) (n,) of the held-out rows in nats; None where likelihood is not the objective."""
    from workbench.objectives.maximum_likelihood import FlowLikelihood

    if not isinstance(run.loss, FlowLikelihood):
        return None
    batch = run.data.held_out(run.loss.held_out, 1.0)
    with torch.no_grad():
        return run.model.log_prob(batch.x, batch.y)


def exceeds_baseline(run: Run) -> bool:
    """Test whether the current weights have a significantly higher held-out likelihood than the initial ones.

    True as well for a run whose initial weights are not compared, and once better weights have been found.
    """
    if run.baseline is None or run.best_iteration > 0 or run.best_state is None:
        return True
    log_prob = held_out_log_prob(run)
    if log_prob is None:
        return True
    gain = log_prob - run.baseline
    return bool(gain.mean() > _STANDARD_ERRORS * gain.std() / len(gain) ** 0.5)
