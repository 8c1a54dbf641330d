"""Baseline: neural posterior estimation (NPE) of the package sbi, with its defaults, on the same
simulations."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from workbench.core.errors import RunError
from workbench.core.global_numbers import global_numbers
from workbench.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.problems import Problem


@dataclass(frozen=True)
class Baseline:
    """A trained estimator: ``draw(y, n)`` -> (n, D), ``log_prob(x, y)`` -> (n,), processor seconds of its
    training, and its number of parameters."""

    draw: Callable[[Tensor, int], Tensor]
    log_prob: Callable[[Tensor, Tensor], Tensor]
    seconds: float
    parameters: int


def simulation_based_inference(problem: Problem, simulations: int, seed: int) -> Baseline:
    """Train sbi's NPE with a neural spline flow on ``simulations`` fresh pairs. Raises `RunError` where
    sbi is not installed."""
    try:
        from sbi.inference import NPE
        from sbi.utils.tracking import TensorBoardTracker
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise RunError("sbi is not installed", suggestion="install the bench extra") from error
    pairs = problem.draw(simulations, torch.Generator().manual_seed(seed))
    with global_numbers(seed), TemporaryDirectory() as folder, SummaryWriter(folder) as writer:
        start = time.process_time()
        tracker = TensorBoardTracker(writer)  # by default it writes into the current folder
        inference = NPE(density_estimator="nsf", show_progress_bars=False, tracker=tracker)
        estimator = inference.append_simulations(pairs.x.float(), pairs.y.float()).train()
        seconds = time.process_time() - start

    def draw(y: Tensor, n: int) -> Tensor:
        with torch.no_grad(), global_numbers(seed + 1):
            return estimator.sample((n,), condition=y.float()[None])[:, 0].double()

    def log_prob(x: Tensor, y: Tensor) -> Tensor:
        with torch.no_grad():
            return estimator.log_prob(x.float()[None], condition=y.float())[0].double()

    return Baseline(draw, log_prob, seconds, sum(p.numel() for p in estimator.parameters()))
