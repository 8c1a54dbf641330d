"""Theorem 3.1 put to work on a run: its terms as measured now, beside the true distance where it is known.

Everything is in standardised units. Arrays: bound_value and bound_status (one a member of `theory.TERMS`;
1 declared, 2 measured, 3 not checkable), bound_figures (iteration, order a, 1 where the bound holds, 0 where
it is broken, else NaN; and the bound with the steepest slope seen in place of a declared J). Where the
theorem does not apply they are absent, and the note says why.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from workbench import theory
from workbench.core.capability import Capability
from workbench.core.errors import WorkbenchError
from workbench.divergences import DIVERGENCES, estimate
from workbench.snapshots.arrays.common import conditions
from workbench.snapshots.density_ratio import finite_rows, from_densities, joined, sides

#: Steps of the fresh critic, points at which slopes are measured, and sizes of the true distance's samples.
_STEPS, _BATCH, _SLOPES, _OBSERVATIONS, _DRAWS, _FLAT_DRAWS = 200, 256, 64, 12, 200, 500
#: Beyond this width slopes are looked for at fewer points: each costs a backward pass a component.
_WIDE = 16
_STATUS = {"declared": 1, "measured": 2, "not checkable": 3}
_VERDICTS = {"holds": 1.0, "broken": 0.0, "unknown": math.nan}
#: The ruler of objectives that have no divergence of their own.
_RULER = "jensen_shannon"


def bound(run, look) -> dict[str, np.ndarray]:
    """The panel's numbers; measured anew at most a fifth of the time of a live page."""
    if Capability.BIJECTION not in run.model.capabilities:
        look.notes["bound"] = "The theorem is about bijections, and this network is none."
        return {}
    divergence = getattr(run.loss, "divergence", None)
    own = divergence is not None
    divergence = divergence if own else DIVERGENCES.make(_RULER)
    silent = theory.silence(divergence)
    if silent:
        look.notes["bound"] = silent
        return {}
    what = f"bound by {divergence.key} {divergence.values()}"
    found, said = run.evaluation_points.cached_expensive(
        what, run.iteration, lambda: _measured(run, divergence), fresh=look.fresh
    )
    ruler = divergence.title if own else f"{divergence.title}, as a ruler: the loss has none of its own"
    look.notes["bound"] = said or ruler
    return found


def _measured(run, divergence) -> tuple[dict[str, np.ndarray], str]:
    eyes, model = run.evaluation_points, run.model
    coded, _ = model.latent(eyes.x, eyes.y)
    kept = finite_rows(coded)
    if int(kept.sum()) < 100:
        return {}, "Too few points have a finite latent code."
    y = None if eyes.y is None else eyes.y[kept]
    p, q = joined(y, eyes.z[kept]), joined(y, coded[kept])
    with torch.enable_grad():
        ruled = estimate(divergence, p, q, seed=run.experiment.seed, steps=_STEPS, batch_size=_BATCH)
    densities = sides(run)
    # the theorem's first law is the latent's: brought to x, that of the model
    known = densities and from_densities(divergence, densities, data_first=False)
    seen = _slopes(run)
    declared = _declared(run.model)
    made = theory.measured_bound(
        divergence,
        held_out=ruled.value,
        gap=_gap(ruled, known),
        known=known,
        misfit=_misfit(run),
        lipschitz=declared or seen,
        moments={a: (theory.moment(p, a), theory.moment(q, a)) for a in theory.ORDERS},
    )
    made = theory.with_truth(made, *true_distance(run))
    with_seen = made.bound.value * seen.inverse / made.lipschitz
    figures = [run.iteration, made.order, _VERDICTS[theory.judge(made)], with_seen]
    return {
        "bound_value": np.array([term.value for term in made.terms]),
        "bound_status": np.array([float(_STATUS[term.status]) for term in made.terms]),
        "bound_figures": np.array(figures, dtype=float),
    }, ""


