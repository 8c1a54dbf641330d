"""Samplers of x at an observation: trained networks, and classical methods to compare them with.

exact           the problem's reference posterior: the best possible score
prior only      draws of the prior, whatever the observation
ABC rejection   draws with replacement from the x of those training pairs whose y is nearest
neural adjoint  a network f(x) ≈ y is trained; then x descends |f(x) − y|² + a wall around the training data
                from many starts at once, the best by f first. It searches for solutions, not the posterior.

Sources: Sisson, Fan & Beaumont 2018, Handbook of Approximate Bayesian Computation; Ren, Padilla & Malof 2020,
arXiv 2009.12919, section 3.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

from workbench.core.errors import DataError
from workbench.core.lazy import torch
from workbench.core.scale import column_scale

if TYPE_CHECKING:
    from torch import Tensor, nn

    from workbench.inference import FittedModel
    from workbench.problems import Problem
    from workbench.training import Training
    from workbench.training.data import RunData

#: Fraction of the training pairs that ABC rejection accepts.
ABC_SHARE = 0.005
#: Weight of the neural adjoint's wall, and the fraction of training data beyond it on each side.
WALL, OUTSIDE = 0.1, 0.008
_CHUNK = 20_000


class Sampler(Protocol):
    """An object whose ``draw`` turns observations (n, M) into draws (n, m, D), float64 on the CPU in data
    units."""

    parameters: int

    def draw(self, observations: Tensor, m: int, generator: torch.Generator) -> Tensor: ...


class NetworkSampler:
    """Sampler of a trained network's posterior."""

    def __init__(self, fitted: FittedModel) -> None:
        self.fitted, self.parameters = fitted, fitted.model.parameter_count()

    def draw(self, observations: Tensor, m: int, generator: torch.Generator) -> Tensor:
        device = self.fitted.model.device
        own = torch.Generator(device=device).manual_seed(int(torch.randint(2**31, (), generator=generator)))
        rows = observations.repeat_interleave(m, 0).to(device)
        draws = self.fitted.sample(len(rows), rows, own)
        return draws.detach().to("cpu", torch.float64).reshape(len(observations), m, -1)


class ExactSampler:
    """Sampler of the problem's reference posterior."""

    parameters = 0

    def __init__(self, problem: Problem) -> None:
        self.problem = problem

    def draw(self, observations: Tensor, m: int, generator: torch.Generator) -> Tensor:
        return torch.stack([self.problem.reference_posterior(y, m, generator) for y in observations])


class PriorSampler:
    """Sampler of the prior, independent of the observation."""

    parameters = 0

    def __init__(self, problem: Problem) -> None:
        self.problem = problem

    def draw(self, observations: Tensor, m: int, generator: torch.Generator) -> Tensor:
        count = len(observations)
        return self.problem.draw(count * m, generator).x.double().reshape(count, m, -1)


class RejectionSampler:
    """Sampler by ABC rejection: draws with replacement from the x of the training pairs x (N, D), y (N, M)
    nearest to the observation."""

    parameters = 0

    def __init__(self, x: Tensor, y: Tensor, share: float = ABC_SHARE) -> None:
        self.x, self.scale = x, column_scale(y)
        self.y = y / self.scale
        self.accepted = math.ceil(share * len(x))
        if len(x) < 2:
            raise DataError("Rejection needs training pairs", expected="at least 2", found=str(len(x)))

    def draw(self, observations: Tensor, m: int, generator: torch.Generator) -> Tensor:
        out = []
        for observation in observations / self.scale:
            distance = (self.y - observation).square().sum(1)
            nearest = distance.topk(self.accepted, largest=False).indices
            out.append(self.x[nearest[torch.randint(len(nearest), (m,), generator=generator)]])
        return torch.stack(out)


