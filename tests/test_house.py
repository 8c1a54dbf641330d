"""Rules of the repository that a tool can check. Every check is also shown a violation."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tools import browser, readme, vocabulary

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("workbench", "apps", "tools", "tests", "notebooks", "datasets", ".ci")
LONGEST_MODULE, LONGEST_FUNCTION, LONGEST_APP = 400, 60, 60
CONFIGURATION = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONTRACTS = [contract["name"] for contract in CONFIGURATION["tool"]["importlinter"]["contracts"]]

LINT = "from importlinter.cli import lint_imports; lint_imports(no_cache=True, no_logo=True)"

#: Marks of unfinished work, paths of one machine, and documents that are not part of this repository.
STRAY = re.compile(
    r"\bTO"
    r"DO\b|\bFIX"
    r"ME\b|\bX{3}\b|/work/|/root/|/opt/(wheels|pypi)"
    r"|\b(house|systems|vina|benchmarks|holoviz|peers|contract)\.md\b"
)


def python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def text_files() -> Iterator[Path]:
    """Every text file of the repository, without caches."""
    suffixes = (".py", ".md", ".ipynb", ".json", ".toml", ".yml", ".cff", ".txt", "")
    inside = (path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*")))
    for path in [*ROOT.iterdir(), *inside]:
        caches = {"__pycache__", ".ipynb_checkpoints", ".git"}.intersection(path.parts)
        if path.is_file() and path.suffix in suffixes and not caches:
            yield path


# ---- style


def ruff(*arguments: str, text: str | None = None) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format=concise", *arguments],
        cwd=ROOT,
        input=text,
        capture_output=True,
        text=True,
    )


def test_ruff_is_content():
    result = ruff(".")
    assert result.returncode == 0, "\n".join((result.stdout + result.stderr).splitlines()[-30:])


def test_ruff_sees_a_long_line_and_an_unused_import():
    output = ruff(
        "--stdin-filename", "workbench/example.py", "-", text="import os\n\nname = '" + "a" * 110 + "'\n"
    ).stdout
    assert "F401" in output and "E501" in output


# ---- frontiers and layers


def contracts(folder: Path) -> dict[str, bool]:
    """Name of each import contract of pyproject.toml -> True where the package in ``folder`` keeps it."""
    process = subprocess.run(
        [sys.executable, "-c", LINT],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    states = {
        name: state == "KEPT"
        for name, state in re.findall(r"^(.+?) (KEPT|BROKEN)", process.stdout, re.MULTILINE)
    }
    assert set(states) == set(CONTRACTS), process.stdout + process.stderr
    return states


def test_every_import_contract_is_kept():
    failures = [name for name, intact in contracts(ROOT).items() if not intact]
    assert not failures, f"run `make lint` to see the imports that break: {failures}"


def test_every_import_contract_can_break(tmp_path):
    shutil.copytree(ROOT / "workbench", tmp_path / "workbench", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package, line in {
        "core": "import workbench.ui",
        "objectives": "import xarray",
        "diagnostics": "import holoviews",
        "plots": "import torch",
        "export": "import panel",
        "ui": "import torch",
    }.items():
        (tmp_path / "workbench" / package / "trespasser.py").write_text(line + "\n")
    silent_contracts = [name for name, state in contracts(tmp_path).items() if state]
    assert not silent_contracts, f"these contracts did not notice a trespasser: {silent_contracts}"


# ---- size


def long_modules(files: Iterable[Path], limit: int = LONGEST_MODULE) -> list[str]:
    lengths = ((path, path.read_text().count("\n")) for path in files)
    return [f"{path.name}: {length} lines" for path, length in lengths if length > limit]


def functions(files: Iterable[Path]) -> Iterator[tuple[Path, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield path, node


def long_functions(files: Iterable[Path]) -> list[str]:
    return [
        f"{path.name}: {node.name}"
        for path, node in functions(files)
        if node.end_lineno - node.lineno + 1 > LONGEST_FUNCTION
    ]


def test_no_module_and_no_function_is_too_long():
    files = python_files("workbench", "apps", "tools")
    assert not long_modules(files) + long_functions(files)


def test_apps_only_compose():
    assert not long_modules(python_files("apps"), LONGEST_APP)


def test_length_guards_see_what_is_too_long(tmp_path):
    (long := tmp_path / "long.py").write_text("def long():\n" + "    pass\n" * 401)
    assert long_modules([long]) and long_functions([long])


# ---- what the code must not contain


PICKLES = ("pickle", "cloudpickle", "dill")
#: Lines that may import a pickle module. They pass the function that the user wrote in this session to worker
#: processes of the session, once, through a temporary file that only this user can read or write and that is
#: deleted afterwards; no file that comes from elsewhere is unpickled. joblib itself would pickle the function
#: again for every task and make its larger arrays read-only.
PICKLES_ALLOWED = frozenset(
    {
        ("workbench/problems/user/calls.py", "import cloudpickle"),
        ("workbench/problems/user/calls.py", "import pickle"),
    }
)


def pickle_imports(path: Path, tree: ast.Module) -> list[str]:
    """Return places where a pickle module is imported, other than once in each of `PICKLES_ALLOWED`."""
    places, lines = [], {text for name, text in PICKLES_ALLOWED if path == ROOT / name}
    for node in ast.walk(tree):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        if any(module.split(".")[0] in PICKLES for module in modules):
            if (line := ast.unparse(node)) in lines:
                lines.remove(line)
            else:
                places.append(f"{path.name}:{node.lineno} pickle")
    return places


def loose_code(files: Iterable[Path]) -> list[str]:
    """Places with an assertion (errors of a user are raised), a pickle, or an unsafe ``torch.load``."""
    places = []
    for path in files:
        tree = ast.parse(path.read_text())
        places += pickle_imports(path, tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Assert):
                places.append(f"{path.name}:{node.lineno} assert")
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                safe = any(k.arg == "weights_only" and ast.unparse(k.value) == "True" for k in node.keywords)
                places += [] if safe else [f"{path.name}:{node.lineno} torch.load without weights_only=True"]
    return places


def test_no_assert_no_pickle_no_unguarded_load():
    assert not loose_code(python_files("workbench", "apps"))


def test_the_guard_sees_loose_code(tmp_path):
    (loose := tmp_path / "loose.py").write_text(
        "import pickle\nassert True\ntorch.load(path)\ntorch.load(p, weights_only=True)\nfrom dill import f\n"
    )
    assert len(loose_code([loose])) == 4
    (file,) = {ROOT / name for name, _ in PICKLES_ALLOWED}
    assert len(pickle_imports(file, ast.parse(file.read_text() + "import pickle\n"))) == 1


def strays(files: Iterable[Path]) -> list[str]:
    return [
        f"{path.name}: {match.group()}"
        for path in files
        for match in STRAY.finditer(path.read_text(errors="replace"))
    ]


def test_nothing_unfinished_and_nothing_of_one_machine_is_left():
    assert not strays(path for path in text_files() if path != Path(__file__).resolve())


def test_the_guard_sees_strays(tmp_path):
    (stray := tmp_path / "stray.md").write_text("TODO: see /work/here\n")
    assert len(strays([stray])) == 2


# ---- documents of the project agree


def test_readme_tables_are_those_of_the_catalogues():
    text = readme.README.read_text(encoding="utf-8")
    assert {match[1] for match in readme.MARKED.findall(text)} == set(readme.TABLES)
    assert readme.filled(text) == text, "run `make readme`"


def test_a_stale_table_is_seen():
    stale = "<!-- table: objectives -->\nold\n<!-- end of table -->"
    assert readme.filled(stale) != stale


def dead_links(files: Iterable[Path]) -> list[str]:
    """Links of Markdown files to files that are not there."""
    links = ((path, link) for path in files for link in re.findall(r"\]\(([^)#\s]+)", path.read_text()))
    return [
        f"{path.name}: {link}"
        for path, link in links
        if not link.startswith("http") and not (path.parent / link).exists()
    ]


def test_links_lead_somewhere():
    assert not dead_links(path for path in text_files() if path.suffix == ".md")


def test_a_dead_link_is_seen(tmp_path):
    (page := tmp_path / "page.md").write_text(
        "[here](page.md) [there](nowhere.md) [far](https://example.org)"
    )
    assert dead_links([page]) == ["page.md: nowhere.md"]


def pinned() -> dict[str, str]:
    lines = (
        line
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if line and not line.startswith("#")
    )
    return dict(line.split("==") for line in lines)


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements() -> list[Requirement]:
    project = CONFIGURATION["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    return [r for group in lists for r in map(Requirement, group) if r.name != project["name"]]


def test_constraints_are_exact_portable_and_complete():
    pins = {plain(name): version for name, version in pinned().items()}
    assert pins["torch"] == "2.13.0"
    assert not [
        name for name, version in pins.items() if "+" in version or name.startswith(("nvidia", "triton"))
    ]
    assert not [str(r) for r in requirements() if not r.specifier.contains(pins.get(plain(r.name), "0"))]


def test_conda_users_get_the_same_packages():
    names = {
        plain(name)
        for name in re.findall(
            r"^\s*- ([A-Za-z0-9_.-]+)", (ROOT / "environment.yml").read_text(), re.MULTILINE
        )
    }
    conda = {"torch": "pytorch"}
    names_needed = {plain(Requirement(r).name) for r in CONFIGURATION["project"]["dependencies"]}
    assert not {name for name in names_needed if conda.get(name, name) not in names}


@pytest.mark.parametrize(
    "paper, pattern",
    [
        ("CITATION.cff", r"^version: (\S+)$"),
        ("CHANGELOG.md", r"^## \[([0-9.]+)\]"),
        ("workbench/__init__.py", r'^__version__ = "(\S+)"$'),
    ],
)
def test_papers_name_the_same_version(paper, pattern):
    assert (
        re.search(pattern, (ROOT / paper).read_text(), re.MULTILINE)[1] == CONFIGURATION["project"]["version"]
    )


def files_not_shipped(folder: Path, globs: dict[str, list[str]]) -> list[str]:
    """Files of the package that are no Python code and that no glob of ``package-data`` names."""
    shipments = {
        path
        for package, patterns in globs.items()
        for pattern in patterns
        for path in (folder / package.replace(".", "/")).glob(pattern)
    }
    return [
        str(path.relative_to(folder))
        for path in (folder / "workbench").rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc") and path not in shipments
    ]


def test_files_beside_the_code_are_shipped():
    assert not files_not_shipped(ROOT, CONFIGURATION["tool"]["setuptools"]["package-data"])


def test_a_file_that_is_not_shipped_is_seen(tmp_path):
    (tmp_path / "workbench" / "export").mkdir(parents=True)
    (tmp_path / "workbench" / "export" / "page.html").write_text("")
    assert files_not_shipped(tmp_path, {"workbench.ui": ["*"]}) == ["workbench/export/page.html"]
    assert not files_not_shipped(tmp_path, {"workbench.export": ["*.html"]})


# ---- vocabulary


def test_names_and_docstrings_stay_within_the_limits_of_the_vocabulary():
    count = vocabulary.total(python_files(*vocabulary.FOLDERS))
    assert count.names > 10_000 and count.docstrings > 2_000
    assert count.participle_share <= vocabulary.NAMES_LIMIT, count.participles[:20]
    assert count.idiom_share <= vocabulary.DOCSTRINGS_LIMIT, count.idioms[:20]


def test_the_vocabulary_guard_sees_participles_and_idioms(tmp_path):
    module = tmp_path / "module.py"
    module.write_text(
        '"""Whether what was asked is dear."""\n\nfound = _kept = seed = 1\n\n\n'
        'def shared() -> None:\n    """Return the law of x."""\n    return_value = 2\n'
    )
    count = vocabulary.count(module)
    assert [place.rsplit(": ", 1)[1] for place in count.participles] == ["found", "_kept"]
    assert (count.names, count.docstrings, len(count.idioms)) == (4, 2, 2)


# ---- the browser guard


@pytest.mark.parametrize(
    "url, out",
    [
        ("http://localhost:5006/", False),
        ("ws://127.0.0.1:1/ws", False),
        ("data:,", False),
        ("blob:http://localhost/1", False),
        ("https://example.org/a.js", True),
        ("http://localhost.example.org/", True),
    ],
)
def test_a_request_that_leaves_this_machine_is_seen(url, out):
    assert browser.leaves(url) is out
