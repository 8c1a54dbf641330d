"""Equation learner (EQL): a network that can be read as a formula: its units are elementary functions.

layer     h = W u + b;  unit k gives identity(hₖ), hₖ², sin(hₖ), or the product of two such sums
output    one more linear layer
penalty   Σ over the weights of |w|^½, rounded within a of zero: (−w⁴/(8a³) + 3w²/(4a) + 3a/8)^½ for |w| < a,
          which has value and slope in common with |w|^½ at a; it drives weights to zero one by one
pruning   weights below a threshold are set to zero and stay there
twins     two sines (or squares) whose weights have come to be the same within `TWINS` are made one when the
          weights are cut: half of a term each is not a short formula
start     small weights, but for the sines of the first layer after the first one: their frequencies |wₖ| are
          spread evenly up to `HIGHEST_FREQUENCY`. A sine finds a frequency only if it starts near it: the fit
          of sin(w u) to sin(ω u) for normal u has the slope of exp(−(w − ω)²/2) in w, nothing far away
Source: Martius and Lampert 2016, Extrapolation and learning equations, arXiv:1610.02995; the penalty: Kim
et al. 2020, Integration of neural network-based symbolic regression in deep learning, arXiv:1912.04825.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

#: unit -> how many sums it takes in
UNITS = {"identity": 1, "square": 1, "sin": 1, "product": 2}
LIBRARIES = {
    "polynomial": ("identity", "square", "product"),
    "trigonometric": ("identity", "sin"),
    "all": ("identity", "square", "sin", "product"),
}
#: up to where sines start, in radians a standard deviation of what they read
HIGHEST_FREQUENCY = 4.0
#: how far the weights of two units may differ, as a share of their length, to count as the same
TWINS = 0.15
#: where the penalty is rounded
ROUNDED_BELOW = 0.01


def smoothed_half_norm(weights: Tensor, a: float = ROUNDED_BELOW) -> Tensor:
    """|w|^½, rounded around zero so that its slope is finite: same shape as ``weights``."""
    size = weights.abs()
    near = size.clamp(max=a)
    inside = (-(near**4) / (8 * a**3) + 3 * near.square() / (4 * a) + 3 * a / 8).sqrt()
    # the root's argument is kept away from zero, where its slope would be infinite although it is not taken
    return torch.where(size < a, inside, size.clamp(min=a).sqrt())


class PrunedLinear(nn.Linear):
    """A linear map some of whose weights have been set to zero for good."""

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
        """Keep what is not below the threshold; what is gone stays gone."""
        self.kept_weight.logical_and_(self.weight.abs() >= threshold)
        self.kept_bias.logical_and_(self.bias.abs() >= threshold)
        self.weight.mul_(self.kept_weight)
        self.bias.mul_(self.kept_bias)

    def coefficients(self) -> tuple[list[list[float]], list[float]]:
        """Weights and biases as numbers."""
        weight, bias = self.weight * self.kept_weight, self.bias * self.kept_bias
        return weight.detach().cpu().double().tolist(), bias.detach().cpu().double().tolist()


class EquationLearner(nn.Module):
    """u (n, features) -> (n, outputs).

    Parameters
    ----------
    width : units in a hidden layer; the functions of ``library`` take turns.
    depth : hidden layers.
    library : a key of `LIBRARIES`.
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
        """Of each unit with this function, its number and the row of the sum (the last one) that it takes."""
        ends = itertools.accumulate(UNITS[unit] for unit in self.units)
        pairs = enumerate(zip(self.units, ends, strict=True))
        return [(number, end - 1) for number, (unit, end) in pairs if unit == function]

    @torch.no_grad()
    def _spread_frequencies(self, features: int) -> None:
        """Lengthen the rows that feed the first layer's sines but one, each to a frequency of its own."""
        rows = [row for _, row in self._rows("sin")] if features else []
        for number, row in enumerate(rows[1:], 1):
            weight = self.layers[0].weight[row]
            frequency = HIGHEST_FREQUENCY * number / (len(rows) - 1)
            weight.mul_(frequency / weight.norm().clamp(min=1e-12))

    def forward(self, u: Tensor) -> Tensor:
        for layer in self.layers:
            u = torch.stack(self._made(layer(u).unbind(-1), torch.square, torch.sin), dim=-1)
        return self.output(u)

    def _made(self, sums: Sequence[Any], square, sin) -> list[Any]:
        """What the units make of their sums: tensors or expressions."""
        rest, made = list(sums), []
        for unit in self.units:
            first = rest.pop(0)
            if unit == "product":
                made.append(first * rest.pop(0))
            else:
                made.append({"identity": lambda h: h, "square": square, "sin": sin}[unit](first))
        return made

    def penalty(self) -> Tensor:
        """Sum over all weights and biases of the smoothed |w|^½."""
        return torch.stack([smoothed_half_norm(p).sum() for p in self.parameters()]).sum()

    def prune(self, threshold: float) -> None:
        """Make twins one, then set what is below the threshold to zero for good."""
        for layer, above in zip(self.layers, (*self.layers[1:], self.output), strict=True):
            for function in ("sin", "square"):
                for first, second in itertools.combinations(self._rows(function), 2):
                    self._join(layer, above, first, second, odd=function == "sin")
        for layer in (*self.layers, self.output):
            layer.prune(threshold)

    @torch.no_grad()
    def _join(self, layer: PrunedLinear, above: PrunedLinear, first, second, *, odd: bool) -> None:
        """Let the first of two units take over from the second, where their sums are the same or opposite.

        The sum becomes the mean of the two, weighted by what is made of them above.
        """
        (kept, row), (gone, other) = first, second
        sums = torch.cat([layer.weight, layer.bias[:, None]], 1)
        weights = above.weight[:, [kept, gone]].abs().sum(0)
        for sign in (1.0, -1.0):
            apart = (sums[row] - sign * sums[other]).norm()
            if apart > TWINS * min(sums[row].norm(), sums[other].norm()) or weights.min() == 0:
                continue
            joint = (weights[0] * sums[row] + weights[1] * sign * sums[other]) / weights.sum()
            layer.weight[row], layer.bias[row] = joint[:-1], joint[-1]
            layer.weight[other], layer.bias[other] = 0.0, 0.0
            above.weight[:, kept] += (sign if odd else 1.0) * above.weight[:, gone]
            above.weight[:, gone] = 0.0
            return

    def expressions(self, symbols: Sequence[Any]) -> list[Any]:
        """The outputs as sympy expressions of the inputs' symbols."""
        import sympy

        values = list(symbols)
        for layer in self.layers:
            values = self._made(_linear(layer, values), lambda h: h**2, sympy.sin)
        return _linear(self.output, values)


def _linear(layer: PrunedLinear, values: Sequence[Any]) -> list[Any]:
    """W v + b, without the terms that were pruned."""
    import sympy

    weight, bias = layer.coefficients()
    return [
        sympy.Add(
            *(sympy.Float(w) * v for w, v in zip(row, values, strict=True) if w != 0.0),
            *([sympy.Float(constant)] if constant != 0.0 else []),
        )
        for row, constant in zip(weight, bias, strict=True)
    ]
