"""Updates of the critic of a variational objective within one training step."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from workbench.critics.ascent import critic_step
from workbench.training.non_finite_guard import finite

if TYPE_CHECKING:
    from workbench.objectives.variational import Variational
    from workbench.training.run import Run


def critic_steps(run: Run, factor: float) -> str:
    """Do the critic's updates that precede the model's, at ``factor`` times the critic's peak learning rate.

    Returns the name of a quantity that was not finite, or an empty string.
    """
    optimiser, objective = run.critic_optimiser, cast("Variational", run.experiment.objective)
    if optimiser is None:
        return ""
    for group in optimiser.param_groups:
        group["lr"] = objective.critic_learning_rate * factor
    for number in range(objective.critic_steps):
        # other points than the model's and those of the last step, so that their scatter averages out
        part = (number + 1) / (objective.critic_steps + 1)
        batch = run.data.batch(run.iteration, run.progress, part)
        loss = run.loss.critic_loss(run.model, batch, run.generator)
        if not finite(float(loss.detach())):
            return "the critic's loss"
        critic_step(optimiser, loss)
        run.loss.after_critic_step()
    return ""
