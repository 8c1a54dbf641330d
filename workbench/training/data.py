"""Data of a run: split, standardised and on the device; batches follow from seed and iteration alone."""

from __future__ import annotations

import copy
import warnings
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from workbench.core.capability import Capability
from workbench.core.errors import DataError, DataWarning
from workbench.core.lazy import torch
from workbench.inference.column_values import check_values
from workbench.inference.out_of_distribution import Typicality
from workbench.inference.standardisation import Standardisation
from workbench.objectives.base import Batch, Context
from workbench.problems.base import Samples
from workbench.training.atoms import atom_notes
from workbench.training.copies import (
    WARNED,
    copies,
    equal_rows,
    in_order_of_appearance,
    kept_together,
    sentence,
    share_of_copies,
)

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.problems.base import Problem, SignalProblem
    from workbench.training.settings import Training


class RunData:
    """Training and validation data as standardised tensors on the device.

    Each epoch visits the rows in a new permutation that follows from (seed, epoch), so that a resumed run
    gets the batches of an uninterrupted one.

    Parameters
    ----------
    problem : source of the pairs (x, y).
    settings : number of pairs, held-out fraction, batch size and noise.
    samples : pairs to use instead of draws from the problem.
    bounded : map bounded columns of x to the real line; false for a network that keeps bounds itself.
    maps : maps of the columns, as `Standardisation.describe` returns them, of a run that is resumed.
    """

    def __init__(
        self,
        problem: Problem,
        settings: Training,
        *,
        seed: int,
        device: torch.device,
        dtype: torch.dtype,
        samples: Samples | None = None,
        bounded: bool = True,
        maps: dict[str, Any] | None = None,
    ) -> None:
        generator = torch.Generator().manual_seed(seed)
        self._signals: Tensor | None = None
        self._problem = problem
        if samples is None and settings.fresh_noise and Capability.SIGNAL in problem.capabilities:
            samples, self._signals = _with_signals(problem, settings.samples, generator)
        elif samples is None:
            samples = problem.draw(settings.samples, generator)
        check_values(samples.x, problem.x, "training data", DataError)
        check_values(samples.y, problem.y, "training data", DataError)
        #: Labels (n,) of exact copies among all pairs; None where there are none.
        self.copies = copies(samples, (*problem.x, *problem.y))
        #: What to know of these data, as sentences.
        self.notes = atom_notes(samples.x, problem.x)
        urgent_notes = list(self.notes)
        if self.copies is not None:
            self.notes += (sentence(self.copies),)
            urgent_notes += [sentence(self.copies)] if share_of_copies(self.copies) > WARNED else []
        for note in urgent_notes if maps is None else ():
            warnings.warn(note, DataWarning, stacklevel=3)  # at the call of `Run`
        samples = kept_together(samples, self.copies)
        train, held_out = split_rows(samples, settings.validation_fraction, generator)
        #: Labels (n,) of training rows, the same for rows that belong together; None for independent ones.
        self.together = None if samples.groups is None else in_order_of_appearance(samples.groups[train])
        s = self.standardisation = Standardisation.learn(
            samples.x[train],
            samples.y[train],
            problem.x,
            problem.y,
            phase_free=problem.phase_free,
            bounded=bounded,
            maps=maps,
        )
        self.bounds = s.bounds(problem.x).to(device, dtype)
        if self._signals is not None:
            self._signals = self._signals[train]
        self.noise_y = settings.noise_y
        self.seed, self.device, self.batch_size = seed, device, min(settings.batch_size, len(train))
        self.has_y = samples.y.shape[1] > 0
        #: Pairs in data units: float64 on the CPU.
        self.train = Samples(samples.x[train].double(), samples.y[train].double())
        self.held_out_pairs = Samples(samples.x[held_out].double(), samples.y[held_out].double())
        self._levels = torch.tensor([v.levels != 0 for v in problem.x]).nonzero()[:, 0]
        self.train_x, self.train_y = self._network_units(self.train, 1, device, dtype)
        self.held_out_x, self.held_out_y = self._network_units(self.held_out_pairs, 0, device, dtype)
        self._epoch, self._permutation = -1, torch.empty(0, dtype=torch.int64)

    def _network_units(
        self, pairs: Samples, number: int, device: torch.device, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        s = self.standardisation
        x = s.x_in(self._dequantised(pairs.x, number))
        return x.to(device, dtype), s.y_in(pairs.y).to(device, dtype)

    def _dequantised(self, x: Tensor, number: int) -> Tensor:
        """Add uniform noise in (-1/2, 1/2) to the columns of whole numbers in x (n, D), in data units.

        It follows from the run's seed and ``number`` alone.
        """
        if not len(self._levels):
            return x
        generator = torch.Generator().manual_seed((self.seed * 1_000_039 + 7_901 * number + 3) % 2**63)
        noise = torch.rand(len(x), len(self._levels), generator=generator, dtype=torch.float64) - 0.5
        return x.index_add(1, self._levels, noise)

    def pairs(self, *, held_out: bool | None = None) -> Samples:
        """Return x (n, D) and y (n, M) in data units, as float64 on the CPU.

        ``held_out`` selects the held-out part (True), the training part (False) or both (None).
        """
        parts = [] if held_out else [self.train]
        parts += [] if held_out is False else [self.held_out_pairs]
        return Samples(torch.cat([part.x for part in parts]), torch.cat([part.y for part in parts]))

    def context(self) -> Context:
        """Return the `Context` for building a loss: the problem, the network's shapes and the units."""
        units = copy.deepcopy(self.standardisation).to(self.device)
        return Context(self._problem, self.standardisation.network_shapes, units)

    @cached_property
    def typicality(self) -> Typicality | None:
        """Test for observations unlike those of the data, built on first use.

        None for data without observations or with too few.
        """
        if not self.has_y:
            return None
        if self.copies is None:
            return Typicality.split(self.train_y, self.held_out_y)
        # a copy among the reference observations makes every other one look far away
        parts = (self.train_x, self.train_y), (self.held_out_x, self.held_out_y)
        train, held_out = (y[_first_of_each(x, y)] for x, y in parts)
        return Typicality.split(train, held_out)

    @property
    def batches(self) -> int:
        """Number of whole batches in an epoch; rows left over get their turn in other epochs."""
        return max(1, len(self.train_x) // self.batch_size)

    def batch(self, index: int, progress: float, part: float = 0.0) -> Batch:
        """Return the ``index``-th batch since the start of the run, at the training progress (0 to 1).

        ``part`` (0 to 1) selects a batch this fraction of an epoch later in the same epoch (cyclically).
        """
        epoch, position = divmod(index, self.batches)
        position = (position + round(part * self.batches)) % self.batches
        if epoch != self._epoch:
            generator = torch.Generator().manual_seed((self.seed * 1_000_003 + epoch + 1) % 2**63)
            self._permutation = torch.randperm(len(self.train_x), generator=generator).to(self.device)
            self._epoch = epoch
        rows = self._permutation[position * self.batch_size : (position + 1) * self.batch_size]
        y = self._noisy(self._recorded(rows, index), index + 1) if self.has_y else None
        return Batch(self._batch_x(rows, index), y, progress, rows)

    def _batch_x(self, rows: Tensor, index: int) -> Tensor:
        """Return standardised x (n, D) of training rows, whole numbers with new noise."""
        if not len(self._levels):
            return self.train_x[rows]
        x = self._dequantised(self.train.x[rows.cpu()], index + 2)
        return self.standardisation.x_in(x).to(self.device, self.train_x.dtype)

    def _recorded(self, rows: Tensor, index: int) -> Tensor:
        """Return standardised y (n, M) of training rows, with newly drawn noise if ``fresh_noise`` is set.

        The new noise follows from the run's seed and the batch number ``index`` alone.
        """
        if self._signals is None:
            return self.train_y[rows]
        generator = torch.Generator().manual_seed((self.seed * 1_000_037 + 7_907 * index + 11) % 2**63)
        problem = cast("SignalProblem", self._problem)
        fresh = problem.recorded(self._signals[rows.cpu()], generator)
        return self.standardisation.y_in(fresh).to(self.device, self.train_y.dtype)

    def _noisy(self, y: Tensor, number: int) -> Tensor:
        """Add normal noise of ``noise_y`` standard deviations to y (n, M).

        It follows from the run's seed and ``number`` alone.
        """
        if self.noise_y == 0:
            return y
        generator = torch.Generator(device=self.device)
        generator.manual_seed((self.seed * 1_000_033 + 7_919 * number + 5) % 2**63)
        noise = torch.randn(y.shape, generator=generator, device=self.device, dtype=y.dtype)
        return y + self.noise_y * noise

    def held_out(self, limit: int, progress: float) -> Batch:
        """Return the first ``limit`` held-out pairs as a batch, with the same added noise in every call."""
        y = self._noisy(self.held_out_y[:limit], 0) if self.has_y else None
        return Batch(self.held_out_x[:limit], y, progress)


def _first_of_each(*parts: Tensor) -> Tensor:
    """Return the positions of the first of equal rows of ``parts`` (n, k), in ascending order."""
    labels = equal_rows(*(part.cpu() for part in parts))
    if labels is None:
        return torch.arange(len(parts[0]))
    ranks = in_order_of_appearance(labels)
    highest = torch.cat([torch.tensor([-1]), ranks.cummax(0).values[:-1]])
    return (ranks > highest).nonzero()[:, 0]


def split_rows(samples: Samples, fraction: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return the row numbers for training and for validation, of which there are about ``fraction``.

    Rows of one group stay on one side. Raises `DataError` where fewer than two rows are left for training.
    """
    n = len(samples)
    n_validation = max(1, round(n * fraction))
    groups = getattr(samples, "groups", None)
    if groups is None:
        order = torch.randperm(n, generator=generator)
        held_out, train = order[:n_validation], order[n_validation:]
    else:
        _, labels, counts = torch.unique(groups, return_inverse=True, return_counts=True)
        order = torch.randperm(len(counts), generator=generator)
        in_validation = torch.zeros(len(counts), dtype=torch.bool)
        # whole groups until there are enough rows, but at least one group remains
        in_validation[order[: max(1, int((counts[order].cumsum(0) <= n_validation).sum()))]] = True
        mask = in_validation[labels]
        rows = torch.randperm(n, generator=generator)
        held_out, train = rows[mask[rows]], rows[~mask[rows]]
    if n < 4 or len(train) < 2:
        noun = "rows" if groups is None else "groups of rows"
        count = n if groups is None else len(counts)
        raise DataError(
            f"There are too few {noun} to train and validate", expected="at least 4", found=str(count)
        )
    return train, held_out


def _with_signals(problem: Problem, n: int, generator: torch.Generator) -> tuple[Samples, Tensor]:
    """Draw n pairs (x, y), and return them with the noiseless signals that the y are noisy versions of.

    The signals, in single precision, serve to draw other noise for the same x.
    """
    source = cast("SignalProblem", problem)
    if hasattr(problem, "signal_draws"):
        x, signals = problem.signal_draws(n, generator)
    else:
        x = problem.prior(n, generator)
        with torch.no_grad():
            signals = source.signals(x)
    dtype = torch.complex64 if signals.is_complex() else torch.float32
    groups = problem.signal_groups(n) if hasattr(problem, "signal_groups") else None
    return Samples(x, source.recorded(signals, generator), groups), signals.to(dtype)
