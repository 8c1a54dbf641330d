"""Draws as files: NetCDF and Zarr in ArviZ's groups, flat NetCDF, and CSV; and their summary statistics.

The groups are those of `workbench.inference.datatree`. NetCDF suits a local disk, Zarr suits object stores
and partial reading.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.core.errors import ExportError
from workbench.core.names import array_names, file_names, original_attribute, original_names
from workbench.export.formats import ExportFormat

if TYPE_CHECKING:
    import xarray as xr

    from workbench.inference import FittedModel

SUFFIXES, TREE_SUFFIXES = (".nc", ".csv"), (".nc", ".zarr")
#: Default number of draws in a file, and the version of the Zarr format that is written.
DRAWS, ZARR_FORMAT = 2000, 2
_QUANTILES = {"q05": 0.05, "median": 0.5, "q95": 0.95}


def summary(draws: xr.Dataset) -> dict[str, dict[str, Any]]:
    """Statistics of each variable's draws, in its unit: mean, standard deviation, median, and quantiles at
    5 and 95 %."""
    import numpy as np

    statistics, own = {}, _own_names(draws)
    for name, column in draws.data_vars.items():
        values = column.values
        quantiles = np.quantile(values, list(_QUANTILES.values()))
        statistics[own[str(name)]] = {
            "unit": column.attrs.get("units", ""),
            "mean": float(values.mean()),
            "sd": float(values.std()),
            **dict(zip(_QUANTILES, quantiles.tolist(), strict=True)),
        }
    return statistics


def to_datatree(draws: xr.Dataset) -> xr.DataTree:
    """Draws as the groups that ArviZ reads: ``posterior`` (chain, draw) and ``observed_data``."""
    import xarray as xr

    groups = {"posterior": _for_file(draws).expand_dims({"chain": [0]})}
    groups["posterior"] = groups["posterior"].transpose("chain", "draw", ...)
    names, values = draws.attrs.get("observation_names", []), draws.attrs.get("observation", [])
    if len(names):
        groups["observed_data"] = _for_file(
            xr.Dataset({name: ((), value) for name, value in zip(names, values, strict=True)})
        )
    return xr.DataTree.from_dict(groups)


def _own_names(draws: xr.Dataset) -> dict[str, str]:
    """Return {name of an array: name of its variable}."""
    columns = {**draws.data_vars, **{name: c for name, c in draws.coords.items() if name not in draws.dims}}
    return original_names({str(name): column.attrs for name, column in columns.items()})


def _for_file(draws: xr.Dataset) -> xr.Dataset:
    """Return draws with names that NetCDF allows; the attribute `ORIGINAL` holds those that changed."""
    own = _own_names(draws)
    names = file_names(own.values())
    result = draws.rename({name: names[variable] for name, variable in own.items()})
    for variable, name in names.items():
        result[name].attrs |= original_attribute(variable, name)
    return _spaces_apart(result)


def _spaces_apart(dataset: xr.Dataset) -> xr.Dataset:
    """Turn coordinates with a blank in their name into data variables: files cannot list them."""
    return dataset.reset_coords([n for n in dataset.coords if n not in dataset.dims and " " in str(n)])


def check_path(path: str | Path, *, arviz: bool = False) -> None:
    """Raise `ExportError`, before anything is sampled, where the path's suffix is not that of a format for
    draws."""
    suffix = Path(path).suffix
    if suffix not in (TREE_SUFFIXES if arviz else SUFFIXES):
        raise ExportError(
            "Draws cannot be written to this kind of file",
            expected=".nc or .zarr for groups" if arviz else " or ".join(SUFFIXES),
            found=suffix or str(path),
        )


def write_datatree(tree: xr.DataTree, path: str | Path) -> Path:
    """Write the groups of `Posterior.to_datatree` to ``path``: .nc (NetCDF) or .zarr (a folder; an
    existing store is replaced). Raises `ExportError` for other suffixes."""
    path = Path(path)
    check_path(path, arviz=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    tree = tree.map_over_datasets(_spaces_apart)
    if path.suffix == ".zarr":
        if path.exists() and not any((path / name).exists() for name in (".zgroup", "zarr.json")):
            raise ExportError("A Zarr store cannot be written over something else", found=str(path))
        # format 2 has consolidated metadata: one read describes the whole store
        tree.to_zarr(path, mode="w", zarr_format=ZARR_FORMAT, consolidated=True)
        return path
    tree.to_netcdf(path, engine="netcdf4" if find_spec("netCDF4") else "h5netcdf")
    return path


class PosteriorFile(ExportFormat):
    """Format ``posterior``: draws at one observation, in ArviZ's groups."""

    key = "posterior"
    title = "Posterior for ArviZ"
    summary = (
        "Draws at one observation with prior, predictions and log densities, in ArviZ's groups: NetCDF, Zarr."
    )
    suffix = ".nc"
    at_observation = True

    def write(
        self,
        fitted: FittedModel,
        path: Path,
        function: str = "inverse",
        *,
        observation: Any = (),
        draws: int = DRAWS,
    ) -> dict[str, Any]:
        from workbench.inference import Posterior

        check_path(path, arviz=True)
        if not fitted.y:
            write_datatree(to_datatree(fitted.sample_dataset(draws)), path)
            return {"draws": draws, "observation": []}
        has_observation = observation is not None and not (
            isinstance(observation, tuple | list) and not observation
        )
        posterior = Posterior(fitted, observation if has_observation else _default_observation(fitted))
        write_datatree(posterior.to_datatree(draws), path)
        return {"draws": draws, "observation": list(posterior.observation)}


def _default_observation(fitted: FittedModel) -> tuple[float, ...]:
    """Return the default observation of the model's problem, or else the mean of y in the training data."""
    observation = tuple(getattr(fitted.known_problem, "default_observation", ()) or ())
    return observation or tuple(fitted.standardisation.window_y(0.0)[:, 0].tolist())


def write_samples(draws: xr.Dataset, path: str | Path, *, arviz: bool = False) -> Path:
    """Write draws to ``path``: .csv or .nc; with ``arviz`` in ArviZ's groups, .nc. Raises `ExportError`
    for other suffixes."""
    path = Path(path)
    check_path(path, arviz=arviz)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".csv":
        own, frame = _own_names(draws), draws.to_dataframe()
        labels = array_names(map(str, frame.index.names), own.values())
        frame.rename(columns=own).to_csv(path, index_label=list(labels.values()))
        return path
    engine = "netcdf4" if find_spec("netCDF4") else "h5netcdf"
    (to_datatree(draws) if arviz else _for_file(draws)).to_netcdf(path, engine=engine)
    return path
