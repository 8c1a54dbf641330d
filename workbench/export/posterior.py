"""Draws as files: NetCDF and Zarr in ArviZ's groups, flat NetCDF, and CSV; and their summary statistics.

The groups are those of `workbench.inference.datatree`. NetCDF suits a local disk, Zarr suits object stores
and partial reading.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.core.errors import ExportError
from workbench.export.formats import ExportFormat

if TYPE_CHECKING:
    from collections.abc import Sequence

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

    statistics = {}
    for name, column in draws.data_vars.items():
        values = column.values
        quantiles = np.quantile(values, list(_QUANTILES.values()))
        statistics[str(name)] = {
            "unit": column.attrs.get("units", ""),
            "mean": float(values.mean()),
            "sd": float(values.std()),
            **dict(zip(_QUANTILES, quantiles.tolist(), strict=True)),
        }
    return statistics


def to_datatree(draws: xr.Dataset) -> xr.DataTree:
    """Draws as the groups that ArviZ reads: ``posterior`` (chain, draw) and ``observed_data``."""
    import xarray as xr

    groups = {"posterior": draws.expand_dims({"chain": [0]})}
    names, values = draws.attrs.get("observation_names", []), draws.attrs.get("observation", [])
    if len(names):
        groups["observed_data"] = xr.Dataset(
            {name: ((), value) for name, value in zip(names, values, strict=True)}
        )
    return xr.DataTree.from_dict(groups)


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
        observation: Sequence[float] = (),
        draws: int = DRAWS,
    ) -> dict[str, Any]:
        from workbench.inference import Posterior

        check_path(path, arviz=True)
        if not fitted.y:
            write_datatree(to_datatree(fitted.sample_dataset(draws)), path)
            return {"draws": draws, "observation": []}
        posterior = Posterior(fitted, observation or _default_observation(fitted))
        write_datatree(posterior.to_datatree(draws), path)
        return {"draws": draws, "observation": list(posterior.observation)}


def _default_observation(fitted: FittedModel) -> tuple[float, ...]:
    """Return the default observation of the model's problem, or else the mean of y in the training data."""
    observation = tuple(getattr(fitted.known_problem, "default_observation", ()) or ())
    return observation or tuple(fitted.standardisation.shift_y.double().tolist())


def write_samples(draws: xr.Dataset, path: str | Path, *, arviz: bool = False) -> Path:
    """Write draws to ``path``: .csv or .nc; with ``arviz`` in ArviZ's groups, .nc. Raises `ExportError`
    for other suffixes."""
    path = Path(path)
    check_path(path, arviz=arviz)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".csv":
        draws.to_dataframe().to_csv(path, index_label="draw")
        return path
    engine = "netcdf4" if find_spec("netCDF4") else "h5netcdf"
    (to_datatree(draws) if arviz else draws).to_netcdf(path, engine=engine)
    return path
