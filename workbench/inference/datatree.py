"""Conversion of draws to xarray: labelled Datasets, and a posterior's DataTree in the groups of ArviZ.

posterior             the draws, (chain, draw); they are independent, and divided into chains only because
                      ArviZ's diagnostics compare chains
sample_stats          lp: log density of each draw under the network, in nats; where the problem knows its
                      joint density: log_joint, and log_weight = log_joint − lp, the log importance weight
prior                 the same number of draws of x without the observation
posterior_predictive  each posterior draw passed through the simulator, with its noise
prior_predictive      the observations that belong to the draws of the prior
observed_data         the observation

A group that the problem cannot give is left out, and the attributes of the tree give the reason. Every
variable has its unit. Source: the InferenceData schema of ArviZ (Kumar et al. 2019, JOSS 4(33), 1143).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

import workbench
from workbench.core.capability import Capability
from workbench.core.errors import SpecError, WorkbenchError
from workbench.core.lazy import torch
from workbench.core.named_values import OBSERVATION
from workbench.core.names import (
    DIMENSIONS,
    array_names,
    file_names,
    original_attribute,
    original_names,
)
from workbench.core.variable import Variable
from workbench.problems import PROBLEMS

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.inference.fitted_model import FittedModel
    from workbench.inference.posterior import Posterior
    from workbench.problems.base import Problem

#: Number of chains that draws are divided into, for ArviZ's summary to compare.
CHAINS = 4


def own_names(draws: xr.Dataset) -> dict[str, str]:
    """Return {name of an array: name of its variable}."""
    columns = {**draws.data_vars, **{name: c for name, c in draws.coords.items() if name not in draws.dims}}
    return original_names({str(name): column.attrs for name, column in columns.items()})


def for_file(draws: xr.Dataset) -> xr.Dataset:
    """Return draws with names that NetCDF allows; the attribute `ORIGINAL` holds those that changed."""
    own = own_names(draws)
    names = file_names(own.values())
    result = xr.Dataset(draws.data_vars, draws.coords, draws.attrs)
    result = result.rename({name: names[variable] for name, variable in own.items()})
    for variable, name in names.items():
        result[name].attrs |= original_attribute(variable, name)
    return blanks_apart(result)


def blanks_apart(dataset: xr.Dataset) -> xr.Dataset:
    """Turn coordinates with a blank in their name into data variables: files cannot list them."""
    return dataset.reset_coords([n for n in dataset.coords if n not in dataset.dims and " " in str(n)])


class NamedDataset(xr.Dataset):
    """A Dataset whose names a file cannot hold, such as ``m/s``: it is written with names that a file can.

    The attribute ``original_name`` of a written array holds its own name.
    """

    __slots__ = ()

    def to_netcdf(self, *args: Any, **options: Any) -> Any:
        """Write to NetCDF, as `xarray.Dataset.to_netcdf`."""
        return for_file(self).to_netcdf(*args, **options)

    def to_zarr(self, *args: Any, **options: Any) -> Any:
        """Write to Zarr, as `xarray.Dataset.to_zarr`."""
        return for_file(self).to_zarr(*args, **options)


def writable(data: xr.Dataset) -> xr.Dataset:
    """Return a Dataset that can be written as it is: a `NamedDataset` where its names need one."""
    names = [*data.data_vars, *(n for n in data.coords if n not in data.dims)]
    own = file_names(map(str, names))
    if all(own[str(name)] == name for name in names):
        return data
    return NamedDataset(data.data_vars, data.coords, data.attrs)


def to_dataset(x: Tensor, variables: Sequence[Variable]) -> xr.Dataset:
    """Convert draws (n, D) to a Dataset with one data variable per column, along the dimension ``draw``.

    Unit, symbol and description of each variable are its attributes. A variable ``draw`` is called ``draw_``.
    """
    values = x.detach().cpu().double().numpy()
    names = array_names(v.name for v in variables)
    data = xr.Dataset(
        {
            names[v.name]: ("draw", values[:, i], _attributes(v, names[v.name]))
            for i, v in enumerate(variables)
        },
        coords={"draw": range(len(values))},
    )
    return writable(data)


def label_draws(
    draws: Tensor,
    variables: Sequence[Variable],
    observations: np.ndarray,
    observed: Sequence[Variable],
    *,
    many: bool,
) -> xr.Dataset:
    """Convert draws (k, n, D) at observations (k, M) to a Dataset, along (draw) or (observation, draw).

    A single observation becomes an attribute, many become coordinates where no parameter has their name.
    """
    about = {"observation_names": [v.name for v in observed]}
    if not many:
        return to_dataset(draws[0], variables).assign_attrs(observation=observations[0].tolist(), **about)
    values = draws.detach().cpu().double().numpy()
    names = array_names(v.name for v in variables)
    places = array_names(v.name for v in observed)
    own_names = {OBSERVATION, "draw", *names.values()}
    coords = {
        places[v.name]: (OBSERVATION, observations[:, i], _attributes(v, places[v.name]))
        for i, v in enumerate(observed)
        if places[v.name] not in own_names
    }
    data = xr.Dataset(
        {
            names[v.name]: ((OBSERVATION, "draw"), values[..., i], _attributes(v, names[v.name]))
            for i, v in enumerate(variables)
        },
        coords={OBSERVATION: range(len(values)), "draw": range(values.shape[1]), **coords},
        attrs=about,
    )
    return writable(data)


def label_statistic(
    values: Tensor, variables: Sequence[Variable], *, many: bool, levels: np.ndarray | None = None
) -> xr.Dataset:
    """Convert statistics (k, D), or (k, L, D) at L ``levels``, to a Dataset with one variable per parameter.

    Dimensions are ``observation``, where there are many, and ``quantile``, where there are several levels.
    """
    table = values.detach().cpu().double().numpy()
    dims, coords = [OBSERVATION], {OBSERVATION: np.arange(len(table))}
    if levels is not None and levels.ndim:
        dims, coords = [*dims, "quantile"], coords | {"quantile": levels}
    if not many:
        table, dims = table[0], dims[1:]
        del coords[OBSERVATION]
    names = array_names((v.name for v in variables), (*DIMENSIONS, "quantile"))
    data = xr.Dataset(
        {
            names[v.name]: (dims, _with_labels(table[..., i], v), _attributes(v, names[v.name]))
            for i, v in enumerate(variables)
        },
        coords=coords,
    )
    return writable(data)


def _with_labels(values: np.ndarray, variable: Variable) -> np.ndarray:
    """Return the labels of categories (…); other values, and statistics that categories lack, as they are."""
    if not variable.labels or not np.isfinite(values).all():
        return values
    return np.array(variable.labels)[values.astype(int)]


def label_levels(shares: np.ndarray, variables: Sequence[Variable], levels: np.ndarray) -> xr.Dataset:
    """Convert shares (D, L) at L ``levels`` to a Dataset with one variable (level,) per parameter."""
    names = array_names((v.name for v in variables), (*DIMENSIONS, "level"))
    arrays = {
        names[v.name]: ("level", row, original_attribute(v.name, names[v.name]))
        for v, row in zip(variables, shares, strict=True)
    }
    return xr.Dataset(arrays, coords={"level": levels})


def label_density(log_prob: Tensor, dims: Sequence[str], coords: Mapping[str, np.ndarray]) -> xr.DataArray:
    """Convert log-densities to a DataArray with these dimensions, and those of the coordinates that fit."""
    values = log_prob.detach().cpu().double().numpy()
    own = {d: coords[d] for d, n in zip(dims, values.shape, strict=True) if len(coords.get(d, ())) == n}
    return xr.DataArray(values, own, dims, "log_prob", {"units": "nat", "long_name": "log density"})


def to_datatree(posterior: Posterior, n: int = 1000, *, chains: int = CHAINS, seed: int = 0) -> xr.DataTree:
    """Draw ``n`` samples of a posterior, in ``chains`` of equal length; returns them with all other groups.

    Raises `SpecError` where ``n`` is not a multiple of ``chains``.
    """
    if chains < 1 or n < chains or n % chains:
        raise SpecError(
            "The draws cannot be laid out in chains of equal length",
            expected=f"a number of draws that {chains} divides",
            found=f"{n} draws",
        )
    model, problem = posterior.fitted, _problem(posterior.fitted)
    x = posterior.sample(n, seed=seed, as_="tensor").detach()
    groups: dict[str, xr.Dataset | None] = {
        "posterior": _labelled(x, model.x, chains),
        "observed_data": _observed(posterior, model.y),
    }
    left_out: dict[str, str] = {}
    groups["sample_stats"] = _sample_stats(posterior, problem, x, chains, left_out)
    if problem is None:
        reason = "the model does not carry the problem that it was trained on"
        left_out |= dict.fromkeys(("prior", "prior_predictive", "posterior_predictive"), reason)
    else:
        groups |= _from_problem(problem, x, chains, seed, left_out)
    datasets = {name: group for name, group in groups.items() if group is not None and group.data_vars}
    about = provenance(model, seed) | {"left_out": json.dumps(left_out), "n_draws": n}
    if posterior.concerns:
        about["warnings"] = " ".join(posterior.concerns)
    for group in datasets.values():
        group.attrs |= about
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=about), **datasets})


def provenance(fitted: FittedModel, seed: int) -> dict[str, Any]:
    """Return time, library version, experiment, iteration and seed as strings and integers, for ``attrs``."""
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


def _problem(fitted: FittedModel) -> Problem | None:
    """Return the problem that the model was trained on; None where it is not available or not usable."""
    problem = fitted.known_problem
    if problem is None and "experiment" in fitted.manifest:
        try:
            problem = PROBLEMS.resolve(fitted.manifest["experiment"]["problem"])
        except (WorkbenchError, KeyError):
            return None
    return None if problem is None or problem.refusals() else problem


def _labelled(values: Tensor, variables: Sequence[Variable], chains: int) -> xr.Dataset:
    """Convert values (chains · draws, D) to a Dataset with one data variable (chain, draw) per column.

    Values (k, chains · draws, D) of k observations get the dimensions (chain, draw, observation). Unit,
    symbol and description of each variable are its attributes; names are those of `file_names`.
    """
    names = file_names(v.name for v in variables)
    table = _in_chains(values, chains, -2)
    dims = ("chain", "draw", OBSERVATION)[: table.ndim - 1]
    return xr.Dataset(
        {
            names[v.name]: (dims, table[..., i], _attributes(v, names[v.name]))
            for i, v in enumerate(variables)
        },
        coords={dim: np.arange(size) for dim, size in zip(dims, table.shape, strict=False)},
    )


def _in_chains(values: Tensor, chains: int, axis: int) -> np.ndarray:
    """Divide the draws along an axis into chains: (chain, draw, other axes)."""
    table = np.moveaxis(values.detach().cpu().double().numpy(), axis, 0)
    return table.reshape(chains, -1, *table.shape[1:])


def _attributes(variable: Variable, name: str) -> dict[str, Any]:
    """Return the attributes of the array ``name`` that holds a variable."""
    labels: dict[str, Any] = {"labels": list(variable.labels)} if variable.labels else {}
    if variable.categories:
        labels["categories"] = variable.categories
    if variable.levels:
        labels["whole_numbers"] = 1
    if variable.period:
        labels |= {"period": variable.period, "low": variable.low}
    return {
        "units": variable.unit,
        "long_name": variable.symbol or variable.name,
        "description": variable.description,
        **labels,
        **original_attribute(variable.name, name),
    }


def _observed(posterior: Posterior, variables: Sequence[Variable]) -> xr.Dataset:
    dims = (OBSERVATION,) if posterior.many else ()
    table = posterior.observations if posterior.many else posterior.observations[0]
    names = file_names(v.name for v in variables)
    return xr.Dataset(
        {
            names[v.name]: (dims, table[..., i], _attributes(v, names[v.name]))
            for i, v in enumerate(variables)
        },
        coords={dim: np.arange(len(table)) for dim in dims},
    )


def _sample_stats(
    posterior: Posterior, problem: Problem | None, x: Tensor, chains: int, left_out: dict[str, str]
) -> xr.Dataset | None:
    model, columns = posterior.fitted, {}
    if Capability.DENSITY not in model.capabilities:
        left_out["sample_stats"] = "the model draws, but has no tractable density"
        return None
    lp = posterior.log_prob(x).cpu().double()
    columns["lp"] = lp, "log density under the network"
    if problem is not None and Capability.LOG_JOINT in problem.capabilities:
        rows = torch.from_numpy(posterior.observations).repeat_interleave(x.shape[-2], 0)
        joint = problem.log_joint(x.cpu().double().reshape(len(rows), -1), rows).reshape(lp.shape)
        columns["log_joint"] = joint, "log p(x, y) of the problem"
        columns["log_weight"] = joint - lp, "log importance weight, log p(x, y) - log q(x | y)"
    dims = ("chain", "draw", OBSERVATION)[: lp.ndim + 1]
    tables = {name: (_in_chains(v, chains, -1), text) for name, (v, text) in columns.items()}
    variables = {name: (dims, v, {"units": "nat", "long_name": text}) for name, (v, text) in tables.items()}
    sizes = zip(dims, tables["lp"][0].shape, strict=True)
    return xr.Dataset(variables, {dim: np.arange(size) for dim, size in sizes})


def _from_problem(
    problem: Problem, x: Tensor, chains: int, seed: int, left_out: dict[str, str]
) -> dict[str, xr.Dataset]:
    """Return the groups prior, prior_predictive and posterior_predictive, for posterior draws x (…, n, D).

    ``left_out`` receives the reason where posterior_predictive is missing.
    """
    generator = torch.Generator().manual_seed(913_000_031 + seed)
    groups = {}
    prior = problem.draw(x.shape[-2], generator)
    rows = len(prior.x) - len(prior.x) % chains  # a table may have fewer rows
    if rows:
        groups["prior"] = _labelled(prior.x[:rows], problem.x, chains)
        groups["prior_predictive"] = _labelled(prior.y[:rows], problem.y, chains)
    if Capability.SIMULATE not in problem.capabilities:
        left_out["posterior_predictive"] = "the problem cannot simulate y from x"
        return groups
    low, high = (
        torch.tensor([getattr(v, end) for v in problem.x], dtype=torch.float64) for end in ("low", "high")
    )
    # a simulator need not work outside its bounds: such a draw is moved to the nearest point inside
    inside = torch.minimum(torch.maximum(x.cpu().double(), low), high)
    answer = problem.simulate(inside.reshape(-1, x.shape[-1]), generator).reshape(*x.shape[:-1], -1)
    groups["posterior_predictive"] = _labelled(answer, problem.y, chains)
    share = float((inside != x.cpu().double()).any(-1).double().mean())
    if share > 0 and math.isfinite(share):
        groups["posterior_predictive"].attrs["moved_inside"] = share
    return groups
