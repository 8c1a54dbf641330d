"""Equation learner (EQL): a network of elementary functions, which can be read as a formula.

layer     h = W u + b;  unit k gives identity(hₖ), hₖ², sin(hₖ), or the product of two entries of h
output    one more linear layer
penalty   Σ over the weights of |w|^½, rounded within a of zero: (−w⁴/(8a³) + 3w²/(4a) + 3a/8)^½ for |w| < a,
          which has value and slope in common with |w|^½ at a; it drives weights to zero one by one
pruning   weights below a threshold are set to zero and stay there
merging   two sines (or squares) whose weights agree within `MERGING_TOLERANCE` become one unit at pruning:
          otherwise the formula would contain the same term twice
start     small weights, except for the sines of the first layer: from the second sine on, their frequencies
          |wₖ| are spread evenly up to `HIGHEST_FREQUENCY`. A sine finds a frequency only if it starts near
          it: for normal u, the error of the fit of sin(w u) to sin(ω u) has a slope in w like that of
          exp(−(w − ω)²/2), which vanishes far from ω
Source: Martius and Lampert 2016, Extrapolation and learning equations, arXiv:1610.02995; the penalty: Kim
et al. 2020, Integration of neural network-based symbolic regression in deep learning, arXiv:1912.04825.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from workbench.nn.choices import LIBRARIES

#: function of a unit -> number of its arguments
UNITS = {"identity": 1, "square": 1, "sin": 1, "product": 2}
#: highest initial frequency of the sines, in radians per standard deviation of their input
HIGHEST_FREQUENCY = 4.0
#: relative distance of the weights of two units up to which they are merged
MERGING_TOLERANCE = 0.15
#: magnitude a of a weight below which its penalty is rounded
ROUNDED_BELOW = 0.01


def smoothed_half_norm(weights: Tensor, a: float = ROUNDED_BELOW) -> Tensor:
    """Return |w|^½, rounded around zero so that its slope is finite; same shape as ``weights``."""
    size = weights.abs()
    near = size.clamp(max=a)
    inside = (-(near**4) / (8 * a**3) + 3 * near.square() / (4 * a) + 3 * a / 8).sqrt()
    # the clamp keeps an infinite slope at zero out of the gradient, which `where` would turn into nan
    return torch.where(size < a, inside, size.clamp(min=a).sqrt())


class PrunedLinear(nn.Linear):
    """A linear map whose small weights can be set to zero permanently."""

    def __init__(self, features: int, outputs: int, *, start: float) -> None:
        super().__init__(features, outputs)
        nn.init.normal_(self.weight, std=start / max(features, 1) ** 0.5)
        nn.init.zeros_(self.bias)
        self.register_buffer("kept_weight", torch.ones_like(self.weight, dtype=torch.bool))
        self.register_buffer("kept_bias", torch.ones_like(self.bias, dtype=torch.bool))

    def forward(self, u: Tensor) -> Tensor:
        return nn.functional.linear(u, self.weight * self.kept_weight, self.bias * self.kept_bias)

    @torch.no_grad()
    def prune(self, threshold: float) -> None:
        """Set weights and biases smaller in magnitude than the threshold to zero, permanently."""
        self.kept_weight.logical_and_(self.weight.abs() >= threshold)
        self.kept_bias.logical_and_(self.bias.abs() >= threshold)
        self.weight.mul_(self.kept_weight)
        self.bias.mul_(self.kept_bias)

    def coefficients(self) -> tuple[list[list[float]], list[float]]:
        """Weights, row by row, and biases as lists of numbers; pruned ones are 0."""
        weight, bias = self.weight * self.kept_weight, self.bias * self.kept_bias
        return weight.detach().cpu().double().tolist(), bias.detach().cpu().double().tolist()


class EquationLearner(nn.Module):
    """Network of elementary functions that can be read as formulas: u (n, features) -> (n, outputs).

    Parameters
    ----------
    width : units in a hidden layer, to which the functions of ``library`` are assigned in turn.
    depth : hidden layers.
    library : a key of `workbench.nn.choices.LIBRARIES`.
    """

    def __init__(self, features: int, outputs: int, *, width: int, depth: int, library: str) -> None:
        super().__init__()
        functions = LIBRARIES[library]
        self.units = tuple(functions[k % len(functions)] for k in range(width))
        sums = sum(UNITS[unit] for unit in self.units)
        sizes = [features, *[width] * (depth - 1)]
        self.layers = nn.ModuleList(PrunedLinear(size, sums, start=0.25) for size in sizes)
        self.output = PrunedLinear(width, outputs, start=0.05)
        self._spread_frequencies(features)

    def _rows(self, function: str) -> list[tuple[int, int]]:
        """Return (k, row) for every unit k of ``function``: its last argument is entry ``row`` of W u + b."""
        ends = itertools.accumulate(UNITS[unit] for unit in self.units)
        pairs = enumerate(zip(self.units, ends, strict=True))
        return [(number, end - 1) for number, (unit, end) in pairs if unit == function]

    @torch.no_grad()
    def _spread_frequencies(self, features: int) -> None:
        """Scale the weights of the first layer's sines, from the second on, to evenly spread frequencies."""
        rows = [row for _, row in self._rows("sin")] if features else []
        for number, row in enumerate(rows[1:], 1):
            weight = self.layers[0].weight[row]
            frequency = HIGHEST_FREQUENCY * number / (len(rows) - 1)
            weight.mul_(frequency / weight.norm().clamp(min=1e-12))

    def forward(self, u: Tensor) -> Tensor:
        for layer in self.layers:
            u = torch.stack(self._apply_units(layer(u).unbind(-1), torch.square, torch.sin), dim=-1)
        return self.output(u)

    def _apply_units(
        self, sums: Sequence[Any], square: Callable[[Any], Any], sin: Callable[[Any], Any]
    ) -> list[Any]:
        """Values of a layer's units, given the entries of h = W u + b: tensors or sympy expressions."""
        rest, values = list(sums), []
        for unit in self.units:
            first = rest.pop(0)
            if unit == "product":
                values.append(first * rest.pop(0))
            else:
                values.append({"identity": lambda h: h, "square": square, "sin": sin}[unit](first))
        return values

    def penalty(self) -> Tensor:
        """Sparsity penalty: the sum over all weights and biases of the smoothed |w|^½, a scalar."""
        return torch.stack([smoothed_half_norm(p).sum() for p in self.parameters()]).sum()

    def prune(self, threshold: float) -> None:
        """Merge units with equal arguments, then zero the weights below the threshold, permanently."""
        for layer, above in zip(self.layers, (*self.layers[1:], self.output), strict=True):
            for function in ("sin", "square"):
                for first, second in itertools.combinations(self._rows(function), 2):
                    self._merge(layer, above, first, second, odd=function == "sin")
        for layer in (*self.layers, self.output):
            layer.prune(threshold)

    @torch.no_grad()
    def _merge(
        self,
        layer: PrunedLinear,
        above: PrunedLinear,
        first: tuple[int, int],
        second: tuple[int, int],
        *,
        odd: bool,
    ) -> None:
        """Replace the second of two units by the first, if their arguments are equal or opposite.

        A unit is given by its index and by the row of ``layer`` that computes its argument. The new argument
        is the mean of both, weighted by the coefficients of the units in the next layer, ``above``.
        """
        (unit, row), (other_unit, other_row) = first, second
        sums = torch.cat([layer.weight, layer.bias[:, None]], 1)
        weights = above.weight[:, [unit, other_unit]].abs().sum(0)
        for sign in (1.0, -1.0):
            distance = (sums[row] - sign * sums[other_row]).norm()
            limit = MERGING_TOLERANCE * min(sums[row].norm(), sums[other_row].norm())
            if distance > limit or weights.min() == 0:
                continue
            joint = (weights[0] * sums[row] + weights[1] * sign * sums[other_row]) / weights.sum()
            layer.weight[row], layer.bias[row] = joint[:-1], joint[-1]
            layer.weight[other_row], layer.bias[other_row] = 0.0, 0.0
            above.weight[:, unit] += (sign if odd else 1.0) * above.weight[:, other_unit]
            above.weight[:, other_unit] = 0.0
            return

    def expressions(self, symbols: Sequence[Any]) -> list[Any]:
        """The outputs as sympy expressions, given sympy symbols or expressions for the inputs."""
        import sympy

        values = list(symbols)
        for layer in self.layers:
            values = self._apply_units(_linear(layer, values), lambda h: h**2, sympy.sin)
        return _linear(self.output, values)


def _linear(layer: PrunedLinear, values: Sequence[Any]) -> list[Any]:
    """W v + b as sympy expressions, one per output, without the pruned terms."""
    import sympy

    weight, bias = layer.coefficients()
    return [
        sympy.Add(
            *(sympy.Float(w) * v for w, v in zip(row, values, strict=True) if w != 0.0),
            *([sympy.Float(constant)] if constant != 0.0 else []),
        )
        for row, constant in zip(weight, bias, strict=True)
    ]
