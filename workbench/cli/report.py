"""``workbench report``: a run as one HTML page."""

from __future__ import annotations

import argparse

from workbench.cli.text import numbers, print_json


def report_command(args: argparse.Namespace) -> None:
    """Write the report of a run and print the size of its page."""
    from workbench.export import report

    path = report(
        args.model,
        args.out,
        observation=numbers(args.observation) or (),
        budget=args.budget,
        seed=args.seed,
    )
    size = path.stat().st_size
    if args.json:
        return print_json({"out": str(path), "bytes": size})
    print(f"{path}: {size / 2**20:.1f} MB; opens in any browser, without a network")
