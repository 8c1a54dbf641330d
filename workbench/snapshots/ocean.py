"""Sound speeds of the posterior's seabeds, their match with the measured field, and the transmission loss.

For problems with ``speed_profiles``, ``bartlett`` and ``transmission_loss``. Arrays:

ocean_depths (P,), ocean_speeds and ocean_speeds_reference (draws, P) : sound speed over depth, per draw
ocean_array : depths of the hydrophones
ocean_ranges (R,), ocean_levels (Z,), ocean_loss (Z, R) : transmission loss in dB over range and depth, for
    the posterior's median, the reference's where there is one
ocean_place (4,) : range and depth of the source, depth of the water and tilt of the array, for that median
ambiguity_0, ambiguity_1 (G,), ambiguity (G, G) : values of two variables x, and the Bartlett match of the
    observation at ambiguity_0 (column) and ambiguity_1 (row), the other variables at that median
ambiguity_pair (2,) : column numbers of these two variables
ambiguity_posterior, ambiguity_reference (draws, 2) : draws of these two variables
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.core.capability import Capability
from workbench.core.errors import WorkbenchError
from workbench.core.lazy import torch
from workbench.snapshots.base import VIEWS, SnapshotContext, SnapshotPart
from workbench.snapshots.conversions import repeat_observation, to_data_units, to_numpy

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.training import Run

#: Number of draws whose sound speeds are computed, and of cells along each side of the map of the match.
DRAWS, GRID = 300, 33


@VIEWS.register
class Ocean(SnapshotPart):
    """Arrays that the views sound_speed_profile, ambiguity_surface and transmission_loss share."""

    key = "ocean"
    title = "Ocean acoustics"
    summary = "Sound speeds, match and transmission loss of the seabeds that the posterior proposes."

    def arrays(self, run: Run, context: SnapshotContext) -> dict[str, np.ndarray]:
        """Compute all arrays; empty for a problem without sound speed profiles.

        The Bartlett match and the transmission loss take about a second: unless ``context.fresh``, their
        latest values are reused, so that computing them takes at most a fifth of the wall time.
        """
        problem, points = run.problem, run.evaluation_points
        if not hasattr(problem, "speed_profiles"):
            return {}
        samples, _ = run.model.inverse(points.z, repeat_observation(run, context.observation, len(points.z)))
        draws = {"": _inside(problem, to_data_units(run, samples))}
        if Capability.REFERENCE_POSTERIOR in problem.capabilities:
            try:
                draws["_reference"] = torch.as_tensor(
                    points.reference(problem, context.observation, run.experiment.seed)
                )
            except WorkbenchError:
                pass
        expensive = points.cached_expensive(
            f"ocean at {context.observation}",
            run.iteration,
            lambda: _match_and_loss(problem, draws, context.observation),
            fresh=context.fresh,
        )
        return {name: to_numpy(value) for name, value in (_profiles(problem, draws) | expensive).items()}


def ocean_arrays(
    problem: Any, arrays: dict[str, np.ndarray], *, expensive: bool = True
) -> dict[str, np.ndarray]:
    """Compute the arrays of the snapshot part ``ocean`` from given posterior draws, without a run.

    ``arrays`` has ``observation`` (M,), ``posterior_x`` (n, D) and, where it is known, ``reference_x``;
    ``expensive`` False leaves out match and transmission loss.
    """
    names = {"": "posterior_x", "_reference": "reference_x"}
    draws = {name: _inside(problem, arrays[key]) for name, key in names.items() if key in arrays}
    tensors = _profiles(problem, draws)
    if expensive:
        tensors |= _match_and_loss(problem, draws, arrays["observation"].tolist())
    return {name: to_numpy(value) for name, value in tensors.items()}


def _profiles(problem: Any, draws: dict[str, Tensor]) -> dict[str, Tensor]:
    depths = torch.cat([torch.arange(0.0, 200.0, 4.0), torch.arange(200.0, 290.5, 0.5)]).double()
    tensors = {f"ocean_speeds{name}": problem.speed_profiles(x[:DRAWS], depths) for name, x in draws.items()}
    pair = list(problem.ambiguity_pair)
    tensors |= {
        "ocean_depths": depths,
        "ocean_array": torch.tensor(problem.array_depths),
        "ambiguity_posterior": draws[""][:, pair],
        "ambiguity_pair": torch.tensor(pair),
    }
    if "_reference" in draws:
        tensors["ambiguity_reference"] = draws["_reference"][:, pair]
    return tensors


def _inside(problem: Any, x: np.ndarray) -> Tensor:
    """Return draws (n, D) clipped to the bounds of the variables, as a tensor."""
    low, high = ([getattr(v, end) for v in problem.x] for end in ("low", "high"))
    return torch.as_tensor(np.clip(np.nan_to_num(x), low, high))


def _match_and_loss(
    problem: Any, draws: dict[str, Tensor], observation: Sequence[float]
) -> dict[str, Tensor]:
    ranges, levels = torch.arange(300.0, 3400.0, 25.0).double(), torch.arange(2.0, 213.0, 4.0).double()
    # around the reference where there is one, so that the map does not move while the network learns
    centre = draws.get("_reference", draws[""]).median(0).values
    first, second = (problem.window[i] for i in problem.ambiguity_pair)
    axes = [torch.linspace(low, high, GRID + 1, dtype=torch.float64) for low, high in (first, second)]
    axes = [0.5 * (edges[1:] + edges[:-1]) for edges in axes]
    points = centre.repeat(GRID * GRID, 1)
    grid = torch.stack(torch.meshgrid(*axes, indexing="xy"), -1).reshape(-1, 2)
    points[:, list(problem.ambiguity_pair)] = grid
    match = problem.bartlett(points, torch.tensor(observation, dtype=torch.float64))
    geometry = problem.seabed_members(centre[None])
    return {
        "ambiguity": match.reshape(GRID, GRID),
        "ambiguity_0": axes[0],
        "ambiguity_1": axes[1],
        "ocean_ranges": ranges,
        "ocean_levels": levels,
        "ocean_loss": problem.transmission_loss(centre, ranges, levels),
        "ocean_place": torch.cat([geometry[name] for name in ("distance", "source_depth", "depth", "tilt")]),
    }
