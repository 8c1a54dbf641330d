"""Simulations that failed: how many, why, where in the prior they lie, and whether that is chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workbench.core.variable import Variable, named

#: Failures below which nothing can be said about where they lie; level of each of the two kinds of tests.
_FEWEST, _LEVEL = 5, 0.005
#: Parameters up to which products of two are tested as well.
_MOST_FOR_PRODUCTS = 30


class SimulationWarning(UserWarning):
    """Warning of simulations that failed and were left out, or of outputs that need attention."""


@dataclass(frozen=True)
class Failures:
    """Failed simulations of a draw.

    Parameters
    ----------
    x : (n, D), the parameters of all simulations.
    mask : (n,), true for those that failed.
    reasons : one text for each failure.
    """

    x: np.ndarray
    mask: np.ndarray
    reasons: Sequence[str]

    @property
    def share(self) -> float:
        """Share of simulations that failed."""
        return float(self.mask.mean()) if len(self.mask) else 0.0

    @property
    def cause(self) -> str:
        """The three commonest reasons with their counts."""
        common = Counter(self.reasons).most_common()
        parts = [f"{reason} ({count})" for reason, count in common[:3]]
        return ", ".join(parts) + (f" and {len(common) - 3} other reasons" if len(common) > 3 else "")

    def sentences(self, variables: Sequence[Variable]) -> list[str]:
        """Say how many failed and were left out, and where in the prior; empty where none failed."""
        count, total = int(self.mask.sum()), len(self.mask)
        if not count:
            return []
        share = f"{count} of {total} simulations ({100 * self.share:.2g} %)"
        first = f"{share} failed and are left out: {self.cause}."
        place = self.place(variables)
        if not place:
            return [first]
        return [
            f"{first} Failures are not random: {place}. If only the simulator fails there, and nature would "
            "not, posteriors that reach there are wrong: mend the simulator, or narrow the prior."
        ]

    def place(self, variables: Sequence[Variable]) -> str:
        """Say in which parameters failures differ from the rest; "" where the difference may be chance.

        Two-sample Kolmogorov–Smirnov tests of each parameter and, where none differs, of the products of two
        parameters' ranks, at a level of 0.01 for all of them together (Bonferroni).
        """
        count = int(self.mask.sum())
        if not _FEWEST <= count <= len(self.mask) - _FEWEST:
            return ""
        names = [v.name for v in variables]
        parts = []
        for i in _different(self.x, self.mask):
            inside, everywhere = self.x[self.mask, i], self.x[:, i]
            low, high = np.quantile(inside, [0.05, 0.95])
            parts.append(
                f"90 % of them lie at {names[i]} from {low:.4g} to {high:.4g}, where the prior has "
                f"{100 * ((everywhere >= low) & (everywhere <= high)).mean():.2g} %"
            )
        if parts:
            return "; ".join(parts[:3])
        ranks = (self.x.argsort(0).argsort(0) + 0.5) / len(self.x) - 0.5
        if not 2 <= len(names) <= _MOST_FOR_PRODUCTS:
            return ""
        first, second = np.triu_indices(len(names), 1)
        pairs = _different(ranks[:, first] * ranks[:, second], self.mask)
        if not pairs:
            return ""
        return f"they depend on {named([variables[first[pairs[0]]], variables[second[pairs[0]]]])} together"


def _different(columns: np.ndarray, mask: np.ndarray) -> list[int]:
    """Return the columns (of an array (n, k)) whose failed rows are distributed unlike the others."""
    from scipy.stats import ks_2samp

    tests = [ks_2samp(column[mask], column[~mask]) for column in columns.T]
    order = sorted(range(len(tests)), key=lambda i: tests[i].pvalue)
    return [i for i in order if tests[i].pvalue < _LEVEL / len(tests)]
