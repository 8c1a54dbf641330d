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
    """Return log p(x | y) (n,) of the held-out rows in nats; None where likelihood is not the objective.

    For an ensemble that is cross-fitted, the training rows follow, each by members that have not seen it.
    """
    from workbench.objectives.maximum_likelihood import FlowLikelihood

    if not isinstance(run.loss, FlowLikelihood):
        return None
    batch = run.data.held_out(run.loss.held_out, 1.0)
    with torch.no_grad():
        log_prob = run.model.log_prob(batch.x, batch.y)
        if not run.model.cross_fitted:
            return log_prob
        return torch.cat([log_prob, run.model.cross_validated_log_prob(*_training_rows(run))])


def _training_rows(run: Run) -> tuple[Tensor, Tensor | None]:
    return run.data.train_x, run.data.train_y if run.data.has_y else None


def selection_loss(run: Run, loss: float) -> float:
    """Return the loss by which the best weights are chosen: ``loss``, that of the held-out rows.

    For an ensemble that is cross-fitted, it is the mean over the rows of `held_out_log_prob`, negative.
    """
    log_prob = held_out_log_prob(run) if run.model.cross_fitted else None
    return loss if log_prob is None else -float(log_prob.cpu().double().mean())


def calibrate(run: Run) -> None:
    """Adjust the density of a run's model, with the weights that it has now, where it is cross-fitted."""
    if run.model.cross_fitted:
        held_out = run.data.held_out(len(run.data.held_out_x), 1.0)
        training = run.model.training
        run.model.eval()
        run.model.calibrate(*_training_rows(run), held_out.x, held_out.y)
        run.model.train(training)


def patience_counts(run: Run) -> bool:
    """Test whether steps without an improvement count towards early stopping.

    Not in the first half of the planned steps while no weights have exceeded the baseline: at the highest
    learning rates a network may lie below a fit to the data that it will exceed.
    """
    waits = run.baseline is not None and run.best_iteration == 0 and not run.model.cross_fitted
    return not waits or 2 * run.iteration >= run.experiment.steps


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
