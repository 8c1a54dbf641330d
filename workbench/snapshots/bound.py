"""Bound on the posterior's error, VINA Theorem 3.1 (arXiv:2602.20480), measured term by term.

Beside it the true distance where it is known; everything is in standardised units. Arrays: bound_value and
bound_status, one number per term of `theory.TERMS` (status 1 declared, 2 measured, 3 not checkable), and
bound_figures: iteration, moment order a, 1 where the bound holds and 0 where it is broken (NaN: unknown), and
the bound with the steepest measured slope in place of a declared Lipschitz constant J. Where the theorem does
not apply the arrays are absent, and the note says why.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from workbench import theory
from workbench.core.capability import Capability
from workbench.core.errors import WorkbenchError
from workbench.core.lazy import torch
from workbench.snapshots.base import VIEWS, SnapshotContext, View
from workbench.snapshots.conversions import repeat_observation
from workbench.snapshots.density_ratio import (
    divergence_from_densities,
    evaluated_densities,
    finite_rows,
    joint_table,
)
from workbench.snapshots.labelling import common_attrs

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.divergences import Divergence, Estimate
    from workbench.snapshots.labelling import SnapshotLike
    from workbench.training import Run

#: Steps and batch size of the fresh critic; points at which slopes are measured; observations and draws for
#: the true distance, and draws where there is no y.
_STEPS, _BATCH, _SLOPES, _OBSERVATIONS, _DRAWS, _FLAT_DRAWS = 200, 256, 64, 12, 200, 500
#: Beyond this number of variables slopes are measured at fewer points: a backward pass per variable each.
_WIDE = 16
_STATUS = {"declared": 1, "measured": 2, "not checkable": 3}
_VERDICTS = {"holds": 1.0, "broken": 0.0, "unknown": math.nan}
#: Divergence that is measured where the objective has none.
_DEFAULT = "jensen_shannon"
#: Labels of the terms by name, in the order of the arrays.
TERMS = {
    "truth": "true error",
    "floor": "two exact samples",
    "bound": "bound",
    "supervised": "part of y: J √L_y",
    "unsupervised": "part of z",
    "lipschitz": "J, slope of T⁻¹",
    "misfit": "L_y, misfit of y",
    "divergence": "D, held out",
    "gap": "η, gap of the critic",
    "overfit": "r, overfit",
    "total_variation": "TV ≤ c_f √D",
    "moment": "moments R",
    "realisable": "an exact T exists",
}
STATUSES = ("", "declared", "measured", "not checkable")
#: Ends of the log₁₀ axis, and its extension to the right, where values are written as text.
LOW, HIGH, TEXT = -4.0, 4.0, 9.0


@VIEWS.register
class Bound(View):
    """Terms of the bound on the posterior's error, and the true error."""

    key = "bound"
    title = "Bound"
    summary = (
        "Upper bound on the posterior's error by Theorem 3.1 of the VINA paper, term by term. Blue is the "
        "true error, orange a measured term, green one that the architecture declares."
    )
    parts = ("bound",)
    needs_model = frozenset({Capability.BIJECTION})
    position = 160
    has_sentence = True

    def arrays(self, run: Run, context: SnapshotContext) -> dict[str, np.ndarray]:
        """Measure the terms, or return the latest ones; none where the theorem does not apply.

        Unless ``context.fresh``, the latest ones are reused so that measuring takes at most a fifth of the
        wall time.
        """
        from workbench.divergences import DIVERGENCES

        if Capability.BIJECTION not in run.model.capabilities:
            context.notes["bound"] = "The theorem is about bijections, and this network is none."
            return {}
        own = getattr(run.loss, "divergence", None)
        divergence = DIVERGENCES.make(_DEFAULT) if own is None else own
        silence = theory.silence(divergence)
        if silence:
            context.notes["bound"] = silence
            return {}
        arrays, note = run.evaluation_points.cached_expensive(
            f"bound by {divergence.key} {divergence.values()}",
            run.iteration,
            lambda: _terms(run, divergence),
            fresh=context.fresh,
        )
        title = divergence.title
        if own is None:
            title += ", as a ruler: the loss has none of its own"
        context.notes["bound"] = note or title
        return arrays

    def dataset(self, snapshot: SnapshotLike, *, pair: tuple[int, int] = (0, 1)) -> xr.Dataset:
        """Return ``value`` and ``status`` of each term; lengths in standard deviations of the training data.

        The term ``moment`` is R^(1/(1+a)), with a the attribute ``order``. Attribute ``verdict``: green where
        the bound lies above the true distance, red where it does not (then a term is wrong), amber where the
        true distance is not known, "unknown" before the first measurement and where the theorem does not
        apply; ``sentence`` explains it. ``pair`` is ignored.
        """
        arrays = snapshot.arrays
        value = np.asarray(arrays.get("bound_value", np.full(len(TERMS), np.nan)), dtype=np.float64)
        status = np.asarray(arrays.get("bound_status", np.zeros(len(TERMS))), dtype=int)
        figures = np.asarray(arrays.get("bound_figures", np.full(4, np.nan)), dtype=np.float64)
        note = snapshot.notes.get("bound", "")
        has_values = "bound_value" in arrays
        return xr.Dataset(
            {
                "value": ("term", value, {"long_name": "value of the term"}),
                "status": ("term", np.array([STATUSES[s] for s in status], dtype=str)),
            },
            coords={"term": list(TERMS), "label": ("term", list(TERMS.values()))},
            attrs=common_attrs(snapshot, "bound", "Bound of the posterior's error")
            | {
                "verdict": _verdict(figures[2]) if has_values else "unknown",
                "sentence": _sentence(dict(zip(TERMS, value, strict=True)), figures, note)
                if has_values
                else note or "Not measured yet.",
                "note": note,
                "measured_at": int(figures[0]) if has_values else -1,
                "order": float(figures[1]),
                "horizontal_label": "standard deviations, or nats",
                "vertical_label": "",
                "horizontal_window": [LOW, TEXT],
                "vertical_window": [-0.6, len(TERMS) - 0.4],
            },
        )


