"""Draws as files: NetCDF (flat, or in the groups that ArviZ opens) and CSV; and their summary in numbers."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from workbench.core.errors import ExportError

SUFFIXES = (".nc", ".csv")
_QUANTILES = {"q05": 0.05, "median": 0.5, "q95": 0.95}


def summary(draws: xr.Dataset) -> dict[str, dict[str, Any]]:
    """Mean, standard deviation and quantiles of each variable, in its unit."""
    found = {}
    for name, column in draws.data_vars.items():
        values = column.values
        quantiles = np.quantile(values, list(_QUANTILES.values()))
        found[str(name)] = {
            "unit": column.attrs.get("units", ""),
            "mean": float(values.mean()),
            "sd": float(values.std()),
            **dict(zip(_QUANTILES, quantiles.tolist(), strict=True)),
        }
    return found


def to_datatree(draws: xr.Dataset) -> xr.DataTree:
    """Draws as the groups that ArviZ reads: ``posterior`` (chain, draw) and ``observed_data``."""
    groups = {"posterior": draws.expand_dims({"chain": [0]})}
    names, values = draws.attrs.get("observation_names", []), draws.attrs.get("observation", [])
    if len(names):
        groups["observed_data"] = xr.Dataset(
            {name: ((), value) for name, value in zip(names, values, strict=True)}
        )
    return xr.DataTree.from_dict(groups)


def check_path(path: str | Path, *, arviz: bool = False) -> None:
    """Raise `ExportError` for a path that draws cannot be written to, before they are drawn."""
    suffix = Path(path).suffix
    if suffix not in SUFFIXES or (arviz and suffix != ".nc"):
        raise ExportError(
            "Draws cannot be written to this kind of file",
            expected=".nc for groups" if arviz else " or ".join(SUFFIXES),
            found=suffix or str(path),
        )


def write_samples(draws: xr.Dataset, path: str | Path, *, arviz: bool = False) -> Path:
    """Write draws to ``path``: .csv, or .nc, with ``arviz`` in groups. Raises `ExportError` for others."""
    path = Path(path)
    check_path(path, arviz=arviz)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".csv":
        draws.to_dataframe().to_csv(path, index_label="draw")
        return path
    engine = "netcdf4" if find_spec("netCDF4") else "h5netcdf"
    (to_datatree(draws) if arviz else draws).to_netcdf(path, engine=engine)
    return path
