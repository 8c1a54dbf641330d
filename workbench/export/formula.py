"""A model that can be read: its formulas as text and as LaTeX, in the units of the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sympy

from workbench.architectures import ARCHITECTURES
from workbench.core.capability import Capability
from workbench.core.errors import ExportError
from workbench.export.formats import ExportFormat, fitted_of
from workbench.training import FittedModel
from workbench.training.folder import write_whole

#: Longer formulas are not put together to one: nobody would read it.
LONGEST = 150
#: Numbers of a formula that are smaller come from rounding.
_NOTHING = 1e-9


@dataclass(frozen=True)
class Formulas:
    """z as formulas of x (and of y), both in the units of the data.

    ``layers`` holds (name, expression) for each layer, in names of the layer before it; ``latent`` is the
    whole map, (name, expression) for each z, or empty where that would be too long. Numbers are exact
    here and rounded by `text` and `latex`.
    """

    layers: tuple[tuple[tuple[str, sympy.Expr], ...], ...]
    latent: tuple[tuple[str, sympy.Expr], ...]

    def text(self, digits: int = 3) -> str:
        """One formula a line."""
        return "\n".join(f"{name} = {sympy.sstr(rounded(value, digits))}" for name, value in self._shown())

    def latex(self, digits: int = 3) -> str:
        """One formula a line, to stand in an align environment."""
        return " \\\\\n".join(
            f"{sympy.latex(sympy.Symbol(name))} &= {sympy.latex(rounded(value, digits))}"
            for name, value in self._shown()
        )

    def _shown(self) -> Sequence[tuple[str, sympy.Expr]]:
        return self.latent or [line for layer in self.layers for line in layer]


def rounded(value: sympy.Expr, digits: int = 3) -> sympy.Expr:
    """The expression with its numbers rounded; multiplied out where it is short."""
    if sympy.count_ops(value) <= LONGEST:
        value = sympy.expand(value)
    numbers = {
        number: sympy.Float(float(number), digits) if abs(number) > _NOTHING else sympy.S.Zero
        for number in value.atoms(sympy.Float)
    }
    whole = {old: sympy.Integer(int(new)) for old, new in numbers.items() if float(new) == int(new)}
    return value.xreplace(numbers | whole)


def formulas(run_or_fitted: Any) -> Formulas:
    """The formulas of a run, or of a fitted model, of the architecture ``symbolic_regression``.

    Raises `ExportError` for other architectures.
    """
    fitted = fitted_of(run_or_fitted)
    if Capability.FORMULA not in fitted.capabilities:
        raise ExportError(
            "This model has no formula",
            expected=f"a model that {Capability.FORMULA.sentence}",
            found=type(fitted.model).__name__,
            suggestion="train the architecture 'symbolic_regression'",
        )
    model, units = fitted.model, fitted.standardisation
    x, y = (
        [
            (sympy.Symbol(v.name) - shift) / scale
            for v, shift, scale in zip(names, shifts, scales, strict=True)
        ]
        for names, shifts, scales in (
            (fitted.x, units.shift_x.double().tolist(), units.scale_x.double().tolist()),
            (fitted.y, units.shift_y.double().tolist(), units.scale_y.double().tolist()),
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


def _whole(layers: Sequence[Sequence[tuple[str, sympy.Expr]]]) -> tuple[tuple[str, sympy.Expr], ...]:
    """The layers put into each other, or nothing where that gets too long."""
    known: dict[sympy.Symbol, sympy.Expr] = {}
    for layer in layers:
        known = {sympy.Symbol(name): value.xreplace(known) for name, value in layer}
        if sum(sympy.count_ops(value) for value in known.values()) > LONGEST:
            return ()
    return tuple((symbol.name, value) for symbol, value in known.items())


class Formula(ExportFormat):
    key = "formula"
    title = "Formula"
    summary = "The latent code as formulas of the data, in its units: text, and LaTeX below it."
    suffix = ".txt"

    def refusal(self, architecture: str, function: str = "inverse") -> str:
        """Why there is no formula, as a sentence; empty where there is one."""
        member = ARCHITECTURES[architecture]
        if Capability.FORMULA in member.capabilities:
            return ""
        return f"{member.title} cannot be read as formulas; train invertible symbolic regression for that."

    def write(self, fitted: FittedModel, path: Path, function: str = "inverse") -> dict[str, Any]:
        found = formulas(fitted)
        write_whole(path, f"{found.text()}\n\n{found.latex()}\n".encode())
        return {"formulas": found.text().splitlines()}
