"""Count names and docstrings that a reader who does not know the project would stumble over.

    python tools/vocabulary.py            the counts of each package, and whether they stay within the limits
    python tools/vocabulary.py --list     every name and docstring that breaks a rule as well

A variable is a noun (``samples``, ``best_fit``). A participle that stands alone (``found``, ``kept``) says
what happened to a thing and not what it is. A docstring's first line starts with a verb in the imperative or
with a noun, and is understood without the code; phrases that only this project would use are listed below.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("workbench", "apps", "tools", "tests")
#: Largest fraction of assigned names that may be participles, and of docstrings that may hold an idiom.
NAMES_LIMIT, DOCSTRINGS_LIMIT = 0.003, 0.03

IRREGULAR = frozenset(
    "asked begun born bought broken brought built caught chosen done drawn driven eaten fallen felt found "
    "given gone got grown heard held hidden kept known laid left lost made meant met paid put read said seen "
    "sent shown sought spent spoken stood sunk taken taught thought thrown told torn won worn written".split()
)
#: Nouns and adjectives of the field that end like a participle.
NOUNS = frozenset("bed embed exceed feed need red reed seabed seed shed speed weed".split())
IDIOMS = re.compile(
    r"\blaws?\b(?! of large)|\bjudged?s?\b|\bdear\b|\bso many\b|\blook(?:s|ed|ing)? at\b|\bleaves the house\b"
    r"|\bshelf\b|\bwhat is (?:said|seen|kept|told|drawn|looked|known|asked)\b|\bis told\b|\bare told\b"
    r"|\bsomebody\b|\brival\b|\bruler\b|\berrands?\b",
    re.IGNORECASE,
)
OPENING = re.compile(
    r"^(?:What|Whether|How|Which|Where|Why|Who|Whose|When|That|Is|Are|Does|Has|From|To|Of)\b"
)


@dataclass
class Count:
    """Numbers of assigned names and of docstrings in a set of files; ``participles`` and ``idioms`` list
    those that break a rule, with file and line."""

    names: int = 0
    docstrings: int = 0
    participles: list[str] = field(default_factory=list)
    idioms: list[str] = field(default_factory=list)

    def __iadd__(self, other: Count) -> Count:
        self.names += other.names
        self.docstrings += other.docstrings
        self.participles += other.participles
        self.idioms += other.idioms
        return self

    @property
    def participle_share(self) -> float:
        return len(self.participles) / max(self.names, 1)

    @property
    def idiom_share(self) -> float:
        return len(self.idioms) / max(self.docstrings, 1)


def is_participle(name: str) -> bool:
    """True for a name that is one participle, with or without underscores around it."""
    word = name.strip("_")
    if word in NOUNS or not word.isalpha() or not word.islower():
        return False
    return word in IRREGULAR or (word.endswith("ed") and len(word) > 3)


def stumbles(docstring: str, *, test: bool = False) -> str:
    """Return the rule that a docstring breaks, with the offending words, or an empty string."""
    first = docstring.strip().split("\n")[0]
    if idiom := IDIOMS.search(docstring):
        return f"'{idiom.group()}'"
    if not test and (opening := OPENING.match(first)):
        return f"opens with '{opening.group()}'"
    return ""


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield (line, text) for every docstring in a module; the line is that of the definition."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield getattr(node, "lineno", 1), text


def count(path: Path) -> Count:
    """Count the names and docstrings of one file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    place = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    result = Count()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            result.names += 1
            if is_participle(node.id):
                result.participles.append(f"{place}:{node.lineno}: {node.id}")
    for line, text in docstrings(tree):
        result.docstrings += 1
        if reason := stumbles(text, test="tests" in path.parts):
            result.idioms.append(f"{place}:{line}: {reason}: {text.splitlines()[0][:70]}")
    return result


def total(files: Iterable[Path]) -> Count:
    """Return the sum of the counts of several files."""
    result = Count()
    for path in files:
        result += count(path)
    return result


def main() -> int:
    """Print the counts of each package; return 1 where a limit is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="print every place")
    parser.add_argument("paths", nargs="*", help="files or folders; by default the whole repository")
    arguments = parser.parse_args()
    roots = [Path(p).resolve() for p in arguments.paths] or [ROOT / folder for folder in FOLDERS]
    files = sorted({path for root in roots for path in ([root] if root.is_file() else root.rglob("*.py"))})
    packages: dict[str, list[Path]] = {}
    for path in files:
        parts = path.relative_to(ROOT).parts if path.is_relative_to(ROOT) else path.parts[-2:]
        packages.setdefault("/".join(parts[:2] if parts[0] == "workbench" else parts[:1]), []).append(path)
    print(f"{'':<28}{'names':>8}{'participles':>13}{'docstrings':>12}{'idioms':>8}")
    everything = Count()
    for package, members in packages.items():
        part = total(members)
        everything += part
        print(
            f"{package:<28}{part.names:>8}{part.participle_share:>13.2%}{part.docstrings:>12}{part.idiom_share:>8.1%}"
        )
    print(
        f"{'all':<28}{everything.names:>8}{everything.participle_share:>13.2%}"
        f"{everything.docstrings:>12}{everything.idiom_share:>8.1%}"
    )
    if arguments.list:
        print(*everything.participles, *everything.idioms, sep="\n")
    excess = everything.participle_share > NAMES_LIMIT or everything.idiom_share > DOCSTRINGS_LIMIT
    if excess:
        words = Counter(place.rsplit(": ", 1)[1] for place in everything.participles).most_common(10)
        print(
            f"Above the limits ({NAMES_LIMIT:.1%} of names, {DOCSTRINGS_LIMIT:.0%} of docstrings). Often:",
            ", ".join(f"{word} {number}" for word, number in words),
        )
        print("    every place: python tools/vocabulary.py --list")
    return int(excess)


if __name__ == "__main__":
    sys.exit(main())
