"""Is what training made of a model better than its start from the data, or only luckier on the held-out data?

Validation is looked at many times, and the best of many looks at a start that cannot be bettered is better
by chance. A network has surpassed its start when the held-out rows are likelier by two standard errors of
their mean gain; the gain is row by row, so that what all rows have in common does not count.
Source: the one-standard-error rule of Breiman, Friedman, Olshen & Stone 1984, Classification and Regression
Trees, section 3.4; paired, and with two.
"""

from __future__ import annotations

import torch
from torch import Tensor

from workbench.objectives.maximum_likelihood import FlowLikelihood

_ERRORS = 2.0


@torch.no_grad()
def held_out_log_prob(run) -> Tensor | None:
    """log p(x | y) (n,) of the held-out rows in nats; None where likelihood is not what is trained."""
    if not isinstance(run.loss, FlowLikelihood):
        return None
    batch = run.data.held_out(run.loss.held_out, 1.0)
    return run.model.log_prob(batch.x, batch.y)


def surpassed(run) -> bool:
    """True as well where there is no start to compare with, or it was surpassed before."""
    if run.start is None or run.best_iteration > 0 or run.best_state is None:
        return True
    gain = held_out_log_prob(run) - run.start
    return bool(gain.mean() > _ERRORS * gain.std() / len(gain) ** 0.5)
