"""Networks of other packages as models: an invertible module, and a module that makes draws of noise."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from workbench.architectures.models.input_checks import check_context, check_rows
from workbench.core.capability import Capability
from workbench.core.errors import IncompatibleError, WorkbenchError
from workbench.core.model import Model
from workbench.core.shapes import Shapes

#: Largest difference of numbers of a bijection from the right ones, relative to 1 + their size.
_TOLERANCE = 1e-3
#: Most components of which a Jacobian is computed.
_MOST_COMPONENTS = 1024


def _call(function: Any, rows: Tensor, y: Tensor | None) -> Any:
    """Call ``function(rows, y)``, without y where there is none."""
    return function(rows) if y is None else function(rows, y)


class WrappedBijection(Model):
    """Normalizing flow made of an invertible module.

    Parameters
    ----------
    module : ``module(x, y)`` returns z (n, D) and log|det ∂z/∂x| (n,), ``module.inverse(z, y)`` returns x,
        and optionally log|det ∂x/∂z|. Without an observation both are called without y.
    shapes : D and M.
    capabilities : those that the architecture declares.
    """

    def __init__(self, module: nn.Module, shapes: Shapes, capabilities: frozenset[str]) -> None:
        super().__init__(shapes.x, shapes.y, shapes.x, capabilities)
        self.module = module

    def latent(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        """x (n, D) -> z (n, D) and log|det ∂z/∂x| (n,)."""
        check_rows("x", x, self.features)
        check_context(y, self.context, x.shape[0])
        z, log_det = _call(self.module, x, y)
        return z, log_det.reshape(x.shape[0])

    def inverse(self, z: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        """z (n, D) -> x (n, D) and log|det ∂x/∂z| (n,)."""
        check_rows("latent z", z, self.latent_features)
        check_context(y, self.context, z.shape[0])
        result = _call(self.module.inverse, z, y)
        if isinstance(result, Tensor):
            return result, -self.latent(result, y)[1]
        return result[0], result[1].reshape(z.shape[0])


class WrappedSampler(Model):
    """Conditional sampler: a module that maps standard normal noise, and y, to draws of x.

    Parameters
    ----------
    module : ``module(z, y)`` returns x (n, D) for noise z (n, K); without an observation ``module(z)``.
    shapes : D and M.
    latents : K.
    capabilities : those that the architecture declares.
    """

    def __init__(self, module: nn.Module, shapes: Shapes, latents: int, capabilities: frozenset[str]) -> None:
        super().__init__(shapes.x, shapes.y, latents, capabilities)
        self.module = module

    def inverse(self, z: Tensor, y: Tensor | None) -> tuple[Tensor, None]:
        """z (n, K) -> x (n, D); the draws have no log-determinant."""
        check_rows("latent z", z, self.latent_features)
        check_context(y, self.context, z.shape[0])
        return _call(self.module, z, y), None


def check_shapes(model: Model, name: str) -> None:
    """Pass zeros through a model. Raises `IncompatibleError` where it fails or returns other shapes."""
    parameter = next(iter(model.parameters()), None)
    if parameter is None:
        raise IncompatibleError(
            f"'{name}' cannot be trained", expected="a network with parameters", found="none"
        )
    y = parameter.new_zeros(2, model.context) if model.context else None
    mode = model.training
    try:
        x, log_det = model.eval().inverse(parameter.new_zeros(2, model.latent_features), y)
        shapes = {"x": (tuple(x.shape), (2, model.features))}
        if Capability.BIJECTION in model.capabilities:
            z, log_det_z = model.latent(x, y)
            shapes |= {"z": (tuple(z.shape), (2, model.features))}
    except WorkbenchError:
        raise
    except Exception as error:  # noqa: BLE001  whatever a network of another package raises
        raise IncompatibleError(
            f"'{name}' cannot be used for {model.features} components of x and {model.context} of y",
            expected="a network that takes rows of these lengths",
            found=f"{type(error).__name__}: {error}"[:300],
        ) from error
    finally:
        model.train(mode)
    for part, (shape, right) in shapes.items():
        if shape != right:
            raise IncompatibleError(
                f"'{name}' cannot be used here", expected=f"{part} of shape {right}", found=f"shape {shape}"
            )


def check_bijection(model: WrappedBijection, name: str) -> None:
    """Compare an invertible module's inverse, and its log-determinants with autograd, at three points.

    The weights are moved a little: initial ones are often those of the identity, whose log-determinant is 0
    whatever its sign. A module that is inverted by iteration keeps its own, and may be less precise. Raises
    `IncompatibleError` where they differ. A log-determinant that is drawn anew in each call, and one of more
    than 1024 components, is not checked.
    """
    exact = Capability.EXACT_INVERSE in model.capabilities
    for dtype in (torch.float64, torch.float32):
        trial = copy.deepcopy(model).to(dtype).eval()
        generator = torch.Generator().manual_seed(0)
        if exact:
            for parameter in trial.parameters():
                noise = torch.randn(parameter.shape, generator=generator, dtype=dtype)
                parameter.data.add_(0.1 * noise.to(parameter))
        rows = [torch.randn(3, n, generator=generator, dtype=dtype) for n in (model.features, model.context)]
        x, y = (values.to(trial.device) for values in rows)
        tolerance = _TOLERANCE * (1 if exact else 50) * (1 if dtype == torch.float64 else 10)
        try:
            with torch.random.fork_rng(devices=[]):
                numbers = _trial(trial, x, y if model.context else None)
        except RuntimeError:  # such as constants in single precision
            continue
        for words, suggestion, right, value in numbers:
            wrong = (value - right).abs() > tolerance * (1 + right.abs())
            wrong &= value.isfinite() & right.isfinite()
            if bool(wrong.any()):
                raise IncompatibleError(
                    words.format(name),
                    expected=f"{float(right[wrong][0]):.4g} at a point",
                    found=f"{float(value[wrong][0]):.4g}",
                    suggestion=suggestion,
                )
        return


def _trial(model: WrappedBijection, x: Tensor, y: Tensor | None) -> list[tuple[str, str, Tensor, Tensor]]:
    """Return what is compared: a sentence about a difference, what to try, the right numbers, those found."""
    z, log_det = model.latent(x, y)
    back, log_det_back = model.inverse(z.detach(), y)
    result = [("'{}' does not invert: inverse(z) of z = module(x) is not x", "", x, back.detach())]
    is_random = not torch.equal(log_det, model.latent(x, y)[1])
    if is_random or x.shape[1] > _MOST_COMPONENTS:
        return result
    jacobian = torch.autograd.functional.jacobian(lambda u: model.latent(u, y)[0].sum(0), x)
    right = torch.linalg.slogdet(jacobian.transpose(0, 1))[1]
    advice = "check its sign, and that it is summed over the components"
    return [
        (
            "The log-determinant of '{}' is not that of its map from x to z, by automatic differentiation",
            advice,
            right,
            log_det.detach(),
        ),
        *result,
        (
            "The log-determinant that the inverse of '{}' returns is not that of its map from z to x",
            advice,
            -right,
            log_det_back.detach(),
        ),
    ]
