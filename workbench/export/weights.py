"""Format ``weights``: a zip of tensors, manifest and test vectors; no code, and loads without its problem.

manifest.json             what to build, in which version it was written, checksums    (manifest.py)
model.safetensors         weights and standardisation
vectors.safetensors       test vectors, asked again when the file is loaded            (vectors.py)
observations.safetensors  what the training saw of observations, so that an unlike one is warned of; where it
                          is known. Of a problem made of the user's rows only mean, spread, and a rounded
                          reach: no row leaves the house.                   (inference/out_of_distribution.py)
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from workbench.architectures import ARCHITECTURES
from workbench.core.errors import DataError, ExportError, RefusedError, WorkbenchError
from workbench.core.model import Model
from workbench.core.shapes import Shapes
from workbench.export import manifest, vectors
from workbench.export.archive import LARGEST_FILE, read_archive, write_archive
from workbench.export.budget import Budget
from workbench.export.formats import ExportFormat, fitted_of
from workbench.inference.out_of_distribution import Typicality
from workbench.inference.standardisation import Standardisation
from workbench.training import FittedModel

MANIFEST, MODEL, VECTORS = "manifest.json", "model.safetensors", "vectors.safetensors"
OBSERVATIONS = "observations.safetensors"
_LIMITS = {MANIFEST: 2 * 1024**2, MODEL: LARGEST_FILE, VECTORS: 32 * 1024**2, OBSERVATIONS: 8 * 1024**2}
_HEADER = 8 * 1024**2


class Weights(ExportFormat):
    key = "weights"
    title = "Weights and manifest"
    summary = "Everything that is needed to use the model again with this workbench; holds no code."
    suffix = ".zip"

    def write(self, fitted: FittedModel, path: Path, function: str = "inverse") -> dict[str, Any]:
        tensors = {f"model.{k}": v for k, v in fitted.model.state_dict().items()} | {
            f"standardisation.{k}": v for k, v in fitted.standardisation.state_dict().items()
        }
        broken = [k for k, v in tensors.items() if v.is_floating_point() and not v.isfinite().all()]
        if broken:
            raise ExportError(
                "This model cannot be exported",
                expected="finite weights",
                found=", ".join(broken[:5]),
                suggestion="go back to an earlier checkpoint",
            )
        # a view or two names of one tensor would be refused by the format; copies are small
        kept = {k: v.detach().cpu().clone().contiguous() for k, v in tensors.items()}
        members = {
            MODEL: safetensors.torch.save(kept),
            VECTORS: safetensors.torch.save(vectors.make(vectors.exact_copy(fitted))),
        }
        if fitted.typicality is not None:
            private = hasattr(type(fitted.known_problem), "rows")
            members[OBSERVATIONS] = safetensors.torch.save(fitted.typicality.state(rows=not private))
        write_archive(path, {MANIFEST: manifest.describe(fitted, members), **members})
        _, report = _open(path)
        return report


def save(run_or_fitted, path: str | Path) -> Path:
    """Write a run's or a fitted model's weights to ``path``; loading it is tried before it is called done."""
    path = Path(path)
    Weights().write(fitted_of(run_or_fitted), path)
    return path


def load(path: str | Path) -> FittedModel:
    """The model in a file that `save` wrote, on the CPU. Nothing in the file is executed.

    Raises `RefusedError` for a file that is damaged, changed, too new, or that this workbench cannot build.
    """
    return _open(Path(path))[0]


def check(path: str | Path) -> dict[str, Any]:
    """What a file is, and whether `load` would take it: ``ok``, ``error`` (a sentence or ""), and more."""
    path = Path(path)
    report = {
        "file": path.name,
        "format": Weights.key,
        "bytes": path.stat().st_size if path.is_file() else None,
    }
    try:
        return report | {"ok": True, "error": ""} | _open(path)[1]
    except RefusedError as error:
        return report | {"ok": False, "error": str(error)}


def _open(path: Path) -> tuple[FittedModel, dict[str, Any]]:
    members = read_archive(path, _LIMITS, optional=frozenset({OBSERVATIONS}))
    told = manifest.read(path.name, members.pop(MANIFEST))
    manifest.check_members(path.name, told, members)
    tensors = _tensors(path.name, MODEL, members[MODEL])
    fitted = _build(path.name, told, tensors)
    fitted.typicality = _seen(path.name, members, len(told.y))
    exact = vectors.exact_copy(fitted)
    stored = _tensors(path.name, VECTORS, members[VECTORS])
    rows = len(stored["input.z"]) if "input.z" in stored and stored["input.z"].ndim else 0
    if not rows:
        raise RefusedError(f"The file '{path.name}' is refused: it has no test vectors")
    _compare_layout(
        path.name, VECTORS, stored, {k: (s, torch.float64) for k, s in vectors.shapes(exact, rows).items()}
    )
    worst = vectors.compare(path.name, exact, stored)
    table = told.table
    return fitted, {
        "format_version": table["format_version"],
        "versions": table["versions"],
        "architecture": told.architecture,
        "shapes": table["shapes"],
        "x": [v.name for v in told.x],
        "y": [v.name for v in told.y],
        "dtype": told.dtype,
        "capabilities": table["capabilities"],
        "problem": table["experiment"].get("problem", {}).get("key"),
        "seed": table["seed"],
        "iteration": table["iteration"],
        "parameters": fitted.model.parameter_count(),
        "test_vectors": rows,
        "knows_observations": fitted.typicality is not None,
        "deviation": worst,
    }


def _tensors(name: str, member: str, data: bytes) -> dict[str, Tensor]:
    asked = f"The file '{name}' is refused: '{member}' cannot be read"
    try:
        length = struct.unpack("<Q", data[:8])[0]
        if length > min(_HEADER, len(data)):
            raise RefusedError(
                asked, expected=f"a header of at most {_HEADER} bytes", found=f"{length} bytes"
            )
        json.loads(data[8 : 8 + length])
        found = safetensors.torch.load(data)
    except (SafetensorError, struct.error, ValueError, KeyError, RecursionError) as error:
        if isinstance(error, RefusedError):
            raise
        raise RefusedError(
            asked, expected="tensors in the safetensors format", found=str(error)[:200]
        ) from error
    broken = [k for k, v in found.items() if v.is_floating_point() and not v.isfinite().all()]
    if broken:
        raise RefusedError(
            f"The file '{name}' is refused: it holds values that are not finite", found=", ".join(broken[:5])
        )
    return found


def _seen(name: str, members: dict[str, bytes], components: int) -> Typicality | None:
    """What the training saw of observations; None where the file does not say."""
    if OBSERVATIONS not in members:
        return None
    try:
        return Typicality.from_state(_tensors(name, OBSERVATIONS, members[OBSERVATIONS]), components)
    except DataError as error:
        raise RefusedError(f"The file '{name}' is refused: '{OBSERVATIONS}' is damaged") from error


def _build(name: str, told: manifest.Manifest, tensors: dict[str, Tensor]) -> FittedModel:
    asked = f"The file '{name}' is refused"
    dtype = getattr(torch, told.dtype)
    shapes = Shapes(told.features, told.context)
    architecture = ARCHITECTURES.make(told.architecture, **told.settings)
    try:
        # a few words in a manifest must not make a network that is far larger than the weights in the file
        with Budget(sum(t.numel() for t in tensors.values())), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model: Model = architecture.build(shapes).to(dtype).eval()
    except WorkbenchError as error:
        raise RefusedError(f"{asked}: its model cannot be built", found=str(error)[:600]) from error
    standardisation = Standardisation(shapes).to(dtype)
    expected = {f"model.{k}": (tuple(v.shape), v.dtype) for k, v in model.state_dict().items()} | {
        f"standardisation.{k}": (tuple(v.shape), v.dtype) for k, v in standardisation.state_dict().items()
    }
    _compare_layout(name, MODEL, tensors, expected)
    if model.latent_features != told.latent:
        raise RefusedError(
            f"{asked}: its latent has the wrong size",
            expected=str(model.latent_features),
            found=str(told.latent),
        )
    for part, module in (("model.", model), ("standardisation.", standardisation)):
        module.load_state_dict({k.removeprefix(part): v for k, v in tensors.items() if k.startswith(part)})
    if not all((tensors[f"standardisation.scale_{c}"] > 0).all() for c in "xy"):
        raise RefusedError(f"{asked}: its units are damaged", expected="positive scales", found="others")
    known = {"experiment": told.table["experiment"], "iteration": told.table["iteration"]}
    return FittedModel(model, standardisation, told.x, told.y, known)


def _compare_layout(name: str, member: str, found: dict[str, Tensor], expected: dict[str, tuple]) -> None:
    asked = f"The file '{name}' is refused: '{member}' does not hold the tensors of its model"
    missing, extra = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    if missing or extra:
        raise RefusedError(
            asked,
            expected=f"{len(expected)} tensors",
            found=f"missing {', '.join(missing[:3]) or 'none'}; "
            f"unknown {', '.join(extra[:3])[:200] or 'none'}",
        )
    for key, (shape, dtype) in expected.items():
        tensor = found[key]
        if tuple(tensor.shape) != tuple(shape) or tensor.dtype != dtype:
            raise RefusedError(
                asked,
                expected=f"'{key}' of shape {tuple(shape)} and type {dtype}",
                found=f"shape {tuple(tensor.shape)} and type {tensor.dtype}",
            )