def _verdict(holds: float) -> str:
    return "amber" if np.isnan(holds) else "green" if holds else "red"


def _sentence(value: dict[str, float], figures: np.ndarray, note: str) -> str:
    _, order, holds, with_measured_slope = figures
    terms = f"bound {value['bound']:.2g}, with D by {note}, and moments of order {1 + order:g}"
    if abs(with_measured_slope - value["bound"]) > 1e-6 * value["bound"]:
        terms += f"; {with_measured_slope:.2g} with the steepest slope seen in place of the declared J"
    if np.isnan(holds):
        return f"The true posterior is not known: {terms}."
    truth = f"true error {value['truth']:.2g} (two exact samples: {value['floor']:.2g})"
    if holds:
        return f"Holds: {truth}, {terms}."
    return f"Broken: {truth}, {terms}. One of the terms is wrong, or estimated too low."


def _terms(run: Run, divergence: Divergence) -> tuple[dict[str, np.ndarray], str]:
    """Measure the terms; return (arrays, ""), or ({}, reason) where too few points have finite latents."""
    from workbench.divergences.estimate import estimate

    points, model = run.evaluation_points, run.model
    code, _ = model.latent(points.x, points.y)
    mask = finite_rows(code)
    if int(mask.sum()) < 100:
        return {}, "Too few points have a finite latent code."
    y = None if points.y is None else points.y[mask]
    p, q = joint_table(y, points.z[mask]), joint_table(y, code[mask])
    with torch.enable_grad():
        estimation = estimate(
            divergence, p, q, seed=run.experiment.seed, steps=_STEPS, batch_size=_BATCH, warn=False
        )
    densities = evaluated_densities(run)
    # the theorem's first distribution is the latent's: brought to x, that of the model
    true_value = divergence_from_densities(divergence, densities, data_first=False) if densities else None
    slopes = _slopes(run)
    bound = theory.measured_bound(
        divergence,
        held_out=estimation.value,
        gap=_gap(estimation, true_value),
        known=true_value,
        misfit=_misfit(run),
        lipschitz=_declared(run.model) or slopes,
        moments={a: (theory.moment(p, a), theory.moment(q, a)) for a in theory.ORDERS},
    )
    bound = theory.with_truth(bound, *true_distance(run))
    with_measured_slope = bound.bound.value * slopes.inverse / bound.lipschitz
    figures = [run.iteration, bound.order, _VERDICTS[theory.judge(bound)], with_measured_slope]
    return {
        "bound_value": np.array([term.value for term in bound.terms]),
        "bound_status": np.array([float(_STATUS[term.status]) for term in bound.terms]),
        "bound_figures": np.array(figures, dtype=float),
    }, ""