class AdjointSampler:
    """Neural adjoint: solutions x by gradient descent through a forward network, in standardised units
    inside.

    Parameters
    ----------
    network : x (n, D) -> y (n, M), trained.
    data : the data that the network was trained on, from which the descent also starts.
    steps, rate : number of steps and learning rate of the descent with Adam.
    """

    def __init__(self, network: nn.Module, data: RunData, *, steps: int = 300, rate: float = 0.05) -> None:
        self.network, self.units, self.steps, self.rate = network, data.standardisation, steps, rate
        self.parameters = sum(p.numel() for p in network.parameters())
        # torch takes no quantile of a million rows at once, and some thousands are as good
        rows = data.train_x[:_CHUNK]
        self.starts = data.train_x
        self.low, self.high = rows.quantile(OUTSIDE, 0), rows.quantile(1 - OUTSIDE, 0)
        network.requires_grad_(False)

    def draw(self, observations: Tensor, m: int, generator: torch.Generator) -> Tensor:
        rows = observations.repeat_interleave(m, 0)
        parts = [self._descend(chunk, generator) for chunk in rows.split(max(1, _CHUNK // m) * m)]
        x, misfit = (torch.cat(part).reshape(len(observations), m, -1) for part in zip(*parts, strict=True))
        best_first = misfit[..., 0].argsort(1)
        return x.gather(1, best_first[..., None].expand_as(x))

    def _descend(self, rows: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Search for solutions of observations (n, M): return them (n, D) in data units, and their misfits
        (n, 1)."""
        with torch.enable_grad():
            x, y = self._search(rows, generator)
        with torch.no_grad():
            misfit = (self.network(x) - y).square().mean(1, keepdim=True)
            solutions = self.units.x_out(x.detach().cpu())
        return solutions, misfit.double().cpu()

    def _search(self, rows: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        like = self.starts
        y = self.units.y_in(rows).to(like)
        pick = torch.randint(len(like), (len(rows),), generator=generator)
        x = like[pick.to(like.device)].clone().requires_grad_(True)
        optimiser = torch.optim.Adam([x], lr=self.rate)
        for step in range(self.steps):
            optimiser.param_groups[0]["lr"] = self.rate * 0.5 * (1 + math.cos(math.pi * step / self.steps))
            optimiser.zero_grad(set_to_none=True)
            wall = (self.low - x).relu() + (x - self.high).relu()
            # a sum, since the starts are independent
            ((self.network(x) - y).square().mean(1) + WALL * wall.sum(1)).sum().backward()
            optimiser.step()
        return x, y


def forward_network(features: int, outputs: int, parameters: int, *, depth: int = 3) -> nn.Sequential:
    """Build a fully connected network x -> y with about ``parameters`` weights and SiLU activations."""
    width = 4
    while _size(features, outputs, width + 1, depth) <= parameters:
        width += 1
    sizes = [features, *[width] * depth]
    layers: list[nn.Module] = []
    linear, activation = torch.nn.Linear, torch.nn.SiLU
    for a, b in zip(sizes, sizes[1:], strict=False):
        layers += [linear(a, b), activation()]
    return torch.nn.Sequential(*layers, linear(sizes[-1], outputs))


def _size(features: int, outputs: int, width: int, depth: int) -> int:
    return (features + 1) * width + (depth - 1) * (width + 1) * width + (width + 1) * outputs


def train_forward(network: nn.Module, data: RunData, settings: Training, steps: int) -> None:
    """Fit f(x) = y by least squares on batches of ``data``, with the learning rate, warm-up and gradient
    clipping of ``settings``."""
    optimiser = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    for step in range(steps):
        rise = min(1.0, (step + 1) / max(1, settings.warm_up))
        fall = 0.5 * (1 + math.cos(math.pi * step / steps))
        optimiser.param_groups[0]["lr"] = settings.learning_rate * rise * fall
        batch = data.batch(step, step / steps)
        optimiser.zero_grad(set_to_none=True)
        (network(batch.x) - batch.y).square().mean().backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), settings.gradient_clip or float("inf"))
        optimiser.step()
