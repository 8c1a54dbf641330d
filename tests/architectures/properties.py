"""The laws of an invertible network as functions of its two directions, so that a wrong one can break them.

A *direction* takes a batch (n, D) and gives the image (n, K) with log|det| (n,).
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from workbench.architectures import ARCHITECTURES
from workbench.core.capability import Capability
from workbench.core.model import Model
from workbench.core.shapes import Shapes
from workbench.objectives import OBJECTIVES, Context, Loss

Direction = Callable[[Tensor], tuple[Tensor, Tensor]]

SHAPES = (Shapes(2, 0), Shapes(4, 2), Shapes(3, 1), Shapes(2, 4), Shapes(1, 0), Shapes(1, 3))
CASES = [
    (key, shapes)
    for key in ARCHITECTURES.keys()
    for shapes in SHAPES
    if not ARCHITECTURES.make(key).refusals(shapes)
]
#: a law holds for small networks or for none
SMALL = {"transforms": 3, "width": 16, "depth": 2, "members": 2}
_TINY = {"transforms": 2, "width": 8, "depth": 1}
#: a searched or integrated inverse takes its time: by default two shapes, the others with the slow tests
_QUICK = (Shapes(2, 0), Shapes(3, 1))


def name_of(value: object) -> str:
    return f"{value.x}-{value.y}" if isinstance(value, Shapes) else str(value)


def built(key: str, shapes: Shapes, *, seed: int = 0, **settings) -> Model:
    """A model in float64 with shaken weights, so that nothing holds merely because of the initialisation."""
    torch.manual_seed(seed)
    model = ARCHITECTURES.make(key, **small(key) | settings).build(shapes).double()
    with torch.no_grad():
        if has(key, Capability.LATENT):  # what the first batch sets is set
            model.latent(*batch(shapes, 64, seed=seed + 100))
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return model


def parametrised(cases: list[tuple[str, Shapes]]):
    """Over these cases of key and shapes, what is dear marked as slow."""
    marked = [
        pytest.param(
            key,
            shapes,
            id=f"{key}-{name_of(shapes)}",
            marks=[pytest.mark.slow] if numerical(key) and shapes not in _QUICK else [],
        )
        for key, shapes in cases
    ]
    return pytest.mark.parametrize(("key", "shapes"), marked)


def small(key: str) -> dict:
    """Settings of a small network, those that the member has."""
    return only(key, _TINY if numerical(key) else SMALL)


def only(key: str, settings: dict) -> dict:
    """Those of the settings that the member has."""
    known = {s.name for s in ARCHITECTURES[key].settings()}
    return {name: value for name, value in settings.items() if name in known}


def has(key: str, *capabilities: str) -> bool:
    """Whether the member declares all of them."""
    return set(capabilities) <= ARCHITECTURES[key].capabilities


def that(*capabilities: str) -> list[tuple[str, Shapes]]:
    """The cases of members that declare all of them."""
    return [(key, shapes) for key, shapes in CASES if has(key, *capabilities)]


def numerical(key: str) -> bool:
    """Whether the inverse is searched for or integrated."""
    exact = has(key, Capability.EXACT_INVERSE) or has(key, Capability.JOINT_LIKELIHOOD)
    return has(key, Capability.LATENT) and not exact and tolerance(key) < 1


def tolerance(key: str) -> float:
    """What the member declares; infinite where a round trip leads back only as far as was learned."""
    if has(key, Capability.JOINT_LIKELIHOOD, Capability.DECODER):
        return 1e-9  # the flow beside the decoder, which is what `directions` gives
    return ARCHITECTURES[key].inverse_tolerance


def batch(shapes: Shapes, rows: int = 32, *, seed: int = 1) -> tuple[Tensor, Tensor | None]:
    """Standard normal x (n, D) and y (n, M), or None."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, shapes.x, generator=generator, dtype=torch.float64)
    y = torch.randn(rows, shapes.y, generator=generator, dtype=torch.float64) if shapes.y else None
    return x, y


