"""Ridge regression: penalty and errors by predictions of rows that the fit has not seen, in closed form.

fit       u = A c + b;  min over A of Σ |u − A c − b|² + n λ |A|², b without a penalty, one λ a component
          of u
unseen    û_i: the prediction of row i by the fit to the other rows. In closed form, with the hat matrix H of
          the fit to all rows, r its residuals and G a set of rows: u_G − û_G = (I − H_GG)⁻¹ r_G. Rows that
          belong together are left out together
choice    of λ, on a grid of factors √10: the least whose mean square of the unseen errors is within 0.2 % of
          the minimum, so that many rows are fitted by least squares
errors    the same errors estimate the spread of new rows about the fit. Those of the rows that it was fitted
          to are too small, by a factor of 1 − k/n in the square for k coefficients, and vanish for k ≥ n
Source: Hoerl & Kennard 1970 (Technometrics 12); Allen 1974 (Technometrics 16, PRESS); Hastie, Tibshirani &
        Friedman 2009, The Elements of Statistical Learning, sections 3.4 and 7.10.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

#: Penalties λ, in units of the mean square of a standardised feature.
PENALTIES = tuple(10 ** (k / 2) for k in range(-12, 7))
#: Largest ratio of an error to the least one at which a smaller penalty is preferred.
_TOLERANCE = 1.002
#: Parts in which rows that belong together are left out; most rows of one part.
_PARTS, _MOST_PART = 10, 1000
#: Share of the squares below which a direction of the features counts as empty.
_EMPTY = 1e-13
#: Least 1 − H_ii, which rounding may take to zero.
_LEAST = 1e-9


@dataclass(frozen=True)
class Ridge:
    """A fit to u (n, D) given c (n, C), all in double precision.

    Parameters
    ----------
    offset, slope : b (D,) and A (D, C); the slope is None without c.
    unseen : prediction (n, D) of each row by a fit that has not seen it.
    freedom : effective number of coefficients (D,), the trace of the hat matrix.
    """

    offset: Tensor
    slope: Tensor | None
    unseen: Tensor
    freedom: Tensor


def fit_ridge(c: Tensor | None, u: Tensor, labels: Tensor | None = None) -> Ridge:
    """Fit u (n, D), n ≥ 2, to features c (n, C), or to a constant alone.

    ``labels`` (n,) number the groups of rows that belong together; None where all are independent.
    """
    u = u.double()
    n, mean = len(u), u.mean(0)
    rows = u - mean
    if c is None:
        unseen = mean - rows / (n - 1)
        return Ridge(mean, None, unseen, torch.ones_like(mean))
    c = c.double()
    middle = c.mean(0)
    basis, square, design = _directions(c - middle)
    along = basis.T @ rows  # (k, D)
    parts = _parts(labels, n)
    shrinks = [square / (square + n * penalty) for penalty in PENALTIES]
    every = [_unseen_errors(basis, s, rows - basis @ (s[:, None] * along), parts) for s in shrinks]
    scores = torch.stack([errors.square().mean(0) for errors in every])  # (penalties, D)
    near = scores <= _TOLERANCE * scores.amin(0)
    choice = near.int().argmax(0).tolist()  # the first, which is the least, penalty
    weights = [along[:, d] / (square + n * PENALTIES[k]) for d, k in enumerate(choice)]
    slope = torch.stack([design.T @ (basis @ weight) for weight in weights])
    unseen = u - torch.stack([every[k][:, d] for d, k in enumerate(choice)], 1)
    freedom = torch.stack([1 + shrinks[k].sum() for k in choice])
    return Ridge(mean - slope @ middle, slope, unseen, freedom)


def _directions(design: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return left singular vectors (n, k) of ``design`` (n, C), squares of the singular values, and it."""
    wide = design.shape[1] > design.shape[0]
    square, vectors = torch.linalg.eigh(design @ design.T if wide else design.T @ design)
    there = square > _EMPTY * square.max().clamp(min=torch.finfo(square.dtype).tiny)
    square, vectors = square[there], vectors[:, there]
    return vectors if wide else design @ (vectors / square.sqrt()), square, design


def _parts(labels: Tensor | None, n: int) -> list[Tensor]:
    """Return the rows of each part that is left out as a whole; none where every row is independent."""
    if labels is None or n > _PARTS * _MOST_PART:
        return []
    part = torch.unique(labels, return_inverse=True)[1] % _PARTS
    return [rows for rows in ((part == k).nonzero()[:, 0] for k in range(_PARTS)) if 0 < len(rows) < n]


def _unseen_errors(basis: Tensor, shrink: Tensor, residual: Tensor, parts: list[Tensor]) -> Tensor:
    """Return the errors (n, D) of fits that have not seen a row, from the residuals of the fit to all."""
    n = len(residual)
    if not parts:
        hat = basis.square() @ shrink + 1 / n
        return residual / (1 - hat).clamp(min=_LEAST)[:, None]
    errors = torch.empty_like(residual)
    for rows in parts:
        own = basis[rows]
        hat = (own * shrink) @ own.T + 1 / n
        room = torch.eye(len(rows)).to(hat) * (1 + _LEAST) - hat
        errors[rows] = torch.linalg.solve(room, residual[rows])
    return errors
