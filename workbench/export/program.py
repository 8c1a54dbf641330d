"""A torch module that computes one function of a fitted model, in data units, traced for ``graph`` and
``onnx``.

A program has no random numbers of its own: where `FittedModel.sample` draws anew what is not finite or lies
outside the bounds of a network that rejects such draws, the caller of a program does so with new latents. A
model that gives numbers that are not finite for inputs like its training data is not written.
"""

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
from workbench.inference.column_values import as_values, at_categories

#: Numbers of rows that an export is checked with: it must not work for one number only.
_ROWS = (1, 7, 64)


class Program(nn.Module):
    """One function of a fitted model, without the input checks of `FittedModel`, which cannot be traced.

    inverse: z (n, K), y -> x (n, D). latent: x, y -> z. log_prob: x, y -> (n,) nats. predict: x -> y (n, M).
    ``y`` (n, M) is an argument where the model has an observation. All of them are in double precision,
    whatever the network's. ``portable`` restricts the change of units to what ONNX has in that precision.
    """

    def __init__(self, fitted: FittedModel, function: str, *, portable: bool = False) -> None:
        super().__init__()
        self.model = copy.deepcopy(fitted.model).cpu().eval().requires_grad_(False)
        _fix_masks(self.model)
        self.standardisation = copy.deepcopy(fitted.standardisation).cpu()
        self.standardisation.columns_x.portable = portable
        self.variables = fitted.x
        self.support = copy.deepcopy(fitted.support).cpu()
        self.function = function
        self.observed = bool(fitted.y) and function != "predict"
        self.inputs = [FUNCTIONS[function][0], *(["y"] if self.observed else [])]
        self.output = FUNCTIONS[function][1]

    def forward(self, value: Tensor, y: Tensor | None = None) -> Tensor:
        s = self.standardisation
        dtype = self.model.dtype
        y = s.y_in(y).to(dtype) if self.observed else None
        if self.function == "inverse":
            return as_values(s.x_out(self.model.inverse(value.to(dtype), y)[0]), self.variables)
        x, volume = s.x_in_with_volume(self.support.nearest(value))
        x = x.to(dtype)
        if self.function == "latent":
            return self.model.latent(x, y)[0].double()
        if self.function == "predict":
            return s.y_out(self.model.predict(x))
        return self.support.zero_outside(self.model.log_prob(x, y).double() + volume, value)

    def arguments(self, rows: int, seed: int = 0) -> tuple[Tensor, ...]:
        """Random inputs of ``rows`` rows: standard normal latents, and x and y as spread as the training
        data."""
        generator, s = torch.Generator().manual_seed(seed), self.standardisation

        def normal(columns: int) -> Tensor:
            return torch.randn(rows, columns, generator=generator, dtype=torch.float64)

        from_latent = self.function == "inverse"
        columns = self.model.latent_features if from_latent else len(s.shift_x)
        value = normal(columns)
        if not from_latent:
            value = at_categories(s.x_out(value), self.variables)
        return (value, s.y_out(normal(len(s.shift_y)))) if self.observed else (value,)

    def in_network_units(self, output: Tensor) -> tuple[Tensor, float]:
        """Return an output in network units, and the resolution of its numbers there."""
        s = self.standardisation
        if self.output not in ("x", "y"):
            return output, 0.0
        shift, scale = (s.shift_x, s.scale_x) if self.output == "x" else (s.shift_y, s.scale_y)
        resolution = 1e-15 * float((shift / scale).abs().max())
        return (s.x_in if self.output == "x" else s.y_in)(output), resolution


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
    worst, n_compared = 0.0, 0
    for rows in _ROWS:
        arguments = program.arguments(rows, seed=rows)
        reference = program(*arguments)
        output = run(*arguments)
        if output.shape != reference.shape:
            expected_shape = f"an output of shape {tuple(reference.shape)}"
            raise _differs(title, expected_shape, f"shape {tuple(output.shape)}")
        numbers = ~(reference.isnan() | (reference == torch.inf))
        whole = numbers.reshape(rows, -1).all(1)
        if program.output in ("x", "y") and not bool(reference.isfinite().all()):
            raise _not_finite(
                title, program, f"{int((~reference.isfinite()).any(1).sum())} of {rows} that are not"
            )
        n_compared += int(whole.sum())
        if not bool(whole.any()):
            continue
        # where the model itself has no finite answer there is nothing to compare
        output, reference = output[whole], reference[whole]
        (output, resolution), (reference, _) = map(program.in_network_units, (output, reference))
        off = (output - reference).abs() / (1 + reference.abs() + resolution / tolerance)
        off = off.masked_fill(output == reference, 0.0)  # both may be -inf
        worst = max(worst, float(torch.nan_to_num(off, nan=float("inf")).max()))
    if not n_compared:
        raise _not_finite(title, program)
    if worst > tolerance:
        raise _differs(title, f"the model's numbers to {tolerance:.0e}", f"a deviation of {worst:.1e}")
    return worst


def _not_finite(title: str, program: Program, found: str = "none that is finite") -> ExportError:
    return ExportError(
        f"{title} was not written, since the model itself does not answer with finite numbers",
        expected=f"finite {program.output} for inputs like the training data",
        found=found,
        suggestion="train it again with a smaller learning rate",
    )


def _differs(title: str, expected: str, found: str) -> ExportError:
    return ExportError(
        f"{title} was written, compared with the model, and thrown away because it differs",
        expected=expected,
        found=found,
        suggestion="export the weights instead",
    )
