"""``workbench report``: a run as one HTML page."""

from __future__ import annotations

import argparse

from workbench.cli.observations import given, observation, observed
from workbench.cli.text import print_json
from workbench.cli.verbs import open_model


def report_command(args: argparse.Namespace) -> None:
    """Write the report of a run and print the size of its page."""
    from workbench.export import report

    path = report(
        args.model,
        args.out,
        observation=observation(args, observed(open_model(args.model))) if given(args) else (),
        budget=args.budget,
        seed=args.seed,
    )
    size = path.stat().st_size
    if args.json:
        return print_json({"out": str(path), "bytes": size})
    print(f"{path}: {size / 2**20:.1f} MB; opens in any browser, without a network")
