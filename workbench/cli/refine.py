"""``workbench refine``: a more accurate posterior for one observation."""

from __future__ import annotations

import argparse
import sys

from workbench.cli.observations import observation, observed
from workbench.cli.text import parse_settings, print_json, print_summary, setting_pairs
from workbench.cli.verbs import open_model
from workbench.core.errors import SpecError


def refine_command(args: argparse.Namespace) -> None:
    """Refine a posterior, print a sentence on what it gained (such as the effective sample size), and write
    draws where ``--out`` names a file."""
    from workbench.export.posterior import check_path, summary, write_samples
    from workbench.refinement import REFINEMENT, refine

    if args.out:
        check_path(args.out, arviz=False)
    pairs = setting_pairs(args.settings)
    if pairs and args.method == "automatic":
        raise SpecError("Settings go with a method", expected="--method KEY", found=pairs[0][0])
    settings = parse_settings(REFINEMENT[args.method], args.settings) if pairs else {}
    model = open_model(args.model)
    y = observation(args, observed(model))
    posterior = refine(model, y, method=args.method, seed=args.seed, **settings)
    draws, gain = posterior.sample(args.draws, seed=args.seed), posterior.gain
    out = str(write_samples(draws, args.out, arviz=False)) if args.out else None
    variables = summary(draws)
    if args.json:
        return print_json({"out": out, "gain": gain.to_dict(), "variables": variables})
    print(gain.sentence, file=sys.stderr if gain.warnings else sys.stdout)
    print_summary(variables, out)
