"""The manifest of an exported model: the description from which it is rebuilt, and checksums against
changes."""

from __future__ import annotations

import hashlib
import json
import platform
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import workbench
from workbench.architectures import ARCHITECTURES
from workbench.core import plugins
from workbench.core.capability import Capability
from workbench.core.errors import ExportError, RefusedError, WorkbenchError
from workbench.core.grids import is_stored_coordinate
from workbench.core.variable import Variable
from workbench.problems import PROBLEMS

if TYPE_CHECKING:
    from workbench.inference import FittedModel
    from workbench.problems import Problem

#: Files of version 2 may hold statistics of the training's observations; those of version 1 do not. From
#: version 3 on, shift and scale of the columns are in double precision, and ``maps`` describes what comes
#: before them (`Standardisation.describe`).
KIND, FORMAT_VERSION = "vina-workbench model", 3
MAPS_SINCE = 3
DTYPES = ("float32", "float64")
MOST_VARIABLES = 4096
#: Fields of a variable that are numbers.
_NUMBERS = ("low", "high", "categories", "levels", "period")

_SHA256 = re.compile(r"[0-9a-f]{64}")
_KEYS: dict[str, type | tuple[type, ...]] = {
    "kind": str,
    "format_version": int,
    "versions": dict,
    "architecture": dict,
    "shapes": dict,
    "x": list,
    "y": list,
    "dtype": str,
    "capabilities": list,
    "seed": int,
    "iteration": int,
    "experiment": dict,
    "members": dict,
    "digest": str,
    "maps": dict,
}


@dataclass(frozen=True)
class Manifest:
    """The content of a manifest after all checks; ``table`` is the parsed JSON with all keys, of which the
    other fields are a part."""

    architecture: str
    settings: dict[str, Any]
    features: int
    context: int
    latent: int
    x: tuple[Variable, ...]
    y: tuple[Variable, ...]
    dtype: str
    members: dict[str, dict[str, Any]]
    table: dict[str, Any]


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def digest(table: dict[str, Any]) -> str:
    """SHA-256 checksum over everything in a manifest but the checksum itself."""
    rest = {key: value for key, value in table.items() if key != "digest"}
    return sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode())


