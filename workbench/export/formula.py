"""Formulas of a symbolic model as text and LaTeX, in the units of the data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.architectures import ARCHITECTURES
from workbench.core.capability import Capability
from workbench.core.entries import public
from workbench.core.errors import ExportError
from workbench.export.formats import ExportFormat, fitted_of

if TYPE_CHECKING:
    import sympy

    from workbench.core.variable import Variable
    from workbench.inference import FittedModel
    from workbench.inference.column_maps import ColumnMap
    from workbench.training import Run

#: Number of operations up to which the layers are composed into one formula; a longer one is not readable.
LONGEST = 150
#: Absolute value up to which a coefficient is a rounding error, and set to zero.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Formulas:
    """z as formulas of x (and of y), both in the units of the data.

    ``layers`` holds (name, expression) pairs for each layer, in terms of the previous layer's names;
    ``latent`` is the whole map as (name, expression) pairs for each z, or empty where that would be too long.
    Numbers are exact; `text` and `latex` round them.
    """

    layers: tuple[tuple[tuple[str, sympy.Expr], ...], ...]
    latent: tuple[tuple[str, sympy.Expr], ...]

    def text(self, digits: int = 3) -> str:
        """Formulas as plain text, one per line, with numbers rounded to ``digits`` significant digits."""
        import sympy

        return "\n".join(f"{name} = {sympy.sstr(rounded(value, digits))}" for name, value in self._lines())

    def latex(self, digits: int = 3) -> str:
        """Formulas as LaTeX for an align environment, one per line, with numbers rounded to ``digits``
        significant digits."""
        import sympy

        return " \\\\\n".join(
            f"{sympy.latex(sympy.Symbol(name))} &= {sympy.latex(rounded(value, digits))}"
            for name, value in self._lines()
        )

    def _lines(self) -> Sequence[tuple[str, sympy.Expr]]:
        return self.latent or [line for layer in self.layers for line in layer]


def rounded(value: sympy.Expr, digits: int = 3) -> sympy.Expr:
    """Round the numbers of an expression to ``digits`` significant digits; a short expression is expanded
    first."""
    import sympy

    if sympy.count_ops(value) <= LONGEST:
        value = sympy.expand(value)
    numbers = {
        number: sympy.Float(float(number), digits) if abs(number) > _ROUNDING else sympy.S.Zero
        for number in value.atoms(sympy.Float)
    }
    whole = {old: sympy.Integer(int(new)) for old, new in numbers.items() if float(new) == int(new)}
    return value.xreplace(numbers | whole)


@public
def formulas(run_or_fitted: Run | FittedModel) -> Formulas:
    """The formulas of a run or a fitted model of the architecture ``symbolic_regression``.

    Raises `ExportError` for other architectures.
    """
    import sympy

    fitted_model = fitted_of(run_or_fitted)
    if Capability.FORMULA not in fitted_model.capabilities:
        raise ExportError(
            "This model has no formula",
            expected=f"a model that {Capability.FORMULA.sentence}",
            found=type(fitted_model.model).__name__,
            suggestion="train the architecture 'symbolic_regression'",
        )
    model, units = fitted_model.model, fitted_model.standardisation
    x, y = (
        [
            (expression - shift) / scale
            for expression, shift, scale in zip(
                _columns(names, maps), shifts.tolist(), scales.tolist(), strict=True
            )
        ]
        for names, maps, shifts, scales in (
            (fitted_model.x, units.columns_x.maps, units.shift_x, units.scale_x),
            (fitted_model.y, units.maps_y, units.shift_y, units.scale_y),
        )
    )
    layers, last = [], list(x)
    for number, layer in enumerate(model.layers, 1):
        image = layer.expressions(last, y)
        names = [
            f"z{i}" if number == len(model.layers) else f"u{number}_{i}" for i in range(1, len(image) + 1)
        ]
        layers.append(tuple(zip(names, image, strict=True)))
        last = [sympy.Symbol(name) for name in names]
    return Formulas(tuple(layers), _whole(layers))


def _columns(variables: Sequence[Variable], maps: Sequence[ColumnMap]) -> list[sympy.Expr]:
    """Return the network's columns before shift and scale, as expressions in the variables."""
    import sympy

    columns = []
    for variable, column in zip(variables, maps, strict=True):
        t = sympy.Symbol(variable.name)
        if column.kind == "log":
            t = sympy.log(t)
        elif column.kind == "robust":
            t = sympy.asinh((t - column.cut) / column.bulk)
        elif column.kind != "linear":
            raise ExportError(
                "This model has no formula",
                expected="variables that are numbers",
                found=f"'{variable.name}', which is cyclic or a category",
            )
        low, high, w = column.low, column.high, column.width
        if column.edge == "probit":
            t = sympy.sqrt(2) * sympy.erfinv(2 * (t - low) / (high - low) - 1)
        elif column.edge == "soft":
            below = sympy.log(1 - sympy.exp(-(t - low) / w)) if math.isfinite(low) else 0
            above = sympy.log(1 - sympy.exp(-(high - t) / w)) if math.isfinite(high) else 0
            t = t + w * (below - above)
        columns.append(t)
    return columns


def _whole(layers: Sequence[Sequence[tuple[str, sympy.Expr]]]) -> tuple[tuple[str, sympy.Expr], ...]:
    """Compose the layers into one formula per z, as (name, expression) pairs; empty where that is longer
    than `LONGEST` operations."""
    import sympy

    values: dict[sympy.Symbol, sympy.Expr] = {}
    for layer in layers:
        values = {sympy.Symbol(name): value.xreplace(values) for name, value in layer}
        if sum(sympy.count_ops(value) for value in values.values()) > LONGEST:
            return ()
    return tuple((symbol.name, value) for symbol, value in values.items())


class Formula(ExportFormat):
    key = "formula"
    title = "Formula"
    summary = "The latents as formulas of the data, in its units: text, and LaTeX below it."
    suffix = ".txt"

    def refusal(
        self, architecture: str, function: str = "inverse", capabilities: frozenset[str] | None = None
    ) -> str:
        """Return the reason why an architecture has no formula, as a sentence; empty where it has one."""
        member = ARCHITECTURES[architecture]
        if Capability.FORMULA in member.capabilities:
            return ""
        return f"{member.title} cannot be read as formulas; train invertible symbolic regression for that."

    def write(self, fitted: FittedModel, path: Path, function: str = "inverse") -> dict[str, Any]:
        from workbench.training.folder import write_whole

        result = formulas(fitted)
        write_whole(path, f"{result.text()}\n\n{result.latex()}\n".encode())
        return {"formulas": result.text().splitlines()}
