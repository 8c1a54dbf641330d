"""Tables of README.md, generated from the catalogues. As a script: write them (`make readme`)."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.objectives import Objective
    from workbench.problems import Problem

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
MARKED = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end of table -->)", re.DOTALL)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Format a Markdown table; a bar inside a cell is escaped."""
    head = list(head)
    lines = [head, ["---"] * len(head), *([str(cell).replace("|", "\\|") for cell in row] for row in rows)]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def problems() -> str:
    from workbench.core.capability import Capability
    from workbench.core.errors import WorkbenchError
    from workbench.problems import PROBLEMS

    words = {
        Capability.LOG_DENSITY: "density",
        Capability.LOG_JOINT: "joint density",
        Capability.SIMULATE: "simulator",
        Capability.REFERENCE_POSTERIOR: "posterior",
    }

    def facts(member: type[Problem]) -> tuple[str, str, str]:
        """Return the numbers of variables x and y, and the quantities that are known exactly, as cells of the
        table; "yours" instead of the numbers for a problem made of the user's own data or function."""
        try:
            problem = member()
        except WorkbenchError:
            return "yours", "yours", "–"
        if problem.refusals():
            return "yours", "yours", "–"
        exact = ", ".join(word for name, word in words.items() if name in problem.capabilities)
        return str(len(problem.x)), str(len(problem.y) or "–"), exact or "–"

    rows = ((f"`{p.key}`", p.summary, *facts(p), p.reference or "–") for p in PROBLEMS)
    return table(("key", "what it is", "x", "y", "known exactly", "source"), rows)


def architectures() -> str:
    from workbench.architectures import ARCHITECTURES

    return table(
        ("key", "what it does", "density", "sampling", "inverse", "source"),
        (
            (
                f"`{a.key}`",
                f"{a.summary} {a.cost.warning}".strip(),
                a.cost.density,
                a.cost.sampling,
                a.cost.inverse,
                a.reference,
            )
            for a in ARCHITECTURES
        ),
    )


def objectives() -> str:
    from workbench.core.capability import Capability
    from workbench.objectives import OBJECTIVES

    def needs(member: type[Objective]) -> str:
        sentences = [f"a model that {Capability(c).sentence}" for c in sorted(member.needs_model)]
        sentences += [f"a problem that {Capability(c).sentence}" for c in sorted(member.needs_problem)]
        return "; ".join(sentences) or "–"

    return table(
        ("key", "what is minimised", "needs", "source"),
        ((f"`{o.key}`", o.summary, needs(o), o.reference) for o in OBJECTIVES),
    )


def divergences() -> str:
    from workbench.divergences import DIVERGENCES

    return table(
        ("key", "title", "definition", "estimator", "bias", "cost"),
        ((f"`{d.key}`", d.title, d.definition, d.estimator, d.bias, d.expense) for d in DIVERGENCES),
    )


def critics() -> str:
    from workbench.critics import CRITICS

    return table(
        ("key", "title", "what it is", "source"),
        ((f"`{c.key}`", c.title, c.summary, c.reference) for c in CRITICS),
    )


def diagnostics() -> str:
    from workbench.diagnostics import DIAGNOSTICS

    return table(
        ("key", "what it checks", "source"),
        ((f"`{d.key}`", d.summary, d.reference or "–") for d in DIAGNOSTICS),
    )


def studies() -> str:
    from workbench.studies import STUDIES

    return table(
        ("key", "what it compares", "source"),
        ((f"`{s.key}`", s.summary, s.reference or "–") for s in STUDIES),
    )


def refinement() -> str:
    from workbench.refinement import REFINEMENT

    return table(
        ("key", "what it does", "source"), ((f"`{r.key}`", r.summary, r.reference) for r in REFINEMENT)
    )


def inversion() -> str:
    from workbench.inversion import INVERSION

    return table(
        ("key", "how it searches", "source"), ((f"`{m.key}`", m.summary, m.reference) for m in INVERSION)
    )


TABLES: dict[str, Callable[[], str]] = {
    "problems": problems,
    "architectures": architectures,
    "objectives": objectives,
    "divergences": divergences,
    "critics": critics,
    "diagnostics": diagnostics,
    "inversion": inversion,
    "refinement": refinement,
    "studies": studies,
}


def filled(text: str) -> str:
    """Return the README's ``text`` with a new table between each pair of markers, whose comment names it."""
    return MARKED.sub(lambda match: match[1] + TABLES[match[2]]() + match[3], text)


def main() -> None:
    text = README.read_text(encoding="utf-8")
    missing = set(TABLES) - {match[1] for match in MARKED.findall(text)}
    if missing:
        sys.exit(f"README.md has no markers for: {', '.join(sorted(missing))}")
    README.write_text(filled(text), encoding="utf-8")


if __name__ == "__main__":
    main()
