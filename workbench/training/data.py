"""The data of a run: split, standardised, on the device; batches follow from seed and iteration alone."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from workbench.core.errors import DataError
from workbench.inference.out_of_distribution import Typicality
from workbench.inference.standardisation import Standardisation
from workbench.objectives.base import Batch
from workbench.problems.base import Samples


class RunData:
    """Training and validation part as standardised tensors on the device.

    Batches walk through a fresh permutation each epoch; the permutation is made from (seed, epoch), so
    that a resumed
    run sees exactly what the uninterrupted one would have seen.
    """

    def __init__(
        self, problem, settings, *, seed: int, device: torch.device, dtype: torch.dtype, samples=None
    ) -> None:
        generator = torch.Generator().manual_seed(seed)
        self._signals, self._problem = None, problem
        if samples is None and settings.fresh_noise and hasattr(problem, "recorded"):
            drawn, self._signals = _with_signals(problem, settings.samples, generator)
        else:
            drawn = problem.draw(settings.samples, generator) if samples is None else samples
        n = len(drawn.x)
        n_validation = max(1, round(n * settings.validation_fraction))
        if n - n_validation < 2:
            raise DataError(
                "There are too few rows to train and validate", expected="at least 4", found=str(n)
            )
        order = torch.randperm(n, generator=generator)
        held_out, train = order[:n_validation], order[n_validation:]
        kept = [i for i, variable in enumerate(problem.x) if variable.categories]
        self.standardisation = Standardisation.learn(drawn.x[train], drawn.y[train], kept, problem.phase_free)
        edges = torch.tensor([[v.low for v in problem.x], [v.high for v in problem.x]], dtype=torch.float64)
        self.bounds = self.standardisation.x_in(edges).to(device, dtype)
        if self._signals is not None:
            self._signals = self._signals[train]
        self.noise_y = settings.noise_y
        self.seed, self.device, self.batch_size = seed, device, min(settings.batch_size, len(train))
        self.has_y = drawn.y.shape[1] > 0
        s = self.standardisation
        self.train_x = s.x_in(drawn.x[train]).to(device, dtype)
        self.train_y = s.y_in(drawn.y[train]).to(device, dtype)
        self.held_out_x = s.x_in(drawn.x[held_out]).to(device, dtype)
        self.held_out_y = s.y_in(drawn.y[held_out]).to(device, dtype)
        self._epoch, self._permutation = -1, None

    def pairs(self, *, held_out: bool | None = None) -> Samples:
        """x (n, D) and y (n, M) in data units, float64 on the CPU, as precise as the run's own numbers: of
        the training part, of the part held out, or (None) of both."""
        parts = [] if held_out else [(self.train_x, self.train_y)]
        parts += [] if held_out is False else [(self.held_out_x, self.held_out_y)]
        x, y = (torch.cat([part[i] for part in parts]).double().cpu() for i in (0, 1))
        s = self.standardisation
        return Samples(s.x_out(x), s.y_out(y))

    @cached_property
    def typicality(self) -> Typicality | None:
        """What the training sees of observations; made when it is first asked for."""
        return Typicality.split(self.train_y, self.held_out_y) if self.has_y else None

    @property
    def batches(self) -> int:
        """Whole batches in an epoch; the remainder is reached in other epochs' permutations."""
        return max(1, len(self.train_x) // self.batch_size)

    def batch(self, index: int, progress: float, part: float = 0.0) -> Batch:
        """The ``index``-th batch since the start of the run, or another of its epoch, that far along it."""
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
        """y (n, M) of these rows; made anew from their signals where the settings ask for it."""
        if self._signals is None:
            return self.train_y[rows]
        generator = torch.Generator().manual_seed((self.seed * 1_000_037 + 7_907 * index + 11) % 2**63)
        fresh = self._problem.recorded(self._signals[rows.cpu()], generator)
        return self.standardisation.y_in(fresh).to(self.device, self.train_y.dtype)

    def _noisy(self, y: Tensor, number: int) -> Tensor:
        """y (n, M) with the noise of the training settings; it follows from the seed and ``number`` alone."""
        if self.noise_y == 0:
            return y
        generator = torch.Generator(device=self.device)
        generator.manual_seed((self.seed * 1_000_033 + 7_919 * number + 5) % 2**63)
        noise = torch.randn(y.shape, generator=generator, device=self.device, dtype=y.dtype)
        return y + self.noise_y * noise

    def held_out(self, limit: int, progress: float) -> Batch:
        """The first ``limit`` held-out points: always the same ones, and the same noise."""
        y = self._noisy(self.held_out_y[:limit], 0) if self.has_y else None
        return Batch(self.held_out_x[:limit], y, progress)


def _with_signals(problem, n: int, generator: torch.Generator) -> tuple[Samples, Tensor]:
    """Pairs, and the signals (single precision) that their observations were recorded from."""
    if hasattr(problem, "signal_draws"):
        x, signals = problem.signal_draws(n, generator)
    else:
        x = problem.prior(n, generator)
        with torch.no_grad():
            signals = problem.signals(x)
    short = torch.complex64 if signals.is_complex() else torch.float32
    return Samples(x, problem.recorded(signals, generator)), signals.to(short)
