"""Data of a run: split, standardised and on the device; batches follow from seed and iteration alone."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, cast

from workbench.core.capability import Capability
from workbench.core.errors import DataError
from workbench.core.lazy import torch
from workbench.inference.out_of_distribution import Typicality
from workbench.inference.standardisation import Standardisation
from workbench.objectives.base import Batch, Context
from workbench.problems.base import Samples

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
    ) -> None:
        generator = torch.Generator().manual_seed(seed)
        self._signals: Tensor | None = None
        self._problem = problem
        if samples is None and settings.fresh_noise and Capability.SIGNAL in problem.capabilities:
            samples, self._signals = _with_signals(problem, settings.samples, generator)
        elif samples is None:
            samples = problem.draw(settings.samples, generator)
        n = len(samples.x)
        n_validation = max(1, round(n * settings.validation_fraction))
        if n - n_validation < 2:
            raise DataError(
                "There are too few rows to train and validate", expected="at least 4", found=str(n)
            )
        order = torch.randperm(n, generator=generator)
        held_out, train = order[:n_validation], order[n_validation:]
        categorical = [i for i, variable in enumerate(problem.x) if variable.categories]
        self.standardisation = Standardisation.learn(
            samples.x[train], samples.y[train], categorical, problem.phase_free
        )
        edges = torch.tensor([[v.low for v in problem.x], [v.high for v in problem.x]], dtype=torch.float64)
        self.bounds = self.standardisation.x_in(edges).to(device, dtype)
        if self._signals is not None:
            self._signals = self._signals[train]
        self.noise_y = settings.noise_y
        self.seed, self.device, self.batch_size = seed, device, min(settings.batch_size, len(train))
        self.has_y = samples.y.shape[1] > 0
        s = self.standardisation
        self.train_x = s.x_in(samples.x[train]).to(device, dtype)
        self.train_y = s.y_in(samples.y[train]).to(device, dtype)
        self.held_out_x = s.x_in(samples.x[held_out]).to(device, dtype)
        self.held_out_y = s.y_in(samples.y[held_out]).to(device, dtype)
        self._epoch, self._permutation = -1, torch.empty(0, dtype=torch.int64)

    def pairs(self, *, held_out: bool | None = None) -> Samples:
        """Return x (n, D) and y (n, M) in data units, as float64 on the CPU, rounded to the run's precision.

        ``held_out`` selects the held-out part (True), the training part (False) or both (None).
        """
        parts = [] if held_out else [(self.train_x, self.train_y)]
        parts += [] if held_out is False else [(self.held_out_x, self.held_out_y)]
        x, y = (torch.cat([part[i] for part in parts]).double().cpu() for i in (0, 1))
        s = self.standardisation
        return Samples(s.x_out(x), s.y_out(y))

    def context(self) -> Context:
        """Return the `Context` for building a loss: the problem, its shapes, shifts and scales of x and y."""
        s = self.standardisation
        units = [t.to(self.bounds) for t in (s.shift_x, s.scale_x, s.shift_y, s.scale_y)]
        return Context(self._problem, self._problem.shapes, *units)

    @cached_property
    def typicality(self) -> Typicality | None:
        """Test for observations unlike those of the data, built on first use.

        None for data without observations or with too few.
        """
        return Typicality.split(self.train_y, self.held_out_y) if self.has_y else None

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
        return Batch(self.train_x[rows], y, progress)

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
    return Samples(x, source.recorded(signals, generator)), signals.to(dtype)
