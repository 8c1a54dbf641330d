"""Properties of an invertible network as functions of its two directions, to be tested on wrong ones too.

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
from workbench.inference.standardisation import Standardisation
from workbench.objectives import OBJECTIVES, Context, Loss

Direction = Callable[[Tensor], tuple[Tensor, Tensor]]

SHAPES = (Shapes(2, 0), Shapes(4, 2), Shapes(3, 1), Shapes(2, 4), Shapes(1, 0), Shapes(1, 3))
CASES = [
    (key, shapes)
    for key in ARCHITECTURES.keys()
    for shapes in SHAPES
    if not ARCHITECTURES.make(key).refusals(shapes)
]
#: the properties do not depend on the size of the networks
SMALL = {"transforms": 3, "width": 16, "depth": 2, "members": 2}
_TINY = {"transforms": 2, "width": 8, "depth": 1}
#: numerical inverses are slow: two shapes by default, one for the slowest member; the rest are slow tests
_QUICK = (Shapes(2, 0), Shapes(3, 1))
SLOWEST = "unconstrained_neural_autoregressive"


def name_of(value: object) -> str:
    return f"{value.x}-{value.y}" if isinstance(value, Shapes) else str(value)


def build_model(key: str, shapes: Shapes, *, seed: int = 0, **settings) -> Model:
    """Build a model in float64 and perturb its weights, so that nothing holds by the initialisation alone."""
    torch.manual_seed(seed)
    model = ARCHITECTURES.make(key, **small(key) | settings).build(shapes).double()
    with torch.no_grad():
        if has(key, Capability.LATENT):  # initialise actnorm
            model.latent(*batch(shapes, 64, seed=seed + 100))
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return model


def parametrize_cases(cases: list[tuple[str, Shapes]]):
    """Parametrise a test over cases of key and shapes; expensive ones are marked as slow."""
    parameters = [
        pytest.param(
            key,
            shapes,
            id=f"{key}-{name_of(shapes)}",
            marks=[pytest.mark.slow] if is_slow(key, shapes) else [],
        )
        for key, shapes in cases
    ]
    return pytest.mark.parametrize(("key", "shapes"), parameters)


def is_slow(key: str, shapes: Shapes) -> bool:
    """True for cases that take too long for the default suite."""
    return shapes not in (_QUICK[:1] if key == SLOWEST else _QUICK) and numerical(key)


def small(key: str) -> dict:
    """Settings of a small network, as far as the member has them."""
    return only(key, _TINY if numerical(key) else SMALL)


def only(key: str, settings: dict) -> dict:
    """Select the settings that the member has."""
    names = {s.name for s in ARCHITECTURES[key].settings()}
    return {name: value for name, value in settings.items() if name in names}


def has(key: str, *capabilities: str) -> bool:
    """True where the member declares all of the capabilities."""
    return set(capabilities) <= ARCHITECTURES[key].capabilities


def with_capabilities(*capabilities: str) -> list[tuple[str, Shapes]]:
    """Cases of the members that declare all of the capabilities."""
    return [(key, shapes) for key, shapes in CASES if has(key, *capabilities)]


def numerical(key: str) -> bool:
    """True where the inverse is a root search or an integration."""
    exact = has(key, Capability.EXACT_INVERSE) or has(key, Capability.JOINT_LIKELIHOOD)
    return has(key, Capability.LATENT) and not exact and tolerance(key) < 1


def tolerance(key: str) -> float:
    """Tolerance of a round trip as the member declares it; infinite where the inverse is learned."""
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
    """As many observations as points: autograd evaluates one point at a time."""
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
        log_det = direction(point[None])[1][0]
        worst = max(worst, (torch.linalg.slogdet(jacobian)[1] - log_det).abs().item())
    return worst


def opposite_log_dets_error(there: Direction, back: Direction, points: Tensor) -> float:
    """max |log|det there| + log|det back||."""
    image, log_det = there(points)
    return (log_det + back(image)[1]).abs().max().item()


def loss_of(objective: str, model: Model, shapes: Shapes, **settings) -> Loss:
    """Build a loss for data in standard units."""
    context = Context(None, shapes, Standardisation(shapes))
    return OBJECTIVES.make(objective, **settings).build(model, context)


def unreached(module: nn.Module, loss: Tensor) -> list[str]:
    """Names of the parameters that get no gradient from the loss, or only zeros."""
    parameters = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
    gradients = torch.autograd.grad(loss, [p for _, p in parameters], allow_unused=True)
    return [
        name
        for (name, _), gradient in zip(parameters, gradients, strict=True)
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
    """True where the call uses torch's global generator."""
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
    """Integrate exp(log_density) over a box in one or two dimensions by the midpoint rule."""
    middles = (torch.arange(points, dtype=torch.float64) + 0.5) / points
    axes = [low + (high - low) * middles for low, high in window]
    grid = torch.cartesian_prod(*axes).reshape(-1, len(window))
    cell = 1.0
    for low, high in window:
        cell *= (high - low) / points
    with torch.no_grad():
        return float(sum(log_density(part).exp().sum() for part in grid.split(50_000)) * cell)