# ---- writing
def describe(fitted: FittedModel, members: dict[str, bytes]) -> bytes:
    """Return the manifest of a model as JSON, with checksums of the other files of its archive (name ->
    content). Raises `ExportError` where the model does not know its experiment, or JSON cannot hold the
    description."""
    experiment = public_experiment(fitted.manifest.get("experiment"))
    model = fitted.model
    table = {
        "kind": KIND,
        "format_version": FORMAT_VERSION,
        "versions": installed_versions(),
        "architecture": experiment["architecture"],
        "shapes": {"x": model.features, "y": len(fitted.y), "latent": model.latent_features},
        "x": [v.to_dict() for v in fitted.x],
        "y": [v.to_dict() for v in fitted.y],
        "dtype": str(model.dtype).removeprefix("torch."),
        "capabilities": sorted(model.capabilities),
        "seed": experiment["seed"],
        "iteration": int(fitted.manifest.get("iteration", 0)),
        "experiment": experiment,
        "members": {name: {"bytes": len(data), "sha256": sha256(data)} for name, data in members.items()},
        "maps": fitted.standardisation.describe(),
    }
    try:
        return json.dumps(table | {"digest": digest(table)}, indent=2, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise ExportError("The model's description cannot be written as JSON", found=str(error)) from error


def describe_program(fitted: FittedModel, inputs: list[str], output: str) -> dict[str, Any]:
    """Return the description of an exported program: its arguments and its result, with variable and unit
    of each column."""
    columns = {"x": fitted.x, "y": fitted.y}

    def about(name: str) -> dict[str, Any]:
        if name in columns:
            return {"name": name, "columns": [v.to_dict() for v in columns[name]]}
        if name == "log_prob":
            return {"name": name, "unit": "nat"}
        return {"name": name, "columns": fitted.model.latent_features, "distribution": "standard normal"}

    experiment = public_experiment(fitted.manifest.get("experiment"))
    return {
        "kind": "vina-workbench program",
        "versions": installed_versions(),
        "inputs": [about(name) for name in inputs],
        "output": about(output),
        "dtype": "float64",
        "network_dtype": str(fitted.model.dtype).removeprefix("torch."),
        "experiment": experiment,
        "iteration": int(fitted.manifest.get("iteration", 0)),
    }


def public_experiment(table: dict | None) -> dict[str, Any]:
    """Return an experiment's table, without the settings of a private problem, such as data and paths.
    Raises `ExportError` where there is no experiment."""
    if not isinstance(table, dict) or "architecture" not in table:
        raise ExportError(
            "This model cannot be exported",
            expected="a model that knows its experiment",
            found="one without",
            suggestion="export the run, or a model that was loaded from a file",
        )
    problem = dict(table["problem"])
    if problem.get("key") not in PROBLEMS or is_private(PROBLEMS[problem["key"]]):
        problem["settings"] = {}
    return table | {"problem": problem}


def is_private(problem: type[Problem]) -> bool:
    """True for a problem made of the user's own files or functions: an export holds its name, not its
    settings."""
    return bool(
        getattr(problem, "reads_files", False)
        or problem.unavailable()
        or not getattr(problem, "travels", True)
    )


def installed_versions() -> dict[str, str]:
    """Versions of the workbench, Python, torch, zuko and safetensors."""
    versions = {"workbench": workbench.__version__, "python": platform.python_version()}
    for name in ("torch", "zuko", "safetensors"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "unknown"
    return versions


# ---- reading
def read(name: str, data: bytes) -> Manifest:
    """Parse a manifest and check its kind, version, checksum and content, in this order. Raises
    `RefusedError` at the first flaw, with the file's ``name``."""
    refusal = f"The file '{name}' is refused"
    table = _parse(refusal, data)
    if table.get("kind") != KIND:
        raise RefusedError(
            refusal, expected=f"a manifest of kind '{KIND}'", found=repr(table.get("kind"))[:80]
        )
    file_version = table.get("format_version")
    if not isinstance(file_version, int) or isinstance(file_version, bool) or file_version < 1:
        raise RefusedError(refusal, expected="a format version", found=repr(file_version)[:80])
    if file_version > FORMAT_VERSION:
        raise RefusedError(
            f"{refusal}: it was written by a newer workbench",
            expected=f"format version {FORMAT_VERSION} or older",
            found=f"version {file_version}",
            suggestion="update the workbench",
        )
    _check_keys(refusal, table)
    if table["digest"] != digest(table):
        raise RefusedError(
            f"{refusal}: its manifest was changed after it was written",
            expected=f"the checksum {table['digest'][:12]}…",
            found=f"{digest(table)[:12]}…",
            suggestion="get the file again from where it came",
        )
    return _manifest(refusal, table)


def _parse(refusal: str, data: bytes) -> dict[str, Any]:
    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not a number here")

    try:
        table = json.loads(data.decode("utf-8"), parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise RefusedError(
            f"{refusal}: its manifest cannot be read", expected="JSON", found=str(error)[:200]
        ) from error
    if not isinstance(table, dict):
        raise RefusedError(
            f"{refusal}: its manifest cannot be read", expected="a table", found=type(table).__name__
        )
    return table


def _check_keys(refusal: str, table: dict[str, Any]) -> None:
    keys = {
        key: kind for key, kind in _KEYS.items() if key != "maps" or table["format_version"] >= MAPS_SINCE
    }
    missing, extra = sorted(set(keys) - set(table)), sorted(set(table) - set(keys))
    if missing or extra:
        raise RefusedError(
            f"{refusal}: its manifest is not complete",
            expected=", ".join(keys),
            found=f"missing {', '.join(missing) or 'none'}; unknown {', '.join(extra)[:200] or 'none'}",
        )
    wrong = [
        key for key, kind in keys.items() if not isinstance(table[key], kind) or isinstance(table[key], bool)
    ]
    wrong += [key for key in ("seed", "iteration") if key not in wrong and table[key] < 0]
    if wrong:
        raise RefusedError(f"{refusal}: its manifest holds a value of the wrong kind", found=", ".join(wrong))


def _check_experiment(refusal: str, table: dict[str, Any]) -> None:
    """Raise `RefusedError` where the experiment lacks a part, or names another architecture than the
    manifest.

    Only the structure is checked: the problem is not needed, and may not exist in this version.
    """
    experiment = table["experiment"]
    parts = [experiment.get(part) for part in ("problem", "architecture", "objective")]
    fits = all(isinstance(part, dict) and isinstance(part.get("key"), str) for part in parts)
    if not fits or experiment["architecture"] != table["architecture"]:
        raise RefusedError(
            f"{refusal}: its experiment is damaged", expected="problem, architecture and objective"
        )


def _manifest(refusal: str, table: dict[str, Any]) -> Manifest:
    """Check the content of a table whose keys and digest are right, and return it as a `Manifest`. Raises
    `RefusedError`."""
    _check_experiment(refusal, table)
    architecture, shapes = table["architecture"], table["shapes"]
    key, settings = architecture.get("key"), architecture.get("settings")
    if not isinstance(key, str) or not isinstance(settings, dict):
        raise RefusedError(f"{refusal}: it names no architecture", found=repr(architecture)[:120])
    sizes = [shapes.get(part) for part in ("x", "y", "latent")]
    if (
        any(isinstance(n, bool) or not isinstance(n, int) or not 0 <= n <= MOST_VARIABLES for n in sizes)
        or sizes[:2] != [len(table["x"]), len(table["y"])]
        or not table["x"]
    ):
        raise RefusedError(
            f"{refusal}: its shapes do not fit its variables",
            expected=f"at most {MOST_VARIABLES} of each",
            found=f"shapes {shapes}, {len(table['x'])} variables x and {len(table['y'])} y"[:200],
        )
    try:
        ARCHITECTURES.make(key, **settings)
        x, y = (tuple(map(_variable, table[part])) for part in "xy")
    except (WorkbenchError, TypeError) as error:
        remedy = plugins.advice(table["experiment"].get("plugins"))
        raise RefusedError(
            f"{refusal}: it cannot be built here", found=str(error)[:600], suggestion=remedy
        ) from error
    if table["dtype"] not in DTYPES:
        raise RefusedError(
            f"{refusal}: its numbers are of an unknown type",
            expected=" or ".join(DTYPES),
            found=table["dtype"][:40],
        )
    _check_names(refusal, x, y)
    _check_lists(refusal, table)
    return Manifest(
        key, settings, sizes[0], sizes[1], sizes[2], x, y, table["dtype"], table["members"], table
    )


def _check_names(refusal: str, x: tuple[Variable, ...], y: tuple[Variable, ...]) -> None:
    """Raise `RefusedError` where two variables have one name: results by name would be those of either."""
    counts = Counter(v.name for v in (*x, *y))
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise RefusedError(
            f"{refusal}: its variables cannot be told apart",
            expected="a name of its own for every x and y",
            found="twice: " + ", ".join(repr(name[:40]) for name in twice[:5]),
        )


def _check_lists(refusal: str, table: dict[str, Any]) -> None:
    """Raise `RefusedError` unless checksums, sizes, capabilities and versions have the form in which
    `describe` writes them."""
    for name, member in table["members"].items():
        complete = isinstance(member, dict) and set(member) == {"bytes", "sha256"}
        if not complete or not isinstance(member["sha256"], str) or not _SHA256.fullmatch(member["sha256"]):
            raise RefusedError(f"{refusal}: it has no checksum for '{name[:80]}'")
        if not isinstance(member["bytes"], int) or isinstance(member["bytes"], bool):
            raise RefusedError(f"{refusal}: it has no size for '{name[:80]}'")
    capabilities = table["capabilities"]
    identifiers = {str(capability) for capability in Capability}
    others = [name for name in capabilities if not isinstance(name, str) or name not in identifiers]
    if others:
        raise RefusedError(
            f"{refusal}: it claims what no model can do",
            expected="capabilities such as " + ", ".join(sorted(identifiers)[:4]),
            found=", ".join(repr(name)[:40] for name in others)[:200],
        )
    if not all(isinstance(text, str) for text in table["versions"].values()):
        raise RefusedError(f"{refusal}: its versions are damaged", expected="texts", found="others")


def check_capabilities(name: str, manifest: Manifest, capabilities: Iterable[str]) -> None:
    """Raise `RefusedError` where the manifest claims other ``capabilities`` than the model that it describes
    has.

    A file of another version may lack those that its architecture got since.
    """
    actual, claims = sorted(map(str, capabilities)), manifest.table["capabilities"]
    false, absent = sorted(set(claims) - set(actual)), sorted(set(actual) - set(claims))
    versions = manifest.table["format_version"], manifest.table["versions"].get("workbench")
    same_version = versions == (FORMAT_VERSION, workbench.__version__)
    if not false and len(claims) == len(set(claims)) and not (absent and same_version):
        return
    raise RefusedError(
        f"The file '{name}' is refused: its list of capabilities is not that of its model",
        expected=", ".join(actual),
        found=f"claimed and not there: {', '.join(false) or 'none'}; there and not claimed: "
        f"{', '.join(absent) or 'none'}; {len(claims)} in all",
        suggestion="get the file again from where it came",
    )


def _variable(values: Any) -> Variable:
    """Build a variable from its table, with strings and numeric bounds. Raises `TypeError` or `SpecError`
    for others."""
    if not isinstance(values, dict):
        raise TypeError(f"a variable is a table, not {values!r}"[:200])
    labels = values.get("labels", [])
    if not isinstance(labels, list) or not all(isinstance(t, str) and len(t) <= 2000 for t in labels):
        raise TypeError(f"'labels' of a variable cannot be {labels!r}"[:200])
    places = values.get("coordinates", [])
    if not isinstance(places, list) or not all(map(is_stored_coordinate, places)):
        raise TypeError(f"'coordinates' of a variable cannot be {places!r}"[:200])
    for key, value in values.items():
        if key in ("labels", "coordinates"):
            continue
        kind = (int, float) if key in _NUMBERS else str
        if not isinstance(value, kind) or isinstance(value, bool) or len(str(value)) > 2000:
            raise TypeError(f"'{key}' of a variable cannot be {value!r}"[:200])
    return Variable.from_dict(values)


def check_members(name: str, manifest: Manifest, members: dict[str, bytes]) -> None:
    """Compare the archive's other files (name -> content) with the manifest's checksums. Raises
    `RefusedError` where they differ."""
    refusal = f"The file '{name}' is refused"
    if set(manifest.members) != set(members):
        raise RefusedError(
            refusal, expected=f"checksums of {', '.join(members)}", found=", ".join(manifest.members)[:200]
        )
    for member, data in members.items():
        if len(data) != manifest.members[member]["bytes"]:
            raise RefusedError(
                f"{refusal}: '{member}' was damaged or changed after it was written",
                expected=f"{manifest.members[member]['bytes']} bytes",
                found=f"{len(data)} bytes",
                suggestion="get the file again from where it came",
            )
        if sha256(data) != manifest.members[member]["sha256"]:
            raise RefusedError(
                f"{refusal}: '{member}' was damaged or changed after it was written",
                expected=f"the checksum {manifest.members[member]['sha256'][:12]}…",
                found=f"{sha256(data)[:12]}…",
                suggestion="get the file again from where it came",
            )
