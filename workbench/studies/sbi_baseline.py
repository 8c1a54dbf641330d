"""sbi's neural posterior estimation beside ours, on the same simulations with its own defaults."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from workbench.core.errors import RunError


@dataclass(frozen=True)
class Rival:
    """``draw(y, n)`` -> (n, D); ``log_prob(x, y)`` -> (n,); processor seconds of training; parameters."""

    draw: Callable[[Tensor, int], Tensor]
    log_prob: Callable[[Tensor, Tensor], Tensor]
    seconds: float
    parameters: int


def simulation_based_inference(problem, simulations: int, seed: int) -> Rival:
    """sbi's NPE with a neural spline flow. Raises `RunError` where sbi is not installed."""
    try:
        from sbi.inference import NPE
        from sbi.utils.tracking import TensorBoardTracker
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise RunError("sbi is not installed", suggestion="install the bench extra") from error
    drawn = problem.draw(simulations, torch.Generator().manual_seed(seed))
    with torch.random.fork_rng(devices=[]), TemporaryDirectory() as folder, SummaryWriter(folder) as writer:
        torch.manual_seed(seed)
        start = time.process_time()
        protocol = TensorBoardTracker(writer)  # by default it is written into the current folder
        inference = NPE(density_estimator="nsf", show_progress_bars=False, tracker=protocol)
        estimator = inference.append_simulations(drawn.x.float(), drawn.y.float()).train()
        seconds = time.process_time() - start

    def draw(y: Tensor, n: int) -> Tensor:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed + 1)
            return estimator.sample((n,), condition=y.float()[None])[:, 0].double()

    def log_prob(x: Tensor, y: Tensor) -> Tensor:
        with torch.no_grad():
            return estimator.log_prob(x.float()[None], condition=y.float())[0].double()

    return Rival(draw, log_prob, seconds, sum(p.numel() for p in estimator.parameters()))
