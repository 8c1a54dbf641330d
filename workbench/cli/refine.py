"""``workbench refine``: one observation's posterior, better than the network gives it."""

from __future__ import annotations

import argparse
import sys

from workbench.cli.text import numbers, print_json
from workbench.cli.verbs import _opened
from workbench.core.errors import SpecError
from workbench.core.spec import parse_setting


def refine_command(args: argparse.Namespace) -> None:
    """Refine, say what was gained, and write draws where a file is named."""
    from workbench.export.posterior import check_path, summary, write_samples
    from workbench.refinement import REFINEMENT, refine

    if args.out:
        check_path(args.out, arviz=False)
    pairs = [text.partition("=") for text in args.settings]
    if wrong := [name for name, equals, _ in pairs if not equals]:
        raise SpecError("A setting cannot be read", expected="--set name=value", found=wrong[0])
    if pairs and args.method == "automatic":
        raise SpecError("Settings go with a method", expected="--method KEY", found=pairs[0][0])
    settings = {
        name.strip(): parse_setting(REFINEMENT[args.method], name.strip(), value.strip())
        for name, _, value in pairs
    }
    refined = refine(
        _opened(args.model), numbers(args.observation), method=args.method, seed=args.seed, **settings
    )
    draws = refined.sample(args.draws, seed=args.seed)
    out = str(write_samples(draws, args.out, arviz=False)) if args.out else None
    found = summary(draws)
    if args.json:
        return print_json({"out": out, "gain": refined.gain.to_dict(), "variables": found})
    print(refined.gain.sentence, file=sys.stderr if refined.gain.warnings else sys.stdout)
    for name, row in found.items():
        quantiles = f"5 % {row['q05']:.4g}, median {row['median']:.4g}, 95 % {row['q95']:.4g}"
        print(f"{name:<24} {row['mean']:>10.4g} ± {row['sd']:.3g} {row['unit']}  ({quantiles})")
    if out:
        print(out)
