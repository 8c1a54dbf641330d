"""Datasets of draws as files: names that NetCDF and Zarr allow, and the way back to the variables' own."""

from __future__ import annotations

from typing import Any

import xarray as xr

from workbench.core.names import file_names, original_attribute, original_names


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
