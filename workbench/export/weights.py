"""Format ``weights``: a zip of tensors, manifest and test vectors; no code, and loads without its problem.

manifest.json             architecture to build, versions that wrote it, checksums     (manifest.py)
model.safetensors         weights and standardisation
vectors.safetensors       test vectors, computed again when the file is loaded         (vectors.py)
observations.safetensors  statistics of the training's observations, where they are known, for warnings about
                          an observation unlike them. Of a problem made of the user's rows only mean, spread
                          and a rounded range: no row is exported.      (inference/out_of_distribution.py)
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.architectures import ARCHITECTURES
from workbench.core.entries import public
from workbench.core.errors import DataError, ExportError, RefusedError, WorkbenchError
from workbench.core.global_numbers import global_numbers
from workbench.core.lazy import torch
from workbench.core.shapes import Shapes
from workbench.export import manifest, vectors
from workbench.export.archive import LARGEST_FILE, read_archive, write_archive
from workbench.export.formats import ExportFormat, fitted_of

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.core.model import Model
    from workbench.inference import FittedModel
    from workbench.inference.out_of_distribution import Typicality
    from workbench.training import Run

MANIFEST, MODEL, VECTORS = "manifest.json", "model.safetensors", "vectors.safetensors"
OBSERVATIONS = "observations.safetensors"
_LIMITS = {MANIFEST: 2 * 1024**2, MODEL: LARGEST_FILE, VECTORS: 32 * 1024**2, OBSERVATIONS: 8 * 1024**2}
_HEADER = 8 * 1024**2


class Weights(ExportFormat):
    key = "weights"
    title = "Weights and manifest"
    summary = "Weights, description and test vectors, to use the model again with this workbench; no code."
    suffix = ".zip"

    def write(self, fitted: FittedModel, path: Path, function: str = "inverse") -> dict[str, Any]:
        import safetensors.torch

        tensors = {f"model.{k}": v for k, v in fitted.model.state_dict().items()} | {
            f"standardisation.{k}": v for k, v in fitted.standardisation.state_dict().items()
        }
        non_finite = [k for k, v in tensors.items() if v.is_floating_point() and not v.isfinite().all()]
        if non_finite:
            raise ExportError(
                "This model cannot be exported",
                expected="finite weights",
                found=", ".join(non_finite[:5]),
                suggestion="go back to an earlier checkpoint",
            )
        # the format refuses views and two names of one tensor; copies are small
        copies = {k: v.detach().cpu().clone().contiguous() for k, v in tensors.items()}
        members = {
            MODEL: safetensors.torch.save(copies),
            VECTORS: safetensors.torch.save(vectors.make(vectors.exact_copy(fitted))),
        }
        if fitted.typicality is not None:
            private = hasattr(type(fitted.known_problem), "rows")
            members[OBSERVATIONS] = safetensors.torch.save(fitted.typicality.state(rows=not private))
        write_archive(path, {MANIFEST: manifest.describe(fitted, members), **members})
        _, report = _open(path)
        return report


@public
def save(run_or_fitted: Run | FittedModel, path: str | Path) -> Path:
    """Write a run or a fitted model as weights with a manifest to ``path`` (.zip), and load the file once
    to check it."""
    path = Path(path)
    Weights().write(fitted_of(run_or_fitted), path)
    return path


@public
def load(path: str | Path, *, device: str = "cpu") -> FittedModel:
    """Load the model of a file that `save` wrote. Nothing in the file is executed.

    ``device`` is "cpu", "auto", "cuda", "cuda:N" or "mps"; the file is checked on the CPU.

    Raises `RefusedError` for a file that is damaged, changed, too new, or that this workbench cannot build.
    """
    model = _open(Path(path))[0]
    return model if device == "cpu" else model.to(device)


@public
def check(path: str | Path) -> dict[str, Any]:
    """Describe a file: ``ok`` (True where `load` would accept it), ``error`` (a sentence or ""), and its
    content."""
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
    description = manifest.read(path.name, members.pop(MANIFEST))
    manifest.check_members(path.name, description, members)
    tensors = _tensors(path.name, MODEL, members[MODEL])
    model = _build(path.name, description, tensors)
    manifest.check_capabilities(path.name, description, model.model.capabilities)
    model.typicality = _typicality(path.name, members, model.model.context)
    exact = vectors.exact_copy(model)
    reference = _tensors(path.name, VECTORS, members[VECTORS])
    rows = vectors.check_rows(path.name, reference)
    _compare_layout(
        path.name, VECTORS, reference, {k: (s, torch.float64) for k, s in vectors.shapes(exact, rows).items()}
    )
    worst = vectors.compare(path.name, exact, reference)
    table = description.table
    return model, {
        "format_version": table["format_version"],
        "versions": table["versions"],
        "architecture": description.architecture,
        "shapes": table["shapes"],
        "x": [v.name for v in description.x],
        "y": [v.name for v in description.y],
        "dtype": description.dtype,
        "capabilities": table["capabilities"],
        "problem": table["experiment"].get("problem", {}).get("key"),
        "seed": table["seed"],
        "iteration": table["iteration"],
        "parameters": model.model.parameter_count(),
        "test_vectors": rows,
        "knows_observations": model.typicality is not None,
        "deviation": worst,
    }


def _tensors(name: str, member: str, data: bytes) -> dict[str, Tensor]:
    """Read tensors in the safetensors format from ``data``, the file ``member`` of an archive. Raises
    `RefusedError` where they are damaged or not finite."""
    import safetensors.torch
    from safetensors import SafetensorError

    refusal = f"The file '{name}' is refused: '{member}' cannot be read"
    try:
        length = struct.unpack("<Q", data[:8])[0]
        if length > min(_HEADER, len(data)):
            raise RefusedError(
                refusal, expected=f"a header of at most {_HEADER} bytes", found=f"{length} bytes"
            )
        json.loads(data[8 : 8 + length])
        tensors = safetensors.torch.load(data)
    except (SafetensorError, struct.error, ValueError, KeyError, RecursionError) as error:
        if isinstance(error, RefusedError):
            raise
        raise RefusedError(
            refusal, expected="tensors in the safetensors format", found=str(error)[:200]
        ) from error
    non_finite = [k for k, v in tensors.items() if v.is_floating_point() and not v.isfinite().all()]
    if non_finite:
        raise RefusedError(
            f"The file '{name}' is refused: it holds values that are not finite",
            found=", ".join(non_finite[:5]),
        )
    return tensors


def _typicality(name: str, members: dict[str, bytes], components: int) -> Typicality | None:
    """Read the statistics of the training's observations from an archive's files (``members``); None where
    the archive has none. Raises `RefusedError` where they are damaged."""
    from workbench.inference.out_of_distribution import Typicality

    if OBSERVATIONS not in members:
        return None
    try:
        return Typicality.from_state(_tensors(name, OBSERVATIONS, members[OBSERVATIONS]), components)
    except DataError as error:
        raise RefusedError(f"The file '{name}' is refused: '{OBSERVATIONS}' is damaged") from error


def _build(name: str, description: manifest.Manifest, tensors: dict[str, Tensor]) -> FittedModel:
    """Build the model that a manifest describes and load its tensors. Raises `RefusedError` where they do
    not fit."""
    from workbench.export.budget import Budget
    from workbench.inference import FittedModel
    from workbench.inference.standardisation import Standardisation

    refusal = f"The file '{name}' is refused"
    dtype = getattr(torch, description.dtype)
    shapes = Shapes(description.features, description.context)
    try:
        standardisation = Standardisation.from_description(description.table.get("maps", {}), shapes)
    except (ValueError, TypeError) as error:
        raise RefusedError(f"{refusal}: its units are damaged", found=str(error)[:200]) from error
    architecture = ARCHITECTURES.make(description.architecture, **description.settings)
    try:
        # a short manifest must not describe a network far larger than the weights in the file
        with Budget(sum(t.numel() for t in tensors.values())), global_numbers(0):
            model = architecture.build(standardisation.network_shapes).to(dtype).eval()
    except WorkbenchError as error:
        raise RefusedError(f"{refusal}: its model cannot be built", found=str(error)[:600]) from error
    # shift and scale were in the network's precision before the maps
    units = torch.float64 if "maps" in description.table else dtype
    layout = {f"model.{k}": (tuple(v.shape), v.dtype) for k, v in model.state_dict().items()} | {
        f"standardisation.{k}": (tuple(v.shape), units) for k, v in standardisation.state_dict().items()
    }
    _compare_layout(name, MODEL, tensors, _without_later(model, layout, tensors))
    if model.latent_features != description.latent:
        raise RefusedError(
            f"{refusal}: its latent has the wrong size",
            expected=str(model.latent_features),
            found=str(description.latent),
        )
    try:
        for part, module in (("model.", model), ("standardisation.", standardisation)):
            module.load_state_dict(
                {k.removeprefix(part): v for k, v in tensors.items() if k.startswith(part)}
            )
    except RuntimeError as error:
        raise RefusedError(f"{refusal}: its weights are incomplete", found=str(error)[:300]) from error
    if not all((tensors[f"standardisation.scale_{c}"] > 0).all() for c in "xy"):
        raise RefusedError(f"{refusal}: its units are damaged", expected="positive scales", found="others")
    facts = {"experiment": description.table["experiment"], "iteration": description.table["iteration"]}
    return FittedModel(model, standardisation, description.x, description.y, facts)


def _without_later(model: Model, layout: dict[str, tuple], tensors: dict[str, Tensor]) -> dict[str, tuple]:
    """Return ``layout`` without the tensors that a file lacks and that its model fills in when it is loaded.

    Files of earlier versions lack them: the module, or one around it, has a ``_load_from_state_dict``.
    """
    plain = torch.nn.Module._load_from_state_dict

    def fills_in(key: str) -> bool:
        parts = key.removeprefix("model.").split(".")[:-1]
        owners = (model.get_submodule(".".join(parts[:depth])) for depth in range(len(parts) + 1))
        return any(type(owner)._load_from_state_dict is not plain for owner in owners)

    return {k: v for k, v in layout.items() if k in tensors or not k.startswith("model.") or not fills_in(k)}


def _compare_layout(name: str, member: str, tensors: dict[str, Tensor], layout: dict[str, tuple]) -> None:
    """Raise `RefusedError` where the tensors differ from ``layout`` (name -> shape and dtype) in names,
    shapes or dtypes."""
    refusal = f"The file '{name}' is refused: '{member}' does not hold the tensors of its model"
    missing, extra = sorted(set(layout) - set(tensors)), sorted(set(tensors) - set(layout))
    if missing or extra:
        raise RefusedError(
            refusal,
            expected=f"{len(layout)} tensors",
            found=f"missing {', '.join(missing[:3]) or 'none'}; "
            f"unknown {', '.join(extra[:3])[:200] or 'none'}",
        )
    for key, (shape, dtype) in layout.items():
        tensor = tensors[key]
        if tuple(tensor.shape) != tuple(shape) or tensor.dtype != dtype:
            raise RefusedError(
                refusal,
                expected=f"'{key}' of shape {tuple(shape)} and type {dtype}",
                found=f"shape {tuple(tensor.shape)} and type {tensor.dtype}",
            )
