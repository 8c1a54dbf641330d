"""Draws that are not finite: drawn anew, counted and told; refused where nothing finite comes."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

from workbench.core.errors import SpecError

if TYPE_CHECKING:
    from torch import Tensor

#: Rounds in which draws are repeated, and draws in a row without a finite one after which no more is tried.
ROUNDS, HOPELESS = 100, 1000


class NonFiniteDrawsWarning(UserWarning):
    """Warning of draws that were not finite at first and were drawn anew."""


def repeated(
    x: Tensor, wrong: Callable[[Tensor], Tensor], again: Callable[[Tensor], Tensor], *, repeat: bool = True
) -> Tensor:
    """Draw rows of x (n, D) anew, in place, that are wrong or, if ``repeat``, not finite.

    Parameters
    ----------
    wrong : rows (n, D) -> mask (n,) of the finite rows that are to be drawn anew.
    again : indices (k,) of rows -> new rows (k, D).

    Rows that are still wrong after `ROUNDS` rounds are returned as they are.
    """
    without_success = 0
    for _ in range(ROUNDS):
        non_finite = ~x.isfinite().all(1)
        rows = ((non_finite & repeat) | wrong(x)).nonzero()[:, 0]
        if not len(rows) or without_success >= HOPELESS:
            break
        x[rows] = new = again(rows)
        without_success = 0 if bool(new.isfinite().all(1).any()) else without_success + len(rows)
    return x


def tell(count: int, n: int) -> None:
    """Warn that ``count`` of ``n`` draws were not finite at first; do nothing for a count of 0."""
    if count:
        warnings.warn(
            f"{count} of {n} draws were not finite and were drawn anew: at this observation the network is "
            "used far from what it learned, or it was trained with too large a learning rate. Check the "
            "posterior there.",
            NonFiniteDrawsWarning,
            stacklevel=3,
        )


def check_finite(x: Tensor, n: int) -> None:
    """Raise `SpecError` if rows of draws x (n, D) are not finite, though they were drawn again and again."""
    non_finite = int((~x.isfinite().all(1)).sum())
    if non_finite:
        raise SpecError(
            "The network has no finite draws to give"
            + ("" if non_finite == len(x) else " at some observations"),
            expected=f"{n} draws of finite numbers",
            found=f"{non_finite} that were not finite, though drawn again and again",
            suggestion="check the observation's units and how far it lies from the training data, or train "
            "again with a smaller learning rate",
        )
