"""refine: the one call for users."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from workbench.core.errors import IncompatibleError, SpecError
from workbench.refinement.base import Amortised, RefinedPosterior, Refinement
from workbench.training import Experiment

AUTOMATIC = "automatic"
#: Tried in this order: what is exact comes first.
_PREFERRED = ("markov_chain", "truncated")


def refine(
    trained: Any,
    observation: Sequence[float],
    *,
    method: str | Refinement = AUTOMATIC,
    problem: Any = None,
    seed: int = 0,
    alive: Callable[[], None] = lambda: None,
    **settings: Any,
) -> RefinedPosterior:
    """The posterior of one observation, better than the trained network gives it.

    Parameters
    ----------
    trained : a Run or a FittedModel.
    observation : (M,) in the units of y.
    method : "importance" (weights), "markov_chain" (resampling and moves), "truncated" (further rounds of
        simulation), a `Refinement`, or "automatic": moves where the joint density is known, rounds elsewhere.
    problem : what the network was trained on; by default the run's own, or that of the experiment that the
        model carries.
    seed : same seed, same draws.
    alive : called every now and then; what it raises ends the refinement and comes out here.
    settings : of the method.

    Returns
    -------
    An object with ``sample(n)``, which gives a Dataset as the amortised posterior does, and ``gain``:
    effective sample size, Pareto k̂, acceptance, log evidence, simulations, and warnings in words.

    Raises `IncompatibleError` where the method needs more than the model or the problem gives, `SpecError`
    for unknown settings and `DataError` for an observation that does not fit.
    """
    fitted = getattr(trained, "fitted", trained)
    problem = problem if problem is not None else getattr(trained, "problem", None) or _problem(fitted)
    member = _member(method, settings, fitted, problem)
    run = trained if hasattr(trained, "data") else None
    return member.refine(Amortised(fitted, problem, observation, run, alive=alive), seed=seed)


def _member(method: str | Refinement, settings: dict[str, Any], fitted: Any, problem: Any) -> Refinement:
    from workbench.refinement import REFINEMENT

    if isinstance(method, Refinement):
        if settings:
            raise SpecError("Settings go with the key of a method", found=", ".join(settings))
        return method
    if method != AUTOMATIC:
        return REFINEMENT.make(method, **settings)
    reasons = []
    for key in _PREFERRED:
        refused = REFINEMENT[key]().refusals(fitted, problem)
        if not refused:
            return REFINEMENT.make(key, **settings)
        reasons += refused
    raise IncompatibleError("There is nothing to refine this posterior with", found=" ".join(reasons))


def _problem(fitted: Any) -> Any:
    """The problem of the experiment that a model carries. Raises `SpecError` where there is none."""
    manifest = getattr(fitted, "manifest", {}) or {}
    if "experiment" not in manifest:
        raise SpecError(
            "A posterior was to be refined without its problem",
            expected="a run, or problem=… besides",
            found="a model that does not say what it was trained on",
        )
    return Experiment.from_dict(manifest["experiment"]).problem
