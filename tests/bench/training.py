"""Processor time of a training step, as a ratio to zuko's own loop with fused Adam, in one process.

python tests/bench/training.py [--features 4 10] [--rounds 12] [--steps 25] [--batch 256]

Networks are equal in kind and size: 8 affine couplings, 6 spline couplings with 8 bins, 6 masked affine
layers, each with hidden layers (64, 64). Both loops train by maximum likelihood on the same kind of data in
alternating rounds on one thread; a figure is the median over rounds. Ours is `Run.step()` as users run it,
with validation, clipping, the guard against non-finite values and the history.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import torch
import zuko

import workbench as wb

KINDS = {
    "RealNVP": ("realnvp", {"transforms": 8, "width": 64, "depth": 2}),
    "spline coupling": ("neural_spline_coupling", {"transforms": 6, "width": 64, "depth": 2, "bins": 8}),
    "MAF": ("maf", {"transforms": 6, "width": 64, "depth": 2}),
}


def ours(kind: str, features: int, batch: int) -> tuple[Callable[[], object], int]:
    """Return a function that does one step of a run, and the number of the network's parameters."""
    key, settings = KINDS[kind]
    x = torch.randn(20_000, features, generator=torch.Generator().manual_seed(0)).numpy()
    columns = {f"x_{i}": x[:, i] + 0.5 * np.sin(3 * x[:, i - 1]) for i in range(features)}
    problem = wb.TableProblem(pd.DataFrame(columns), x=list(columns))
    architecture = {"key": key, "settings": settings}
    training = {"samples": 20_000, "batch_size": batch, "measured": []}
    run = wb.Run(wb.Experiment(problem, architecture, training=training, steps=1_000_000), device="cpu")
    return run.step, sum(p.numel() for p in run.model.parameters())


def theirs(kind: str, features: int, batch: int) -> tuple[Callable[[], object], int]:
    """Return a function that does one step of zuko's own training loop, and the number of parameters."""
    widths = {"hidden_features": (64, 64)}
    if kind == "RealNVP":
        flow = zuko.flows.RealNVP(features, transforms=8, **widths)
    elif kind == "MAF":
        flow = zuko.flows.MAF(features, transforms=6, **widths)
    else:
        univariate, shapes = zuko.transforms.MonotonicRQSTransform, [(8,), (8,), (7,)]
        layers = [
            zuko.flows.GeneralCouplingTransform(
                features,
                mask=torch.arange(features) % 2 == i % 2,
                univariate=univariate,
                shapes=shapes,
                **widths,
            )
            for i in range(6)
        ]
        base = zuko.lazy.UnconditionalDistribution(
            zuko.distributions.DiagNormal, torch.zeros(features), torch.ones(features), buffer=True
        )
        flow = zuko.flows.Flow(layers, base)
    optimiser = torch.optim.Adam(flow.parameters(), lr=1e-3, fused=True)
    x = torch.randn(20_000, features, generator=torch.Generator().manual_seed(0))
    order = torch.Generator().manual_seed(1)

    def step() -> None:
        rows = x[torch.randint(len(x), (batch,), generator=order)]
        loss = -flow().log_prob(rows).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step, sum(p.numel() for p in flow.parameters())


def measure(step: Callable[[], object], steps: int) -> float:
    """Return the processor milliseconds of a step, over ``steps`` steps."""
    start = time.process_time()
    for _ in range(steps):
        step()
    return 1e3 * (time.process_time() - start) / steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--features", type=int, nargs="+", default=[4, 10])
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--batch", type=int, default=256)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, zuko {zuko.__version__}, one thread, batch {options.batch}")
    print(f"{'network':<18}{'D':>4}{'parameters':>14}{'ours [ms]':>11}{'zuko [ms]':>11}{'ratio':>8}")
    for features in options.features:
        for kind in KINDS:
            (own, own_size), (other, other_size) = (
                make(kind, features, options.batch) for make in (ours, theirs)
            )
            loops = [partial(measure, step, options.steps) for step in (own, other)]
            for loop in loops:  # warm up
                loop()
            rounds = [[loop() for loop in loops] for _ in range(options.rounds)]
            ratio = statistics.median(a / b for a, b in rounds)
            a, b = (statistics.median(column) for column in zip(*rounds, strict=True))
            sizes = f"{own_size}" if own_size == other_size else f"{own_size}/{other_size}"
            print(f"{kind:<18}{features:>4}{sizes:>14}{a:>11.2f}{b:>11.2f}{ratio:>8.2f}", flush=True)


if __name__ == "__main__":
    main()
