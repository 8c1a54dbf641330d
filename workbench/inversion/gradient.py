"""Gradient inversion of a trained network: frozen weights, inputs that follow the gradient of their misfit.

objective  E(x) = Σᵢ ((fᵢ(x) − tᵢ) / sᵢ)² + penalty Σⱼ uⱼ²,   u = (x − centre) / (half the window's width)
step       u ← u − η ∂E/∂u, then back to the nearest point within the bounds       ("descent")
           or the same direction as Adam scales it, with η falling to nothing      ("adam")
starts     many, uniform in the window, all in one batch: different starts find different preimages
Known      f linear: plain descent without a penalty moves in the row space only, so it ends at the preimage
           that is nearest to its start (in window units), for η below the reciprocal of the curvature
Source: Williams 1986, Inverting a connectionist network mapping by back-propagation of error; Linden and
Kindermann 1989, Inversion of multilayer nets, IJCNN; Adam: Kingma and Ba 2015, arXiv:1412.6980.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import param

from workbench.core.lazy import torch
from workbench.inversion.base import INVERSION, InversionMethod, Question, Trace, require_gradient

if TYPE_CHECKING:
    from torch import Tensor


@INVERSION.register
class GradientInversion(InversionMethod):
    """Iterative inversion by the gradient of the misfit with respect to the input, weights fixed."""

    key = "gradient"
    title = "Gradient inversion"
    summary = "Many inputs at once follow the gradient of their misfit through the frozen network."
    reference = (
        "Williams (1986), Inverting a connectionist network mapping by back-propagation of error; Linden & "
        "Kindermann (1989), Inversion of multilayer nets, IJCNN"
    )
    moves = True
    needs_gradient = True

    starts = param.Integer(
        default=64,
        bounds=(1, 10_000),
        doc="Number of starting points, random in the window. Each finds at most one preimage.",
    )
    steps = param.Integer(default=300, bounds=(1, 100_000), doc="Gradient steps of each point.")
    optimiser = param.Selector(
        default="adam",
        objects=["adam", "descent"],
        doc="Adam, which scales its steps and shrinks them towards the end, or plain steepest descent.",
    )
    learning_rate = param.Number(
        default=0.05,
        bounds=(1e-6, 10.0),
        doc="Size of a step, in half widths of the window. Too large a step of plain descent diverges.",
    )
    penalty = param.Number(
        default=0.0,
        bounds=(0.0, 1e3),
        doc="Pull towards the middle of the window. It makes the answer unique and moves it off the target.",
    )

    @property
    def iterations(self) -> int:
        return self.steps

    def _search(self, trace: Trace, question: Question, generator: torch.Generator) -> Tensor:
        centre, half = question.centre, question.half
        x = question.starts(self.starts, generator)
        first, second = torch.zeros_like(x), torch.zeros_like(x)
        best, lowest = x, torch.full_like(x[:, 0], torch.inf)
        misfit = lowest
        for iteration in range(self.steps + 1):
            u = ((x - centre) / half).detach().requires_grad_()
            y = trace.image(centre + half * u)
            require_gradient(y)
            objective = ((y - question.target) / question.scale).square().sum(1)
            objective = objective + self.penalty * u.square().sum(1)
            # rows are independent, so the gradient of the sum is that of each row
            (gradient,) = torch.autograd.grad(objective.sum(), u)
            now = question.misfit(y).detach()
            better = objective.detach() < lowest
            best, misfit = torch.where(better[:, None], x, best), torch.where(better, now, misfit)
            lowest = torch.where(better, objective.detach(), lowest)
            if iteration == self.steps:  # the result is the best point of the path
                x, now = best, misfit
            trace.keep(iteration, x, now)
            if iteration < self.steps:
                step = self._step(iteration, gradient.nan_to_num(0.0), first, second)
                x = question.inside(centre + half * (u.detach() - step))
        return best

    def _step(self, iteration: int, gradient: Tensor, first: Tensor, second: Tensor) -> Tensor:
        """Return the step to subtract from scaled inputs u (n, D); update Adam's moments in place."""
        if self.optimiser == "descent":
            return self.learning_rate * gradient
        first.mul_(0.9).add_(gradient, alpha=0.1)
        second.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
        mean, square = first / (1 - 0.9 ** (iteration + 1)), second / (1 - 0.999 ** (iteration + 1))
        rate = self.learning_rate * 0.5 * (1 + math.cos(math.pi * iteration / self.steps))
        return rate * mean / (square.sqrt() + 1e-12)