def _gap(ruled, known: tuple[float, float] | None) -> theory.VariationalGap:
    gap = theory.variational_gap(ruled, None if known is None else known[0])
    if gap.standard_error == gap.standard_error:
        return gap
    # a mean of numbers between 0 and 1 (precision-recall): half a unit over the root of their number
    return replace(gap, standard_error=0.5 / math.sqrt(max(ruled.n_held_out, 1) / 2))


def true_distance(run) -> tuple[float, float]:
    """E_Y W1(P_{X|Y}, T⁻¹(Y,·)#P_Z) from samples, and what two samples of the true law measure; NaN where the
    posterior is not known. Without y it is W1 between data and samples."""
    if not run.data.has_y:
        return _flat_distance(run)
    if Capability.REFERENCE_POSTERIOR not in run.problem.capabilities:
        return math.nan, math.nan
    found = []
    for observation in _observations(run):
        try:
            known = run.evaluation_points.reference(run.problem, observation, run.experiment.seed)
        except WorkbenchError:
            continue  # an observation in a far tail without exact draws in reasonable time
        first, second = (_standard(run, known[i : i + _DRAWS]) for i in (0, _DRAWS))
        z = run.evaluation_points.z[:_DRAWS]
        made = run.model.inverse(z, conditions(run, observation, len(z)))[0].detach().cpu().double()
        if bool(made.isfinite().all()):
            found.append([theory.sampled_wasserstein(first, other) for other in (made, second)])
    return tuple(np.mean(found, axis=0).tolist()) if found else (math.nan, math.nan)


def _flat_distance(run) -> tuple[float, float]:
    n = min(_FLAT_DRAWS, len(run.evaluation_points.x), len(run.data.train_x))
    known, other = (t[:n].cpu().double() for t in (run.evaluation_points.x, run.data.train_x))
    made = run.model.inverse(run.evaluation_points.z[:n], None)[0].detach().cpu().double()
    if not bool(made.isfinite().all()):
        return math.nan, math.nan
    return theory.sampled_wasserstein(known, made), theory.sampled_wasserstein(known, other)


def _observations(run) -> list[tuple[float, ...]]:
    rows = run.data.standardisation.y_out(run.evaluation_points.y[:_OBSERVATIONS].cpu().double())
    return [tuple(row) for row in rows.tolist()]


def _standard(run, x: np.ndarray) -> Tensor:
    return run.data.standardisation.x_in(torch.as_tensor(x, dtype=torch.float64))


def _misfit(run) -> float | None:
    """E|T_y(X) - Y|² and, for a padded network, E|T_pad(X)|²: what must vanish for T⁻¹(y, z) to be x."""
    model, eyes = run.model, run.evaluation_points
    if Capability.FORWARD not in model.capabilities:
        return None
    out, _ = model.forward_full(model.pad_x(eyes.x))
    predicted, _, padding = model.split(out)
    off = (predicted - eyes.y).square().sum(-1) + padding.square().sum(-1)
    return float(off[off.isfinite()].double().mean())


def _declared(model) -> theory.LipschitzConstants | None:
    if not hasattr(model, "lipschitz_inverse"):
        return None
    return theory.LipschitzConstants(model.lipschitz, model.lipschitz_inverse, "declared")


def _slopes(run) -> theory.LipschitzConstants:
    """The steepest slopes at data and at draws. A network with [y, z] is one bijection of both; the others
    are bijections of x at fixed y."""
    model, eyes = run.model, run.evaluation_points
    n = _SLOPES if model.features <= _WIDE else _SLOPES // 4
    x, z, y = eyes.x[:n], eyes.z[:n], None if eyes.y is None else eyes.y[:n]
    if Capability.FORWARD in model.capabilities:
        points = torch.cat([model.pad_x(x), model.inverse_full(model.join(y, z))[0]])
        return theory.bijection_constants(lambda u: model.forward_full(u)[0], points)
    points = torch.cat([x, model.inverse(z, y)[0]])
    twice = None if y is None else torch.cat([y, y])
    return theory.bijection_constants(lambda u: model.latent(u, twice)[0], points)
