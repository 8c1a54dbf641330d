"""Study of tables: one column given all others, by the recommended experiment and three baselines.

Tables    the shipped one of the strength of concrete, or those of a folder (`table_folder` has its format)
Splits    ten, with a fixed seed or as stored beside a table; a seed of the study is a split
Rows      the recommended experiment; a linear regression with normal errors; NGBoost (the bench extra); trees
          boosted for twenty quantiles
Measured  on test rows, which no method sees: mean and largest −log p, CRPS, share of rows in the central
          90 % interval, its mean width, and processor seconds of training
Source: Hernández-Lobato & Adams 2015, arXiv:1502.05336 (tables and protocol); Duan et al. 2020,
        arXiv:1910.03225 (NGBoost); Lakshminarayanan, Pritzel & Blundell 2017, arXiv:1612.01474.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar

import param

from workbench.studies.base import STUDIES, Cell, Column, Published, Study

if TYPE_CHECKING:
    import xarray as xr

    from workbench.studies.study_context import StudyContext

_NGBOOST, _ENSEMBLES = "Duan et al. 2020, arXiv 1910.03225", "Lakshminarayanan et al. 2017, arXiv 1612.01474"
#: Mean −log p of NGBoost, and of deep ensembles beside the recommended experiment, in nats.
_REPORTED = {"yacht": (0.20, 1.18), "energy": (0.60, 1.38), "concrete": (3.04, 3.06), "wine": (0.91, 0.94)}
#: Nats by which the worst row may exceed the mean.
_WORST = 20.0
_TITLES = {
    "recommended": "recommended",
    "linear": "linear Gaussian",
    "ngboost": "NGBoost",
    "quantiles": "boosted quantiles",
}


def _published() -> tuple[Published, ...]:
    figures = []
    for table, values in _REPORTED.items():
        parts = zip(("ngboost", "recommended"), values, (_NGBOOST, _ENSEMBLES), strict=True)
        figures += [
            Published({"table": table, "method": method}, "loss", value, "reported", source)
            for method, value, source in parts
        ]
    return tuple(figures)


@STUDIES.register
class Tables(Study):
    """The recommended experiment on tables of measurements, beside NGBoost and simpler baselines."""

    key = "tables"
    title = "Real tables"
    summary = "One column of a table given all others: the recommended experiment beside three baselines."
    reference = "Duan et al. 2020, arXiv 1910.03225; Hernández-Lobato & Adams 2015, arXiv 1502.05336"
    columns = (
        Column("loss", "−log p", "nats", "low"),
        Column("worst", "worst row above mean", "nats", "low"),
        Column("crps", "CRPS", "", "low"),
        Column("coverage", "in the 90 % interval", "%"),
        Column("width", "its width", "", "low"),
        Column("training_seconds", "training", "s", "low"),
    )
    published = _published()
    remark = (
        "CRPS and widths are in the unit of the table's target. The reported figures, on other splits, are "
        "those of NGBoost and, in the row of the recommended experiment, of deep ensembles."
    )
    quick: ClassVar[dict[str, Any]] = {"seeds": 2, "draws": 200}

    folder = param.String(
        "", doc="Folder with tables NAME.csv or NAME.csv.gz, the target in the last column; empty: concrete."
    )
    methods = param.List(
        list(_TITLES), item_type=str, doc="Rows of each table: recommended, linear, ngboost, quantiles."
    )
    seeds = param.Integer(10, bounds=(1, 100), doc="Splits of each table into training and test rows.")
    draws = param.Integer(1000, bounds=(100, 100_000), doc="Draws of the network for each test row.")

    def cells(self) -> list[Cell]:
        from workbench.studies.table_folder import tables

        names = [table.name for table in tables(self.folder)]
        return [
            self._cell(table, method, split)
            for split in range(self.seeds)
            for table in names
            for method in self.methods
        ]

    def _cell(self, table: str, method: str, split: int) -> Cell:
        place: dict[str, Any] = {"table": table, "method": method, "seed": split}
        title = f"{table}, {_TITLES.get(method, method)}"
        if method not in _TITLES:
            return Cell(place, title, refused=f"There is no method '{method}'; choose {', '.join(_TITLES)}.")
        missing = method == "ngboost" and not find_spec("ngboost")
        return Cell(place, title, refused="NGBoost is not installed; the bench extra brings it." * missing)

    def measure(self, cell: Cell, context: StudyContext) -> xr.Dataset:
        import xarray as xr

        from workbench.studies import predictive_scores
        from workbench.studies.table_folder import tables
        from workbench.studies.table_methods import METHODS

        table = next(t for t in tables(self.folder) if t.name == cell.coordinates["table"])
        number = int(cell.coordinates["seed"])
        split = table.split(number)
        prediction = METHODS[str(cell.coordinates["method"])](split, number, self.draws, context.device)
        loss, x = prediction.negative_log_density, split.test[split.target].to_numpy(float)
        return xr.Dataset(
            {
                "loss": loss.mean(),
                "worst": loss.max() - loss.mean(),
                "crps": prediction.crps.mean(),
                "coverage": 100 * predictive_scores.covered(x, prediction.low, prediction.high).mean(),
                "width": (prediction.high - prediction.low).mean(),
                "training_seconds": prediction.seconds,
                "rows": float(len(split.train)),
            }
        )

    def conclusions(self, data: xr.Dataset) -> list[str]:
        """Say for each table whether the promises hold: −log p beside the linear Gaussian, the worst row, and
        the CRPS beside NGBoost."""
        names = list(dict.fromkeys(str(name) for name in data["table"].values))
        return [sentence for name in names for sentence in _promises(data, name)]


def _promises(data: xr.Dataset, table: str) -> list[str]:
    import numpy as np

    def values(column: str, method: str) -> np.ndarray:
        where = (data["table"] == table) & (data["method"] == method)
        return data[column].values[where.values] if column in data else np.full(1, np.nan)

    sentences = []
    ours, linear = values("loss", "recommended"), values("loss", "linear")
    if len(ours) == len(linear) > 1 and np.isfinite(ours - linear).all():
        gain, error = (linear - ours).mean(), (linear - ours).std(ddof=1) / len(ours) ** 0.5
        sentences.append(
            f"{table}: −log p is {abs(gain):.3g} nats {'below' if gain > 0 else 'above'} that of the linear "
            f"Gaussian, with a standard error of {error:.2g}: the promise {_kept(gain >= -error)}."
        )
    worst = values("worst", "recommended")
    if len(worst) and np.isfinite(worst).all():
        sentences.append(
            f"{table}: the worst row is {worst.max():.3g} nats above its mean; the promise of "
            f"{_WORST:g} {_kept(worst.max() <= _WORST)}."
        )
    both = [values("crps", method) for method in ("recommended", "ngboost")]
    if all(len(part) and np.isfinite(part).all() for part in both):
        crps, other = (part.mean() for part in both)
        sentences.append(
            f"{table}: CRPS {crps:.3g} beside {other:.3g} of NGBoost: the promise {_kept(crps <= other)}."
        )
    return sentences


def _kept(kept: bool) -> str:
    return "is kept" if kept else "is broken"
