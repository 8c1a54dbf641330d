"""Command line: every verb is one call into the workbench's packages; errors are sentences, never tracebacks.

Exit codes: 0 success; 1 an error of the workbench itself; 2 an error that the user can correct, or a refused
file; 130 interrupted, after the run was saved.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Sequence

from workbench.cli.arguments import joined, parser
from workbench.cli.hints import in_command_words
from workbench.core.errors import WorkbenchError

INTERRUPTED = 130
__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    own_format, warnings.formatwarning = warnings.formatwarning, _warning_text
    try:
        return _main(argv)
    finally:
        warnings.formatwarning = own_format


def _warning_text(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """Return a warning as a sentence: the place in the program that it comes from says nothing to a user."""
    return (
        f"Warning: {message}\n" if issubclass(category, UserWarning) else f"{category.__name__}: {message}\n"
    )


def _main(argv: Sequence[str] | None) -> int:
    words = joined(sys.argv[1:] if argv is None else argv)
    if any("\0" in word for word in words):  # no path, number or name has one
        return _fail("An argument has a NUL character, which no command line can hold.", "--json" in words, 2)
    try:
        args = parser(as_json="--json" in words).parse_args(words)
        if "command" not in args:
            parser().print_help()
            return 0
        return args.command(args) or 0
    except SystemExit as error:  # argparse has printed its message
        return int(error.code or 0)
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # the reader closed the pipe; without this, Python reports it once more when it exits
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (WorkbenchError, OSError) as error:
        return _fail(in_command_words(str(error)), "--json" in words, 2)
    except Exception as error:
        if os.environ.get("WORKBENCH_TRACEBACK"):
            raise
        sentence = f"Something unexpected went wrong: {type(error).__name__}: {error}."
        return _fail(f"{sentence} Set WORKBENCH_TRACEBACK=1 to see where.", "--json" in words, 1)


def _fail(sentence: str, as_json: bool, code: int) -> int:
    print(f"workbench: {sentence}", file=sys.stderr)
    if as_json:
        print(json.dumps({"error": sentence}))
    return code