def _gap(estimation: Estimate, true_value: tuple[float, float] | None) -> theory.VariationalGap:
    gap = theory.variational_gap(estimation, None if true_value is None else true_value[0])
    if gap.standard_error == gap.standard_error:
        return gap
    # a mean of numbers between 0 and 1 (precision-recall): half a unit over the root of their number
    return replace(gap, standard_error=0.5 / math.sqrt(max(estimation.n_held_out, 1) / 2))


def true_distance(run: Run) -> tuple[float, float]:
    """Estimate the error of the learned posterior, E_Y W1(P_{X|Y}, T⁻¹(Y,·)#P_Z), and its sampling error.

    Returns two means of W1 over observations: between samples of the true and of the learned posterior, and
    between two samples of the true posterior; both NaN where the true posterior is not known. For a problem
    without y: W1 between data and samples of the model, and between held-out and training data.
    """
    points = run.evaluation_points
    if points.y is None:
        return _unconditional_distance(run)
    if Capability.REFERENCE_POSTERIOR not in run.problem.capabilities:
        return math.nan, math.nan
    observations = run.data.standardisation.y_out(points.y[:_OBSERVATIONS].cpu()).tolist()
    distances = []
    for observation in map(tuple, observations):
        try:
            reference = points.reference(run.problem, observation, run.experiment.seed)
        except WorkbenchError:
            continue  # an observation in a far tail without exact draws in reasonable time
        first, second = (_standardised(run, reference[i : i + _DRAWS]) for i in (0, _DRAWS))
        z = points.z[:_DRAWS]
        samples = (
            run.model.inverse(z, repeat_observation(run, observation, len(z)))[0].detach().cpu().double()
        )
        if bool(samples.isfinite().all()):
            distances.append([theory.sampled_wasserstein(first, other) for other in (samples, second)])
    return tuple(np.mean(distances, axis=0).tolist()) if distances else (math.nan, math.nan)


def _unconditional_distance(run: Run) -> tuple[float, float]:
    points, train_x = run.evaluation_points, run.data.train_x
    n = min(_FLAT_DRAWS, len(points.x), len(train_x))
    first, second = (t[:n].cpu().double() for t in (points.x, train_x))
    samples = run.model.inverse(points.z[:n], None)[0].detach().cpu().double()
    if not bool(samples.isfinite().all()):
        return math.nan, math.nan
    return theory.sampled_wasserstein(first, samples), theory.sampled_wasserstein(first, second)


def _standardised(run: Run, x: np.ndarray) -> Tensor:
    return run.data.standardisation.x_in(torch.as_tensor(x, dtype=torch.float64))


def _misfit(run: Run) -> float | None:
    """Return L_y = E|T_y(X) - Y|², plus E|T_pad(X)|² for a padded network; None if it predicts no y.

    If it is 0, T⁻¹(Y, T_z(X)) = X.
    """
    model: Any = run.model
    points = run.evaluation_points
    if Capability.FORWARD not in model.capabilities:
        return None
    out, _ = model.forward_full(model.pad_x(points.x))
    prediction, _, padding = model.split(out)
    error = (prediction - points.y).square().sum(-1) + padding.square().sum(-1)
    return float(error[error.isfinite()].double().mean())


def _declared(model: Any) -> theory.LipschitzConstants | None:
    if not hasattr(model, "lipschitz_inverse"):
        return None
    return theory.LipschitzConstants(model.lipschitz, model.lipschitz_inverse, "declared")


def _slopes(run: Run) -> theory.LipschitzConstants:
    """Measure the Lipschitz constants of T and T⁻¹: the steepest slopes at data and at samples of the model.

    A network with outputs [y, z] is a bijection from x to (y, z); any other, from x to z at fixed y.
    """
    model: Any = run.model
    points = run.evaluation_points
    n = _SLOPES if model.features <= _WIDE else _SLOPES // 4
    x, z, y = points.x[:n], points.z[:n], None if points.y is None else points.y[:n]
    if Capability.FORWARD in model.capabilities:
        joint = torch.cat([model.pad_x(x), model.inverse_full(model.join(y, z))[0]])
        return theory.bijection_constants(lambda u: model.forward_full(u)[0], joint)
    both = torch.cat([x, model.inverse(z, y)[0]])
    twice = None if y is None else torch.cat([y, y])
    return theory.bijection_constants(lambda u: model.latent(u, twice)[0], both)
