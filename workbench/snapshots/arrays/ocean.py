"""The seabeds that the posterior proposes, the match around their median, and what the tone loses on its
way.

For problems with ``speed_profiles``, ``bartlett`` and ``transmission_loss``. Arrays: ocean_depths (P,) and
ocean_speeds, ocean_speeds_reference (draws, P); ocean_array (hydrophones,); ocean_place (range and depth of
the source, depth of the water, tilt) of the median; ocean_ranges (R,), ocean_levels (Z,) and ocean_loss (Z,
R) in dB; ambiguity_0 and ambiguity_1 (G,), ambiguity (G, G) with rows along the second, ambiguity_pair
(2,), which columns of x they are; ambiguity_posterior and ambiguity_reference (draws, 2).
"""

from __future__ import annotations

import numpy as np
import torch

from workbench.core.capability import Capability
from workbench.core.errors import WorkbenchError
from workbench.snapshots.arrays.common import conditions, data_units, numeric

#: Draws whose profiles are laid over each other; points of the match, of the profile and of the section.
DRAWS, GRID = 300, 33
_DEPTHS = torch.cat([torch.arange(0.0, 200.0, 4.0), torch.arange(200.0, 290.5, 0.5)]).double()
_RANGES, _LEVELS = torch.arange(300.0, 3400.0, 25.0).double(), torch.arange(2.0, 213.0, 4.0).double()


def ocean(run, look) -> dict[str, np.ndarray]:
    """All of it; match and loss, which take a second, at most a fifth of the time of a live page."""
    problem = run.problem
    if not hasattr(problem, "speed_profiles"):
        return {}
    z = run.evaluation_points.z
    made, _ = run.model.inverse(z, conditions(run, look.observation, len(z)))
    draws = {"": _inside(problem, data_units(run, made))}
    if Capability.REFERENCE_POSTERIOR in problem.capabilities:
        try:
            draws["_reference"] = torch.as_tensor(
                run.evaluation_points.reference(problem, look.observation, run.experiment.seed)
            )
        except WorkbenchError:
            pass
    what, at = f"ocean at {look.observation}", look.observation
    dear = run.evaluation_points.cached_expensive(
        what, run.iteration, lambda: _dear(problem, draws, at), fresh=look.fresh
    )
    return {name: numeric(value) for name, value in (_cheap(problem, draws) | dear).items()}


def pictured_ocean(problem, found: dict[str, np.ndarray], *, dear: bool = True) -> dict[str, np.ndarray]:
    """The same arrays without a run, of ``observation`` (M,), ``posterior_x`` (n, D) and, where it is known,
    ``reference_x``; ``dear`` False leaves out match and loss."""
    names = {"": "posterior_x", "_reference": "reference_x"}
    draws = {name: _inside(problem, found[key]) for name, key in names.items() if key in found}
    made = _cheap(problem, draws) | (_dear(problem, draws, found["observation"].tolist()) if dear else {})
    return {name: numeric(value) for name, value in made.items()}


def _cheap(problem, draws: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    found = {f"ocean_speeds{name}": problem.speed_profiles(x[:DRAWS], _DEPTHS) for name, x in draws.items()}
    pair = list(problem.ambiguity_pair)
    found |= {
        "ocean_depths": _DEPTHS,
        "ocean_array": torch.tensor(problem.array_depths),
        "ambiguity_posterior": draws[""][:, pair],
        "ambiguity_pair": torch.tensor(pair),
    }
    if "_reference" in draws:
        found["ambiguity_reference"] = draws["_reference"][:, pair]
    return found


def _inside(problem, x: np.ndarray) -> torch.Tensor:
    """Draws moved to the nearest place where the model has an answer."""
    low, high = ([getattr(v, end) for v in problem.x] for end in ("low", "high"))
    return torch.as_tensor(np.clip(np.nan_to_num(x), low, high))


def _dear(problem, draws: dict[str, torch.Tensor], observation) -> dict[str, torch.Tensor]:
    # around the reference where there is one: the map then stands still while the network learns
    centre = draws.get("_reference", draws[""]).median(0).values
    first, second = (problem.window[i] for i in problem.ambiguity_pair)
    axes = [torch.linspace(*side, GRID + 1, dtype=torch.float64) for side in (first, second)]
    axes = [0.5 * (edges[1:] + edges[:-1]) for edges in axes]
    points = centre.repeat(GRID * GRID, 1)
    grid = torch.stack(torch.meshgrid(*axes, indexing="xy"), -1).reshape(-1, 2)
    points[:, list(problem.ambiguity_pair)] = grid
    match = problem.bartlett(points, torch.tensor(observation, dtype=torch.float64))
    here = problem.placed(centre[None])
    return {
        "ambiguity": match.reshape(GRID, GRID),
        "ambiguity_0": axes[0],
        "ambiguity_1": axes[1],
        "ocean_ranges": _RANGES,
        "ocean_levels": _LEVELS,
        "ocean_loss": problem.transmission_loss(centre, _RANGES, _LEVELS),
        "ocean_place": torch.cat([here[name] for name in ("distance", "source_depth", "depth", "tilt")]),
    }
