"""Statistics of draws (k, n, D) at k observations, by the kind of each variable.

A cyclic variable is cut opposite its circular mean, so that its spread and its quantiles do not depend on
where its period begins. A category has neither mean nor quantiles, but probabilities.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.core.errors import DataWarning, SpecError
from workbench.core.lazy import torch
from workbench.core.named_values import number_array
from workbench.core.names import file_names
from workbench.core.variable import Variable
from workbench.inference.datatree import label_draws, label_levels
from workbench.inference.statistics import uniform_ranks

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    import xarray as xr
    from torch import Tensor

    from workbench.inference.posterior import Posterior

#: Draws among which the search for the most probable x finds its starts; probabilities of central intervals.
STARTING_DRAWS, LEVELS = 1000, (0.5, 0.8, 0.9, 0.95)


def _unrolled(draws: np.ndarray, variable: Variable) -> tuple[np.ndarray, np.ndarray]:
    """Return the circular mean (k,) of draws (k, n) of a cyclic variable, and its draws nearest to it."""
    angle = (draws - variable.low) * (2 * np.pi / variable.period)
    centre = np.arctan2(np.sin(angle).mean(1), np.cos(angle).mean(1)) * (variable.period / (2 * np.pi))
    centre = variable.low + np.remainder(centre, variable.period)
    half = variable.period / 2
    return centre, centre[:, None] + np.remainder(draws - centre[:, None] + half, variable.period) - half


def _in_period(values: np.ndarray, variable: Variable) -> np.ndarray:
    return variable.low + np.remainder(values - variable.low, variable.period)


def _columns(draws: Tensor, variables: Sequence[Variable], function: Any) -> Tensor:
    """Apply ``function(draws (k, n), variable)`` to each column and stack the answers along the last axis."""
    values = draws.detach().cpu().double().numpy()
    columns = [function(values[..., i], v) for i, v in enumerate(variables)]
    return torch.from_numpy(np.stack(columns, axis=-1))


def mean(draws: Tensor, variables: Sequence[Variable]) -> Tensor:
    """Return the mean (k, D) of draws (k, n, D)."""

    def column(values: np.ndarray, variable: Variable) -> np.ndarray:
        if variable.categories:
            return np.full(len(values), np.nan)
        return _unrolled(values, variable)[0] if variable.period else values.mean(1)

    return _columns(draws, variables, column)


def std(draws: Tensor, variables: Sequence[Variable]) -> Tensor:
    """Return the standard deviation (k, D) of draws (k, n, D)."""

    def column(values: np.ndarray, variable: Variable) -> np.ndarray:
        if variable.categories:
            return np.full(len(values), np.nan)
        if not variable.period:
            return values.std(1)
        centre, near = _unrolled(values, variable)
        return np.sqrt(((near - centre[:, None]) ** 2).mean(1))

    return _columns(draws, variables, column)


def quantile(draws: Tensor, variables: Sequence[Variable], levels: np.ndarray) -> Tensor:
    """Return quantiles of draws (k, n, D): (k, D) for one level, (k, L, D) for L of them."""

    def column(values: np.ndarray, variable: Variable) -> np.ndarray:
        if variable.categories:
            return np.full((len(values), *levels.shape), np.nan)
        near = _unrolled(values, variable)[1] if variable.period else values
        method: Any = "inverted_cdf" if variable.levels else "linear"
        result = np.moveaxis(np.quantile(near, levels, axis=1, method=method), -1, 0)
        return _in_period(result, variable) if variable.period else result

    return _columns(draws, variables, column)


def tell_categories(variables: Sequence[Variable]) -> None:
    """Warn of categories, which have no quantiles; raises `SpecError` where there is nothing else."""
    categories = [v for v in variables if v.categories]
    if not categories:
        return
    names = f"'{categories[0].name}'" + (f" and {len(categories) - 1} more" if len(categories) > 1 else "")
    if len(categories) == len(variables):
        raise SpecError(
            "Categories in no order have no quantiles",
            expected="a posterior with a variable that is a number",
            found=f"categories {names}",
            suggestion="the probability of each category stands in summary(), the most probable one in map()",
        )
    warnings.warn(
        f"The categories of {names} are in no order and have no quantiles: they are NaN. summary() has the "
        "probability of each category.",
        DataWarning,
        stacklevel=4,
    )


def with_indicators(draws: Tensor, variables: Sequence[Variable]) -> tuple[Tensor, list[Variable]]:
    """Return draws (…, n, D') with an indicator, 0 or 1, for each category, and their variables.

    The indicator of the category ``oak`` of ``species`` is called ``species[oak]``.
    """
    columns, result = [], []
    for i, variable in enumerate(variables):
        if not variable.categories:
            columns.append(draws[..., i].double())
            result.append(variable)
            continue
        for number in range(variable.categories):
            label = variable.labels[number] if variable.labels else str(number)
            columns.append((draws[..., i] == number).double())
            result.append(Variable(f"{variable.name}[{label}]", description=variable.description))
    return torch.stack(columns, -1), result


def summary(posterior: Posterior, draws: Tensor, options: dict[str, Any]) -> pd.DataFrame:
    """Return ArviZ's summary of draws (k, n, D); cyclic variables are summarised around their mean.

    A categorical variable has a row for each category, whose mean is its probability.
    """
    import arviz_stats
    import pandas as pd

    draws, variables = with_indicators(draws, posterior.fitted.x)

    def column(values: np.ndarray, variable: Variable) -> np.ndarray:
        return _unrolled(values, variable)[1] if variable.period else values

    data = label_draws(
        _columns(draws, variables, column), variables, posterior.observations, posterior.fitted.y, many=True
    )
    data = data.expand_dims("chain").transpose("chain", "draw", "observation")
    options = {"kind": "stats", "round_to": "none", **options}
    # ArviZ makes a tree, whose names allow no slash
    tree_names = file_names(str(name) for name in data.data_vars)
    plain = data.rename_vars({name: tree_names[str(name)] for name in data.data_vars})
    table = arviz_stats.summary(plain if posterior.many else plain.isel(observation=0, drop=True), **options)
    names, count = [v.name for v in variables], len(posterior)
    if not posterior.many:
        table.index = pd.Index(names)
    numbers = table.select_dtypes("number").columns
    places = [c for c in numbers if not str(c).startswith(("sd", "ess", "r_hat", "mcse", "mad"))]
    for i, variable in enumerate(variables):
        rows = slice(i * count, (i + 1) * count)
        if variable.period and len(places):
            columns = table.columns.get_indexer(places)
            table.iloc[rows, columns] = _in_period(table.iloc[rows, columns].to_numpy(), variable)
    if posterior.many:
        labels = [(place, name) for name in names for place in range(count)]
        table.index = pd.MultiIndex.from_tuples(labels, names=("observation", "variable"))
        table = table.iloc[np.arange(len(labels)).reshape(len(names), count).T.reshape(-1)]
    for i, variable in enumerate(variables):  # not those of the unrolled values
        rows = slice(i, None, len(variables)) if posterior.many else slice(i, i + 1)
        for name, statistic in (("mean", mean), ("sd", std)):
            if variable.period and name in table.columns:
                numbers = statistic(draws[..., i : i + 1], (variable,))[:, 0].numpy()
                digits = options.get("round_to")
                numbers = numbers.round(digits) if isinstance(digits, int) else numbers
                table.iloc[rows, table.columns.get_loc(name)] = numbers
    table.attrs["units"] = {str(name): v.unit for name, v in zip(names, variables, strict=True)}
    return table


def coverage(
    draws: Tensor, truth: np.ndarray, variables: Sequence[Variable], levels: Any, seed: int
) -> xr.Dataset:
    """Return the share of the true x (k, D) in central intervals of draws (k, n, D), one for each level."""
    probabilities = number_array(levels)
    if probabilities is None or not ((probabilities > 0) & (probabilities < 1)).all():
        raise SpecError(
            "Intervals belong to probabilities", expected="numbers between 0 and 1", found=repr(levels)[:80]
        )
    probabilities = np.atleast_1d(probabilities)
    values, generator = draws.detach().cpu().double().numpy(), np.random.default_rng(abs(seed))
    shares = []
    for i, variable in enumerate(variables):
        own, true = values[..., i], truth[:, i]
        if variable.period:
            centre, own = _unrolled(own, variable)
            half = variable.period / 2
            true = centre + np.remainder(true - centre + half, variable.period) - half
        u = uniform_ranks(true, own, generator)
        inside = np.abs(2 * u[:, None] - 1) <= probabilities
        shares.append(np.full(len(probabilities), np.nan) if variable.categories else inside.mean(0))
    return label_levels(np.array(shares), variables, probabilities)
