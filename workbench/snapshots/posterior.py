"""The posterior at the chosen observation beside the reference: draws of two variables, and marginals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from workbench.core.capability import Capability
from workbench.core.errors import WorkbenchError
from workbench.core.lazy import torch
from workbench.snapshots.base import VIEWS, SnapshotContext, View
from workbench.snapshots.conversions import repeat_observation, to_data_units, to_numpy
from workbench.snapshots.labelling import (
    POINTS,
    axis,
    axis_attrs,
    cloud,
    common_attrs,
    number_text,
    pair_axes,
    rows,
)
from workbench.snapshots.velocity_curves import velocity_curves

if TYPE_CHECKING:
    from workbench.problems import Problem
    from workbench.snapshots.labelling import SnapshotLike
    from workbench.training import Run

#: Bins of a marginal across its plotted range.
BINS = 60
#: Number of poses of a robot arm, for problems with one.
ARMS = 60


@VIEWS.register
class Posterior(View):
    """View of the posterior at the chosen observation.

    Arrays observation (M,), posterior_x (N, D), posterior_left_out (2,) where draws were not finite: their
    number and that of all draws, and where they exist reference_x (N, D) or reference_needs (a
    string: the reason for its absence), resimulated_y (N, M) and those of `physical_arrays`.
    """

    key = "posterior"
    title = "Posterior"
    summary = "The network's posterior beside the reference, where one is known."
    parts = ("posterior",)
    needs_problem = frozenset({Capability.OBSERVATION})
    position = 20
    takes_pair = True

    def arrays(self, run: Run, context: SnapshotContext) -> dict[str, np.ndarray]:
        """Draw from the posterior, and simulate observations from the draws."""
        if not run.data.has_y:
            return {}
        problem, seed = run.problem, run.experiment.seed
        z = run.evaluation_points.z
        samples, _ = run.model.inverse(z, repeat_observation(run, context.observation, len(z)))
        x = to_data_units(run, samples)
        finite = np.isfinite(x).all(1)
        x = x[finite]  # such draws are left out, and counted
        arrays = {"observation": np.asarray(context.observation), "posterior_x": x}
        if not finite.all():
            arrays["posterior_left_out"] = np.asarray([len(finite) - len(x), len(finite)])
        if context.far:  # a search for exact draws would take a minute and fail
            arrays["reference_needs"] = np.asarray("an observation like those of the training")
        elif Capability.REFERENCE_POSTERIOR in problem.capabilities:
            try:
                arrays["reference_x"] = run.evaluation_points.reference(problem, context.observation, seed)
            except WorkbenchError as error:  # the posterior of an impossible observation is still shown
                arrays["reference_needs"] = np.asarray(error.expected or error.asked)
        if Capability.SIMULATE in problem.capabilities:
            generator = torch.Generator().manual_seed(seed + 5)
            inside = np.clip(x, [v.low for v in problem.x], [v.high for v in problem.x])
            arrays["resimulated_y"] = to_numpy(problem.simulate(torch.as_tensor(inside), generator))
        return arrays | physical_arrays(problem, arrays)

    def dataset(self, snapshot: SnapshotLike, *, pair: tuple[int, int] = (0, 1)) -> xr.Dataset:
        """Return draws ``posterior_*`` and ``reference_*`` of a pair of variables, and all marginals.

        ``marginal_posterior`` and ``marginal_reference`` (variable, bin) are densities in 1/unit over the
        bins of each plotted range, with edges ``marginal_edge``. The reference is empty where none is known.
        """
        axes = pair_axes(snapshot.x, snapshot.window, pair, "x")
        draws, reference = rows(snapshot, "posterior_x", None), rows(snapshot, "reference_x", None)
        observation = rows(snapshot, "observation").ravel()
        variables = [axis(snapshot.x, snapshot.window, i, "x") for i in range(len(snapshot.x))]
        edges = np.asarray([np.linspace(a.low, a.high, BINS + 1) for a in variables]).reshape(-1, BINS + 1)
        title = f"Posterior at y = {number_text(observation)}" if observation.size else "Posterior"
        if "posterior_left_out" in snapshot.arrays:
            count, total = snapshot.arrays["posterior_left_out"]
            title += f" · {count} of {total} draws are not finite and left out"
        if "reference_needs" in snapshot.arrays:
            title += f" · no reference, it needs {snapshot.arrays['reference_needs']}"
        return xr.Dataset(
            {
                **cloud("posterior", draws[:POINTS], *axes),
                **cloud("reference", reference[:POINTS], *axes),
                "observation": ("observed", observation),
                "marginal_posterior": (
                    ("variable", "bin"),
                    _marginals(draws, edges),
                    {"long_name": "density"},
                ),
                "marginal_reference": (
                    ("variable", "bin"),
                    _marginals(reference, edges),
                    {"long_name": "density"},
                ),
                "marginal_edge": (("variable", "edge"), edges, {"long_name": "edge of a bin"}),
                "window": (
                    ("variable", "bound"),
                    np.asarray([[a.low, a.high] for a in variables]).reshape(-1, 2),
                ),
            },
            coords={
                "variable": ("variable", np.asarray([a.name for a in variables] or [""])[: len(variables)]),
                "label": ("variable", np.asarray([a.label for a in variables] or [""])[: len(variables)]),
            },
            attrs=common_attrs(snapshot, "posterior", title) | axis_attrs(*axes),
        )

    def caption(self, data: xr.Dataset) -> str:
        """Return the observation, and the reason where there is no reference."""
        return str(data.attrs["title"]).removeprefix(self.title).strip()


def physical_arrays(problem: Problem, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Compute poses of an arm and velocity curves from posterior draws, for problems that have them.

    ``arrays`` has ``observation`` (M,), ``posterior_x`` (n, D) and, where it is known, ``reference_x``. The
    result has arm and arm_reference (A, joints, 2), and the arrays of `velocity_curves`.
    """
    results: dict[str, np.ndarray] = {}
    if hasattr(problem, "arm"):
        for name, draws in (("arm", "posterior_x"), ("arm_reference", "reference_x")):
            if draws in arrays:
                results[name] = to_numpy(problem.arm(torch.as_tensor(arrays[draws][:ARMS])))
    if hasattr(problem, "curve"):
        results |= velocity_curves(problem, arrays)
    return results


def _marginals(draws: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return histogram densities (variable, bin) of the columns of draws; all zero without draws."""
    if not len(draws):
        return np.zeros((len(edges), BINS))
    counts = np.asarray([np.histogram(draws[:, i], bins=e)[0] for i, e in enumerate(edges)], dtype=np.float64)
    return counts / (len(draws) * np.diff(edges, axis=1))
