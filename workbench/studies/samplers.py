"""Whatever answers an observation with draws of x: trained networks, and the classical ways beside them.

exact           the problem's reference posterior: what a perfect answer scores
prior only      draws of the prior: an answer that has not looked at y
ABC rejection   of the training pairs those whose y is nearest (a share of them), drawn with replacement
neural adjoint  a network f(x) ≈ y is trained; then x descends |f(x) − y|² + a wall around the training data,
                from many starts at once, the best by f first. It searches for solutions, not the posterior.
Sources: Sisson, Fan & Beaumont 2018, Handbook of Approximate Bayesian Computation; Ren, Padilla & Malof 2020,
arXiv 2009.12919, section 3.
"""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor, nn

from workbench.core.errors import DataError
from workbench.problems import Problem
from workbench.training import FittedModel, Training
from workbench.training.data import RunData

#: Share of the training pairs that rejection accepts.
ABC_SHARE = 0.005
#: Weight of the wall, and the share of the training data outside it at each side.
WALL, OUTSIDE = 0.1, 0.008
_CHUNK = 20_000


class Sampler(Protocol):
    """``draw``: observations (n, M) to draws (n, m, D), both float64 on the CPU and in data units."""

    parameters: int

    def draw(self, observations: Tensor, m: int, generator: torch.Generator) -> Tensor: ...


class NetworkSampler:
    """A trained network."""

    def __init__(self, fitted: FittedModel) -> None:
        self.fitted, self.parameters = fitted, fitted.model.parameter_count()

    def draw(self, observations: Tensor, m: int, generator: torch.Generator) -> Tensor:
        device = self.fitted.model.device
        own = torch.Generator(device=device).manual_seed(int(torch.randint(2**31, (), generator=generator)))
        rows = observations.repeat_interleave(m, 0).to(device)
        drawn = self.fitted.sample(len(rows), rows, own)
        return drawn.detach().to("cpu", torch.float64).reshape(len(observations), m, -1)


class ExactSampler:
    """The problem's reference posterior."""

    parameters = 0

    def __init__(self, problem: Problem) -> None:
        self.problem = problem

    def draw(self, observations: Tensor, m: int, generator: torch.Generator) -> Tensor:
        return torch.stack([self.problem.reference_posterior(y, m, generator) for y in observations])


class PriorSampler:
    """The prior, whatever was observed."""

    parameters = 0

    def __init__(self, problem: Problem) -> None:
        self.problem = problem

    def draw(self, observations: Tensor, m: int, generator: torch.Generator) -> Tensor:
        count = len(observations)
        return self.problem.draw(count * m, generator).x.double().reshape(count, m, -1)


class RejectionSampler:
    """Approximate Bayesian computation on the training pairs x (N, D), y (N, M)."""

    parameters = 0

    def __init__(self, x: Tensor, y: Tensor, share: float = ABC_SHARE) -> None:
        self.x, self.scale = x, y.std(0).clamp(min=1e-12)
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
    """Solutions by descent through a forward network, in standardised units inside.

    Parameters
    ----------
    network : x (n, D) -> y (n, M), trained.
    data : the run data whose units and range the network knows.
    steps, rate : of the descent with Adam.
    """

    def __init__(self, network: nn.Module, data: RunData, *, steps: int = 300, rate: float = 0.05) -> None:
        self.network, self.units, self.steps, self.rate = network, data.standardisation, steps, rate
        self.parameters = sum(p.numel() for p in network.parameters())
        # a quantile of a million rows is more than torch takes at once, and no better than of some thousands
        known = data.train_x[:_CHUNK]
        self.starts = data.train_x
        self.low, self.high = known.quantile(OUTSIDE, 0), known.quantile(1 - OUTSIDE, 0)
        network.requires_grad_(False)

    def draw(self, observations: Tensor, m: int, generator: torch.Generator) -> Tensor:
        rows = observations.repeat_interleave(m, 0)
        parts = [self._descend(chunk, generator) for chunk in rows.split(max(1, _CHUNK // m) * m)]
        x, misfit = (torch.cat(part).reshape(len(observations), m, -1) for part in zip(*parts, strict=True))
        best_first = misfit[..., 0].argsort(1)
        return x.gather(1, best_first[..., None].expand_as(x))

    @torch.enable_grad()
    def _descend(self, rows: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        like = self.starts
        y = self.units.y_in(rows.to(like.device)).to(like.dtype)
        pick = torch.randint(len(like), (len(rows),), generator=generator)
        x = like[pick.to(like.device)].clone().requires_grad_(True)
        optimiser = torch.optim.Adam([x], lr=self.rate)
        for step in range(self.steps):
            optimiser.param_groups[0]["lr"] = self.rate * 0.5 * (1 + math.cos(math.pi * step / self.steps))
            optimiser.zero_grad(set_to_none=True)
            wall = (self.low - x).relu() + (x - self.high).relu()
            # a sum: the starts do not know of each other
            ((self.network(x) - y).square().mean(1) + WALL * wall.sum(1)).sum().backward()
            optimiser.step()
        with torch.no_grad():
            misfit = (self.network(x) - y).square().mean(1, keepdim=True)
            found = self.units.x_out(x.detach().double().cpu())
        return found, misfit.double().cpu()


def forward_network(features: int, outputs: int, parameters: int, *, depth: int = 3) -> nn.Sequential:
    """A fully connected network x -> y with about ``parameters`` weights, SiLU between."""
    width = 4
    while _size(features, outputs, width + 1, depth) <= parameters:
        width += 1
    sizes = [features, *[width] * depth]
    layers: list[nn.Module] = []
    for a, b in zip(sizes, sizes[1:], strict=False):
        layers += [nn.Linear(a, b), nn.SiLU()]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], outputs))


def _size(features: int, outputs: int, width: int, depth: int) -> int:
    return (features + 1) * width + (depth - 1) * (width + 1) * width + (width + 1) * outputs


def train_forward(network: nn.Module, data: RunData, settings: Training, steps: int) -> None:
    """Least squares f(x) = y on the batches of ``data``, with the rates and the clipping of ``settings``."""
    optimiser = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    for step in range(steps):
        rise = min(1.0, (step + 1) / max(1, settings.warm_up))
        fall = 0.5 * (1 + math.cos(math.pi * step / steps))
        optimiser.param_groups[0]["lr"] = settings.learning_rate * rise * fall
        batch = data.batch(step, step / steps)
        optimiser.zero_grad(set_to_none=True)
        (network(batch.x) - batch.y).square().mean().backward()
        nn.utils.clip_grad_norm_(network.parameters(), settings.gradient_clip or float("inf"))
        optimiser.step()