def directions(model: Model, y: Tensor | None) -> tuple[Direction, Direction, int]:
    """Both directions of the bijection and its width; the INN is one only together with its padding."""
    if hasattr(model, "forward_full"):
        return model.forward_full, model.inverse_full, model.width
    return (lambda x: model.latent(x, _rows(y, x))), (lambda z: model.inverse(z, _rows(y, z))), model.features


def _rows(y: Tensor | None, points: Tensor) -> Tensor | None:
    """As many observations as points: autograd asks for one point at a time."""
    return None if y is None else y[: points.shape[0]]


def round_trip_error(there: Direction, back: Direction, points: Tensor) -> float:
    """max |back(there(p)) − p|."""
    return (back(there(points)[0])[0] - points).abs().max().item()


def log_det_error(direction: Direction, points: Tensor) -> float:
    """max difference between the reported log|det| and that of the Jacobian by autograd, point by point.

    The direction sees one point at a time, hence only the first row of a context.
    """
    worst = 0.0
    for point in points:
        jacobian = torch.autograd.functional.jacobian(lambda p: direction(p[None])[0][0], point)
        reported = direction(point[None])[1][0]
        worst = max(worst, (torch.linalg.slogdet(jacobian)[1] - reported).abs().item())
    return worst


def opposite_log_dets_error(there: Direction, back: Direction, points: Tensor) -> float:
    """max |log|det there| + log|det back||."""
    image, log_det = there(points)
    return (log_det + back(image)[1]).abs().max().item()


def loss_of(objective: str, model: Model, shapes: Shapes, **settings) -> Loss:
    """A loss in units that are already standard."""
    units = [torch.zeros(shapes.x), torch.ones(shapes.x), torch.zeros(shapes.y), torch.ones(shapes.y)]
    return OBJECTIVES.make(objective, **settings).build(model, Context(None, shapes, *units))


def unreached(module: nn.Module, loss: Tensor) -> list[str]:
    """Names of the parameters that get no gradient from the loss, or only zeros."""
    named = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
    gradients = torch.autograd.grad(loss, [p for _, p in named], allow_unused=True)
    return [
        name
        for (name, _), gradient in zip(named, gradients, strict=True)
        if gradient is None or not gradient.abs().max() > 0
    ]


def batch_dependence(direction: Direction, points: Tensor) -> float:
    """max difference between the image of a point alone and in its batch; the context must not vary."""
    together, alone = direction(points), [direction(p[None]) for p in points]
    return max(
        (whole - torch.cat(parts)).abs().max().item()
        for whole, parts in zip(together, zip(*alone, strict=True), strict=True)
    )


def draws_random_numbers(call: Callable[[], object]) -> bool:
    """Whether torch's global generator moved."""
    before = torch.get_rng_state()
    call()
    return not torch.equal(before, torch.get_rng_state())


def mass_by_samples(log_density: Callable[[Tensor], Tensor], x: Tensor) -> tuple[float, float]:
    """E[ g(x) / p(x) ] and its standard error, for a normal g in the middle of draws x (n, D).

    It is ∫ g = 1 where the draws follow the density, and where p covers g.
    """
    near = x[(x - x.median(0).values).square().sum(-1).argsort()[: len(x) // 2]]
    target = torch.distributions.Normal(near.mean(0), 0.7 * near.std(0))
    ratio = (target.log_prob(x).sum(-1) - log_density(x)).exp()
    return float(ratio.mean()), float(ratio.std()) / len(x) ** 0.5


def integral(
    log_density: Callable[[Tensor], Tensor], window: list[tuple[float, float]], points: int
) -> float:
    """Of exp(log_density) over a box in one or two dimensions, by the midpoint rule."""
    middles = (torch.arange(points, dtype=torch.float64) + 0.5) / points
    axes = [low + (high - low) * middles for low, high in window]
    grid = torch.cartesian_prod(*axes).reshape(-1, len(window))
    cell = 1.0
    for low, high in window:
        cell *= (high - low) / points
    with torch.no_grad():
        return float(sum(log_density(part).exp().sum() for part in grid.split(50_000)) * cell)
