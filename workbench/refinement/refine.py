"""The public function `refine`, which improves a trained network's posterior at one observation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from workbench.core.entries import public
from workbench.core.errors import IncompatibleError, SpecError
from workbench.refinement.base import REFINEMENT, AmortisedPosterior, RefinedPosterior, Refinement

if TYPE_CHECKING:
    from workbench.inference.fitted_model import FittedModel
    from workbench.problems import Problem
    from workbench.training import Run

AUTOMATIC = "automatic"
#: Methods of "automatic", in the order in which they are tried: exact ones first.
_PREFERRED = ("markov_chain", "truncated")


@public
def refine(
    trained: FittedModel | Run,
    observation: Sequence[float],
    *,
    method: str | Refinement = AUTOMATIC,
    problem: Problem | None = None,
    seed: int = 0,
    alive: Callable[[], None] = lambda: None,
    **settings: Any,
) -> RefinedPosterior:
    """Refine the posterior at one observation beyond the trained network's answer.

    Parameters
    ----------
    trained : a Run or a FittedModel.
    observation : (M,) in the units of y.
    method : "importance" (weights), "markov_chain" (resampling and Markov chain moves), "signal_model"
        (weights of draws from a local model of the signal), "truncated" (further rounds of simulation and
        training), a `Refinement`, or "automatic": "markov_chain" where the joint density is
        known, else "truncated".
    problem : the problem that the network was trained on; by default the run's own, or that of the experiment
        that the model carries.
    seed : same seed, same draws.
    alive : called repeatedly; to stop the refinement, raise an exception, which is passed on.
    settings : settings of the method.

    Returns
    -------
    An object with ``sample(n)``, which gives a Dataset as the amortised posterior does, and ``gain``:
    effective sample size, Pareto k̂, acceptance, log evidence, simulations, and warnings in words.

    Raises `IncompatibleError` where the method needs more than the model or the problem gives, `SpecError`
    for unknown settings and `DataError` for an observation that does not fit.
    """
    from workbench.training.problem_of_model import problem_of_model

    model = cast("FittedModel", getattr(trained, "fitted", trained))
    if problem is None:
        own = getattr(trained, "problem", None)
        problem = own or problem_of_model(model, "A posterior was to be refined")
    member = _member(method, settings, model, problem)
    run = cast("Run", trained) if hasattr(trained, "data") else None
    posterior = AmortisedPosterior(model, problem, observation, run, callback=alive)
    return member.refine(posterior, seed=seed)


def _member(
    method: str | Refinement, settings: dict[str, Any], fitted: FittedModel, problem: Problem
) -> Refinement:
    if isinstance(method, Refinement):
        if settings:
            raise SpecError("Settings go with the key of a method", found=", ".join(settings))
        return method
    if method != AUTOMATIC:
        return REFINEMENT.make(method, **settings)
    reasons = []
    for key in _PREFERRED:
        refusals = REFINEMENT[key]().refusals(fitted, problem)
        if not refusals:
            return REFINEMENT.make(key, **settings)
        reasons += refusals
    raise IncompatibleError("There is nothing to refine this posterior with", found=" ".join(reasons))
