"""``workbench simulate``: draws of a problem as a Zarr dataset, in chunks, resumed where they stopped."""

from __future__ import annotations

import argparse
import sys

from tqdm import tqdm

from workbench.cli.text import print_json
from workbench.core.errors import SpecError
from workbench.problems import PROBLEMS


def simulate_command(args: argparse.Namespace) -> None:
    """Make what is missing of the dataset and say what there is."""
    from workbench.core.spec import parse_setting
    from workbench.export.simulations import request_of, simulate

    member, pairs = PROBLEMS[args.problem], [text.partition("=") for text in args.settings]
    if member.unavailable():
        raise SpecError(member.unavailable())
    if wrong := [name for name, equals, _ in pairs if not equals]:
        raise SpecError("A setting cannot be read", expected="--set name=value", found=wrong[0])
    values = {name.strip(): parse_setting(member, name.strip(), value.strip()) for name, _, value in pairs}
    with tqdm(unit="chunk", file=sys.stderr, disable=not sys.stderr.isatty()) as bar:

        def progress(done: int, total: int) -> None:
            bar.total, bar.n = total, done
            bar.refresh()

        made = simulate(
            PROBLEMS.make(args.problem, **values),
            args.draws,
            args.out,
            chunk=args.chunk,
            seed=args.seed,
            progress=progress,
        )
    if args.json:
        return print_json(request_of(made))
    again = f", {made.resumed} of them there before" if made.resumed else ""
    print(f"{made.path}: {made.draws} draws in {made.chunks} chunks{again}")
    print(f"Train on them with: workbench train --data {made.path}")
