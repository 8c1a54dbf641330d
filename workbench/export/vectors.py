"""Test vectors: outputs of a model when it was saved, which are computed again and compared on loading.

They are computed in float64 whatever the model's own dtype, so that another machine's rounding (1e-13) stays
far below the tolerance (1e-6 of each quantity's scale), and a changed weight far above it.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from workbench.core.capability import Capability
from workbench.core.errors import ExportError, RefusedError
from workbench.core.lazy import torch
from workbench.inference.column_values import at_categories

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.inference import FittedModel

ROWS, FEWEST_ROWS = 24, 4
_RELATIVE, _RESOLUTION = 1e-6, 1e-12


def exact_copy(fitted: FittedModel) -> FittedModel:
    """Copy a model in float64 on the CPU."""
    from workbench.inference import FittedModel

    model = copy.deepcopy(fitted.model).to("cpu", torch.float64).eval()
    return FittedModel(model, fitted.standardisation, fitted.x, fitted.y, fitted.manifest)


def answers(exact: FittedModel, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Compute all functions of the model at the inputs x (n, D), y (n, M) and z (n, K): name -> output.

    Sampling is covered too, since posterior draws are ``inverse`` at standard normal z.
    """
    with torch.no_grad():
        outputs = _outputs(exact, inputs)
    return {name: value.contiguous() for name, value in outputs.items() if value is not None}


def _outputs(exact: FittedModel, inputs: dict[str, Tensor]) -> dict[str, Tensor | None]:
    y = inputs["y"] if exact.y else None
    outputs = dict(zip(("inverse", "inverse_log_det"), exact.inverse(inputs["z"], y), strict=True))
    if Capability.LATENT in exact.capabilities:
        outputs |= dict(zip(("latent", "latent_log_det"), exact.latent(inputs["x"], y), strict=True))
    if Capability.DENSITY in exact.capabilities:
        outputs["log_prob"] = exact.log_prob(inputs["x"], y)
    if Capability.EVIDENCE in exact.capabilities:  # an encoder takes no part in draws
        outputs["evidence"] = exact.evidence_lower_bound(inputs["x"], y, inputs["z"])
    if Capability.FORWARD in exact.capabilities:
        outputs["predict"] = exact.predict(inputs["x"])
    return outputs


def make(exact: FittedModel) -> dict[str, Tensor]:
    """Make test vectors: inputs as ``input.NAME`` and outputs as ``output.NAME``. Raises `ExportError`
    where fewer than four rows are finite."""
    generator, s = torch.Generator().manual_seed(0), exact.standardisation

    def normal(columns: int) -> Tensor:
        return torch.randn(ROWS, columns, generator=generator, dtype=torch.float64)

    z, y = normal(exact.model.latent_features), s.y_out(normal(s.network_shapes.y))
    # a third lies further out than the data, so that a change there is detected as well
    x = s.x_out(
        torch.cat([normal(len(exact.x))[: ROWS - ROWS // 3], 2.5 * normal(len(exact.x))[: ROWS // 3]])
    )
    x = at_categories(x, exact.x)
    inputs = {"x": x, "y": y, "z": z}
    outputs = answers(exact, inputs)
    good = torch.stack([value.reshape(ROWS, -1).isfinite().all(1) for value in outputs.values()]).all(0)
    if int(good.sum()) < FEWEST_ROWS:
        raise ExportError(
            "This model cannot be exported",
            expected="finite numbers from the network",
            found=f"{ROWS - int(good.sum())} of {ROWS} trial points without",
            suggestion="train it again with a smaller learning rate",
        )
    return {f"input.{k}": v[good].contiguous() for k, v in inputs.items()} | {
        f"output.{k}": v[good].contiguous() for k, v in outputs.items()
    }


def check_rows(name: str, stored: dict[str, Tensor]) -> int:
    """Return the number of test vectors in a file. Raises `RefusedError` where there are none, or so few
    different ones that they would tell little of the model."""
    z = stored.get("input.z")
    rows = len(z) if z is not None and z.ndim else 0
    refusal = f"The file '{name}' is refused: it has"
    if z is None or not rows:
        raise RefusedError(f"{refusal} no test vectors")
    inputs = [v for k, v in stored.items() if k.startswith("input.") and v.ndim and len(v) == rows]
    different = len(torch.unique(torch.cat([v.reshape(rows, -1).double() for v in inputs], 1), dim=0))
    if different < FEWEST_ROWS or rows > ROWS:
        raise RefusedError(
            f"{refusal} the wrong number of test vectors",
            expected=f"{FEWEST_ROWS} to {ROWS} different ones",
            found=f"{rows}" + (f", of which {different} differ" if different < rows else ""),
            suggestion="get the file again from where it came",
        )
    return rows


def shapes(exact: FittedModel, rows: int) -> dict[str, tuple[int, ...]]:
    """Return name -> shape of every tensor that `make` returns for this model, if it keeps ``rows`` rows."""
    widths = {"x": len(exact.x), "y": len(exact.y), "z": exact.model.latent_features}
    zeros = {name: torch.zeros(1, width, dtype=torch.float64) for name, width in widths.items()}
    s = exact.standardisation  # a zero may be outside the bounds of x or y
    middle = torch.zeros(1, s.network_shapes.y, dtype=torch.float64)
    inputs = zeros | {"x": s.x_out(zeros["x"]), "y": s.y_out(middle)}
    sizes = {f"input.{name}": (rows, width) for name, width in widths.items()}
    return sizes | {
        f"output.{name}": (rows, *value.shape[1:]) for name, value in answers(exact, inputs).items()
    }


def compare(name: str, exact: FittedModel, stored: dict[str, Tensor]) -> float:
    """Compute the outputs again, and return their largest deviation from the stored ones in units of the
    tolerance. Raises `RefusedError` above 1."""
    inputs = {key.removeprefix("input."): value for key, value in stored.items() if key.startswith("input.")}
    s, worst, where = exact.standardisation, 0.0, ""
    network_units = {
        "inverse": (s.x_in, s.shift_x / s.scale_x),
        "predict": (s.y_in, s.shift_y / s.scale_y),
    }
    for key, value in answers(exact, inputs).items():
        was, offset = stored[f"output.{key}"], torch.zeros(())
        if key in network_units:
            to_network, offset = network_units[key]
            value, was = to_network(value), to_network(was)
        off = (value - was).abs()
        if key == "log_prob":  # version 0.1 had densities outside the bounds
            off = off.masked_fill(value == -torch.inf, 0.0)
        tolerance = _RELATIVE * (1 + was.abs()) + _RESOLUTION * offset.abs()
        far = float(torch.nan_to_num(off / tolerance, nan=float("inf")).max())
        if far > worst:
            worst, where = far, key
    if worst > 1:
        raise RefusedError(
            f"The file '{name}' is refused: the model does not say what it said when it was saved",
            expected="the stored answers to its test vectors",
            found=f"'{where}' is off by {worst:.1e} "
            "times the tolerance: a weight was changed, or this version computes something else",
            suggestion="get the file again from where it came, or use the versions in its manifest",
        )
    return worst
