"""The problem that a model without a run was trained on, from the experiment that it carries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.core.errors import SpecError, WorkbenchError

if TYPE_CHECKING:
    from workbench.inference.fitted_model import FittedModel
    from workbench.problems.base import Problem


def problem_of_model(fitted: FittedModel, asked: str) -> Problem:
    """Return the problem of the experiment in a model's manifest.

    ``asked`` is the beginning of the error's sentence. Raises `SpecError`, which names the argument
    ``problem``, where the model carries no experiment, and where its problem has functions or rows that a
    model's file does not hold.
    """
    from workbench.training.experiment import Experiment

    manifest = getattr(fitted, "manifest", {}) or {}
    if "experiment" not in manifest:
        raise SpecError(
            f"{asked} without its problem",
            expected="a run, or problem=… besides",
            found="a model that does not say what it was trained on",
        )
    part = manifest["experiment"].get("problem")
    key = str(part.get("key") if isinstance(part, dict) else part)
    try:
        problem = Experiment.from_dict(manifest["experiment"]).problem
        reasons = problem.refusals()
        cause: WorkbenchError | None = None
    except WorkbenchError as error:
        reasons, cause = [str(error)], error
    if not reasons:
        return problem
    raise SpecError(
        f"{asked} without its problem",
        expected="a run, or problem=… besides: the problem that it was trained on",
        found=f"a model of the problem '{key}', whose functions or rows its file does not hold",
        suggestion="give problem=SimulatorProblem(…), TableProblem(…) or the like, as for the training",
    ) from cause
