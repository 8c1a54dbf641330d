"""Draws as files: NetCDF and Zarr in ArviZ's groups, flat NetCDF, and CSV; and their summary statistics.

The groups are those of `workbench.inference.datatree`. NetCDF suits a local disk, Zarr suits object stores
and partial reading.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.core.entries import public
from workbench.core.errors import ExportError
from workbench.core.kinds_of_values import calendar, has_zone, value_text
from workbench.core.names import array_names
from workbench.core.spreadsheet import escaped_frame, escaped_text
from workbench.core.variable import OPEN_LEVELS, Variable
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
    5 and 95 %; around the circular mean for a cyclic variable, and probabilities for a categorical one."""
    import numpy as np

    from workbench.core.lazy import torch
    from workbench.inference import averages
    from workbench.inference.datatree import own_names

    statistics, own = {}, own_names(draws)
    for name, column in draws.data_vars.items():
        variable, values = _variable(own[str(name)], column.attrs), column.values
        if variable.categories:
            labels = variable.labels or tuple(map(str, range(variable.categories)))
            shares = [float((values == number).mean()) for number in range(len(labels))]
            statistics[variable.name] = {
                "unit": "",
                "probabilities": dict(zip(labels, shares, strict=True)),
            }
            continue
        rows = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float64))[None, :, None]
        levels = np.array(list(_QUANTILES.values()))
        statistics[variable.name] = {
            "unit": variable.unit,
            "mean": float(averages.mean(rows, (variable,))),
            "sd": float(averages.std(rows, (variable,))),
            **dict(
                zip(_QUANTILES, averages.quantile(rows, (variable,), levels)[0, :, 0].tolist(), strict=True)
            ),
        }
    return statistics


def _variable(name: str, attributes: dict[str, Any]) -> Variable:
    """Return a variable of the kind that the attributes of its draws say."""
    labels = attributes.get("labels", ())
    labels = (labels,) if isinstance(labels, str) else tuple(labels)
    period = float(attributes.get("period", 0.0))
    kind = {"categories": int(attributes.get("categories", len(labels))), "labels": labels}
    if attributes.get("whole_numbers"):
        kind = {"levels": OPEN_LEVELS}
    if period:
        kind = {"period": period, "low": float(attributes["low"])}
    return Variable(name, unit=attributes.get("units", ""), **kind)


@public
def to_datatree(draws: xr.Dataset) -> xr.DataTree:
    """Draws as the groups that ArviZ reads: ``posterior`` (chain, draw) and ``observed_data``."""
    import xarray as xr

    from workbench.inference.datatree import for_file

    groups = {"posterior": for_file(draws).expand_dims({"chain": [0]})}
    groups["posterior"] = groups["posterior"].transpose("chain", "draw", ...)
    names, values = draws.attrs.get("observation_names", []), draws.attrs.get("observation", [])
    if len(names):
        groups["observed_data"] = for_file(
            xr.Dataset({name: ((), value) for name, value in zip(names, values, strict=True)})
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


@public
def write_datatree(tree: xr.DataTree, path: str | Path) -> Path:
    """Write the groups of `Posterior.to_datatree` to ``path``: .nc (NetCDF) or .zarr (a folder; an
    existing store is replaced). Raises `ExportError` for other suffixes."""
    from workbench.inference.datatree import blanks_apart

    path = Path(path)
    check_path(path, arviz=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    tree = tree.map_over_datasets(blanks_apart)
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
    expensive = True

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
        posterior = Posterior(fitted, observation if has_observation else default_observation(fitted))
        write_datatree(posterior.to_datatree(draws), path)
        return {"draws": draws, "observation": list(posterior.observation)}


def default_observation(fitted: FittedModel) -> tuple[float, ...]:
    """Return the default observation of the model's problem, or else the mean of y in the training data.

    Of whole numbers the mean is rounded, and of categories it is the first one.
    """
    from workbench.inference.column_values import as_values

    observation = tuple(getattr(fitted.known_problem, "default_observation", ()) or ())
    return observation or tuple(
        as_values(fitted.standardisation.window_y(0.0)[:, :1].T, fitted.y)[0].tolist()
    )


def default_sentence(fitted: FittedModel) -> str:
    """Return which observation a file is written for where none is given, in words."""
    pairs = zip(fitted.y, default_observation(fitted), strict=True)
    texts = [f"{v.name} = {value_text(v, value)}" for v, value in pairs]
    rest = f" and {len(texts) - 12} more" if len(texts) > 12 else ""
    has_default = bool(getattr(fitted.known_problem, "default_observation", ()))
    origin = "the problem's default" if has_default else "the mean of the training's observations"
    return f"No observation was given: the posterior is that at {origin}, {', '.join(texts[:12])}{rest}."


def _in_words(column: Any, variable: Variable) -> Any:
    """Return values of a column as people write them: labels, dates of ISO 8601; others as they are."""
    from workbench.inference.dataframe import dates

    if variable.labels:
        return [variable.labels[int(value)] for value in column]
    clock = calendar(variable)
    if clock is None:
        return column
    moments = dates(column, *clock)
    if not hasattr(moments, "strftime"):  # beyond the years that pandas counts
        return column
    zone = "Z" if has_zone(variable) else ""
    return moments.strftime("%Y-%m-%dT%H:%M:%S.%f").str.slice(0, 23) + zone


@public
def write_samples(draws: xr.Dataset, path: str | Path, *, arviz: bool = False) -> Path:
    """Write draws to ``path``: .csv or .nc; with ``arviz`` in ArviZ's groups, .nc. Raises `ExportError`
    for other suffixes."""
    from workbench.inference.datatree import for_file, own_names

    path = Path(path)
    check_path(path, arviz=arviz)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".csv":
        own, frame = own_names(draws), draws.to_dataframe()
        for name in frame.columns.intersection(list(own)):
            frame[name] = _in_words(frame[name], _variable(own[name], draws[name].attrs))
        labels = array_names(map(str, frame.index.names), own.values())
        labels = [escaped_text(label) for label in labels.values()]
        escaped_frame(frame.rename(columns=own)).to_csv(path, index_label=labels)
        return path
    engine = "netcdf4" if find_spec("netCDF4") else "h5netcdf"
    (to_datatree(draws) if arviz else for_file(draws)).to_netcdf(path, engine=engine)
    return path
