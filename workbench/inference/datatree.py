"""A posterior with all that belongs to it, in the groups and names that ArviZ reads.

posterior             the draws, (chain, draw); they are independent, and chains are only a way to lay them
                      out, so that ArviZ can compare them
sample_stats          lp: log density of each draw under the network, in nats; where the problem knows its
                      joint density: log_joint, and log_weight = log_joint − lp, the log importance weight
prior                 as many draws of x without the observation
posterior_predictive  each posterior draw sent through the simulator, with its noise
prior_predictive      the prior's own observations
observed_data         the observation

A group that the problem cannot give is left out, and the attributes of the whole say why. Units stand at
every variable. Source: the InferenceData schema of ArviZ (Kumar et al. 2019, JOSS 4(33), 1143).
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

import workbench
from workbench.core.capability import Capability
from workbench.core.errors import SpecError, WorkbenchError
from workbench.core.variable import Variable
from workbench.problems import PROBLEMS

#: Draws are laid out in so many chains, which is what ArviZ's summary wants to compare.
CHAINS = 4


def to_datatree(posterior: Any, n: int = 1000, *, chains: int = CHAINS, seed: int = 0) -> xr.DataTree:
    """All groups for ``n`` draws of a `Posterior`, laid out in ``chains`` of equal length.

    Raises `SpecError` where ``n`` is not a multiple of ``chains``.
    """
    if chains < 1 or n < chains or n % chains:
        raise SpecError(
            "The draws cannot be laid out in chains of equal length",
            expected=f"a number of draws that {chains} divides",
            found=f"{n} draws",
        )
    fitted, problem = posterior.fitted, _problem(posterior.fitted)
    generator = torch.Generator(device=fitted.model.device).manual_seed(seed)
    x = fitted.sample(n, [posterior.observation], generator).detach()
    groups = {
        "posterior": _labelled(x, fitted.x, chains),
        "observed_data": _observed(posterior.observation, fitted.y),
    }
    left_out: dict[str, str] = {}
    groups["sample_stats"] = _sample_stats(posterior, problem, x, chains, left_out)
    if problem is None:
        reason = "the model does not carry the problem that it was trained on"
        left_out |= dict.fromkeys(("prior", "prior_predictive", "posterior_predictive"), reason)
    else:
        groups |= _from_problem(problem, x, chains, seed, left_out)
    kept = {name: group for name, group in groups.items() if group is not None and group.data_vars}
    about = provenance(fitted, seed) | {"left_out": json.dumps(left_out), "n_draws": n}
    if posterior.concerns:
        about["warnings"] = " ".join(posterior.concerns)
    for group in kept.values():
        group.attrs |= about
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=about), **kept})


def provenance(fitted: Any, seed: int) -> dict[str, Any]:
    """Attributes that every file format can hold: when, by what, from which experiment."""
    table = fitted.manifest.get("experiment")
    return {
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "creation_library": "vina-workbench",
        "creation_library_version": workbench.__version__,
        "inference_library": "vina-workbench",
        "inference_library_version": workbench.__version__,
        "creation_library_language": "Python",
        "experiment": json.dumps(table) if table else "",
        "iteration": int(fitted.manifest.get("iteration", 0)),
        "seed": int(seed),
    }


def _problem(fitted: Any) -> Any:
    """What the model was trained on, where it is at hand and ready; otherwise None."""
    problem = fitted.known_problem
    if problem is None and "experiment" in fitted.manifest:
        try:
            problem = PROBLEMS.resolve(fitted.manifest["experiment"]["problem"])
        except (WorkbenchError, KeyError):
            return None
    return None if problem is None or problem.refusals() else problem


def _labelled(values: Tensor, variables: Sequence[Variable], chains: int) -> xr.Dataset:
    """(chains · draws, columns) as one variable (chain, draw) a column, with unit, symbol, description."""
    table = values.detach().cpu().double().numpy().reshape(chains, -1, len(variables))
    return xr.Dataset(
        {v.name: (("chain", "draw"), table[..., i], _attributes(v)) for i, v in enumerate(variables)},
        coords={"chain": np.arange(chains), "draw": np.arange(table.shape[1])},
    )


def _attributes(variable: Variable) -> dict[str, str]:
    return {
        "units": variable.unit,
        "long_name": variable.symbol or variable.name,
        "description": variable.description,
    }


def _observed(observation: Sequence[float], variables: Sequence[Variable]) -> xr.Dataset:
    pairs = zip(variables, observation, strict=True)
    return xr.Dataset({v.name: ((), float(value), _attributes(v)) for v, value in pairs})


def _sample_stats(posterior, problem, x: Tensor, chains: int, left_out: dict) -> xr.Dataset | None:
    fitted, columns = posterior.fitted, {}
    if Capability.DENSITY not in fitted.capabilities:
        left_out["sample_stats"] = "the model draws, but has no tractable density"
        return None
    with torch.no_grad():
        lp = fitted.log_prob(x, [posterior.observation]).cpu().double()
    columns["lp"] = lp, "log density under the network"
    if problem is not None and Capability.LOG_JOINT in problem.capabilities:
        rows = torch.tensor([posterior.observation], dtype=torch.float64).expand(len(x), -1)
        joint = problem.log_joint(x.cpu().double(), rows)
        columns["log_joint"] = joint, "log p(x, y) of the problem"
        columns["log_weight"] = joint - lp, "log importance weight, log p(x, y) - log q(x | y)"
    made = {
        name: (("chain", "draw"), v.detach().numpy().reshape(chains, -1), {"units": "nat", "long_name": said})
        for name, (v, said) in columns.items()
    }
    return xr.Dataset(made, {"chain": np.arange(chains), "draw": np.arange(len(x) // chains)})


def _from_problem(problem, x: Tensor, chains: int, seed: int, left_out: dict) -> dict[str, xr.Dataset]:
    generator = torch.Generator().manual_seed(913_000_031 + seed)
    found = {}
    drawn = problem.draw(len(x), generator)
    whole = len(drawn.x) - len(drawn.x) % chains  # a table may have fewer rows
    if whole:
        found["prior"] = _labelled(drawn.x[:whole], problem.x, chains)
        found["prior_predictive"] = _labelled(drawn.y[:whole], problem.y, chains)
    if Capability.SIMULATE not in problem.capabilities:
        left_out["posterior_predictive"] = "the problem cannot simulate y from x"
        return found
    low, high = (
        torch.tensor([getattr(v, end) for v in problem.x], dtype=torch.float64) for end in ("low", "high")
    )
    # outside its bounds a simulator need not answer: the nearest point inside stands for such a draw
    inside = torch.minimum(torch.maximum(x.cpu().double(), low), high)
    answer = problem.simulate(inside, generator)
    found["posterior_predictive"] = _labelled(answer, problem.y, chains)
    moved = float((inside != x.cpu().double()).any(1).double().mean())
    if moved > 0 and math.isfinite(moved):
        found["posterior_predictive"].attrs["moved_inside"] = moved
    return found
