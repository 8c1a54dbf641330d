"""``workbench simulate``: draws of a problem as a Zarr dataset, written in chunks; resumable."""

from __future__ import annotations

import argparse
import sys

from tqdm import tqdm

from workbench.cli.text import parse_settings, print_json
from workbench.core.errors import SpecError
from workbench.problems import PROBLEMS


def simulate_command(args: argparse.Namespace) -> None:
    """Simulate the missing chunks of a dataset and print its size."""
    from workbench.export.simulations import simulate, to_table

    member = PROBLEMS[args.problem]
    if member.unavailable():
        raise SpecError(member.unavailable())
    settings = parse_settings(member, args.settings)
    with tqdm(unit="chunk", file=sys.stderr, disable=not sys.stderr.isatty()) as bar:

        def progress(count: int, total: int) -> None:
            bar.total, bar.n = total, count
            bar.refresh()

        result = simulate(
            PROBLEMS.make(args.problem, **settings),
            args.draws,
            args.out,
            chunk=args.chunk,
            seed=args.seed,
            progress=progress,
        )
    if args.json:
        return print_json(to_table(result))
    before = f", {result.resumed} of them there before" if result.resumed else ""
    print(f"{result.path}: {result.draws} draws in {result.chunks} chunks{before}")
    print(f"Train on them with: workbench train --data {result.path}")
