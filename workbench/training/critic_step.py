"""The critic's side of a step of training."""

from __future__ import annotations

from workbench.training.non_finite_guard import finite


def critic_steps(run, factor: float) -> str:
    """The critic's steps before one of the model's, at ``factor`` of its peak learning rate.

    Returns what was not finite, if anything.
    """
    objective = run.experiment.objective
    for group in run.critic_optimiser.param_groups:
        group["lr"] = objective.critic_learning_rate * factor
    for number in range(objective.critic_steps):
        # other points than the model's and those of the last step, so that their scatter averages out
        part = (number + 1) / (objective.critic_steps + 1)
        batch = run.data.batch(run.iteration, run.progress, part)
        run.critic_optimiser.zero_grad(set_to_none=True)
        loss = run.loss.critic_loss(run.model, batch, run.generator)
        if not finite(float(loss.detach())):
            return "the critic's loss"
        loss.backward()
        run.critic_optimiser.step()
        run.loss.after_critic_step()
    return ""
