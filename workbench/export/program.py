"""A torch module that computes one function of a fitted model, in data units, traced for ``graph`` and
``onnx``."""

# ruff: noqa: TID253  (a module; imported by the formats when they write)

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from zuko.flows.coupling import GeneralCouplingTransform

from workbench.core.errors import ExportError
from workbench.export.formats import FUNCTIONS
from workbench.inference import FittedModel

#: Numbers of rows that an export is checked with: it must not work for one number only.
_ROWS = (1, 7, 64)


class Program(nn.Module):
    """One function of a fitted model, without the input checks of `FittedModel`, which cannot be traced.

    inverse: z (n, K), y -> x (n, D). latent: x, y -> z. log_prob: x, y -> (n,) nats. predict: x -> y (n, M).
    ``y`` (n, M) is an argument where the model has an observation.
    """

    def __init__(self, fitted: FittedModel, function: str) -> None:
        super().__init__()
        self.model = copy.deepcopy(fitted.model).cpu().eval().requires_grad_(False)
        _fix_masks(self.model)
        self.standardisation = copy.deepcopy(fitted.standardisation).cpu()
        self.function = function
        self.observed = bool(fitted.y) and function != "predict"
        self.inputs = [FUNCTIONS[function][0], *(["y"] if self.observed else [])]
        self.output = FUNCTIONS[function][1]

    def forward(self, value: Tensor, y: Tensor | None = None) -> Tensor:
        s = self.standardisation
        y = s.y_in(y) if self.observed else None
        if self.function == "inverse":
            return s.x_out(self.model.inverse(value, y)[0])
        value = s.x_in(value)
        if self.function == "latent":
            return self.model.latent(value, y)[0]
        if self.function == "predict":
            return s.y_out(self.model.predict(value))
        return self.model.log_prob(value, y) - s.scale_x.log().sum()

    def arguments(self, rows: int, seed: int = 0) -> tuple[Tensor, ...]:
        """Random inputs of ``rows`` rows: standard normal latents, and x and y as spread as the training
        data."""
        generator, s, dtype = torch.Generator().manual_seed(seed), self.standardisation, self.model.dtype

        def normal(columns: int) -> Tensor:
            return torch.randn(rows, columns, generator=generator, dtype=dtype)

        from_latent = self.function == "inverse"
        value = normal(self.model.latent_features) if from_latent else s.x_out(normal(len(s.shift_x)))
        return (value, s.y_out(normal(len(s.shift_y)))) if self.observed else (value,)

    @property
    def scale(self) -> Tensor | float:
        """Standard deviation of the output over the training data, in its own unit; 1 for latents and log
        densities."""
        return {"x": self.standardisation.scale_x, "y": self.standardisation.scale_y}.get(self.output, 1.0)


class _FixedMask:
    """A coupling's mask with precomputed indices.

    zuko computes them from the mask at every call, so that for a tracer their number depends on data, and the
    graph cannot be loaded again.
    """

    def __init__(self, mask: Tensor) -> None:
        self.indices, self.others = mask.nonzero(), (~mask).nonzero()

    def nonzero(self) -> Tensor:
        return self.indices

    def __invert__(self) -> _FixedMask:
        other = copy.copy(self)
        other.indices, other.others = self.others, self.indices
        return other


def _fix_masks(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, GeneralCouplingTransform):
            mask = module.mask
            del module.mask
            module.mask = _FixedMask(mask)


@torch.no_grad()
def compare(title: str, program: Program, run: Callable[..., Tensor], tolerance: float) -> float:
    """Return the largest deviation of an exported program from the model, relative to the output's scale.

    ``run`` calls the exported program with the arguments of ``program``. Raises `ExportError` above
    ``tolerance``.
    """
    worst = 0.0
    for rows in _ROWS:
        arguments = program.arguments(rows, seed=rows)
        reference = program(*arguments)
        output = run(*arguments)
        if output.shape != reference.shape:
            expected_shape = f"an output of shape {tuple(reference.shape)}"
            raise _differs(title, expected_shape, f"shape {tuple(output.shape)}")
        off = (output - reference).abs() / (program.scale + reference.abs())
        worst = max(worst, float(torch.nan_to_num(off, nan=float("inf")).max()))
    if worst > tolerance:
        raise _differs(title, f"the model's numbers to {tolerance:.0e}", f"a deviation of {worst:.1e}")
    return worst


def _differs(title: str, expected: str, found: str) -> ExportError:
    return ExportError(
        f"{title} was written, compared with the model, and thrown away because it differs",
        expected=expected,
        found=found,
        suggestion="export the weights instead",
    )
