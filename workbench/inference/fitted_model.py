"""FittedModel: a trained network with its standardisation and its variables, in data units."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from workbench.core.capability import Capability
from workbench.core.errors import SpecError
from workbench.core.lazy import torch
from workbench.core.variable import Variable, named
from workbench.inference.datatree import to_dataset
from workbench.inference.out_of_distribution import Typicality, UnusualObservationWarning, concerns
from workbench.inference.posterior import Posterior

if TYPE_CHECKING:
    import xarray as xr
    from torch import Tensor

    from workbench.core.model import Model
    from workbench.inference.standardisation import Standardisation
    from workbench.problems.base import Problem

#: Activations of the widest layer, over all draws of a forward pass, that fit into a processor's cache beside
#: the weights. Passes of that size are up to twice as fast as passes of tens of thousands of draws.
_IN_CACHE = 2**18
_LEAST_CHUNK, _MOST_CHUNK = 1024, 16_384
#: Draws per forward pass on an accelerator, where each pass costs kernel launches.
_LARGE_CHUNK = 32_768
#: Number of times that samples outside the bounds are drawn again before they are clipped.
_TRIES = 100


class FittedModel:
    """A trained network with its standardisation: x and y go in and come out in data units.

    Returned tensors are on the model's device.

    Parameters
    ----------
    model : the network, in standardised units.
    standardisation : shift and scale of x and y.
    x, y : the variables, in the order of the columns.
    manifest : JSON-ready provenance: ``experiment``, the settings of the training as `Experiment.to_dict`
        returns them, and ``iteration``, the training step of the weights.
    typicality : test for observations unlike those of the training, if available.
    problem : the problem that the network was trained on, if available.
    """

    def __init__(
        self,
        model: Model,
        standardisation: Standardisation,
        x: Sequence[Variable],
        y: Sequence[Variable],
        manifest: dict[str, Any] | None = None,
        *,
        typicality: Typicality | None = None,
        problem: Problem | None = None,
    ) -> None:
        self.model = model
        self.standardisation = standardisation.to(model.device, model.dtype)
        self.x, self.y, self.manifest = tuple(x), tuple(y), dict(manifest or {})
        self.typicality, self.known_problem = typicality, problem

    @property
    def capabilities(self) -> frozenset[str]:
        """Capabilities of the network."""
        return self.model.capabilities

    def _tensor(self, values: Any, variables: Sequence[Variable], noun: str) -> Tensor:
        """Convert values to a tensor (n, columns) in the model's precision and on its device.

        Raises `SpecError` for a wrong number of columns and for values that are not finite.
        """
        columns = len(variables)
        tensor = torch.as_tensor(values, dtype=self.model.dtype, device=self.model.device)
        if tensor.ndim == 1:
            tensor = tensor[None, :]
        if tensor.ndim != 2 or tensor.shape[1] != columns:
            raise SpecError(
                f"The {noun} has the wrong shape",
                expected=f"(n, {columns}): {named(variables)}",
                found=str(tuple(tensor.shape)),
            )
        if not torch.isfinite(tensor).all():
            row, column = (~torch.isfinite(tensor)).nonzero()[0].tolist()
            raise SpecError(
                f"The {noun} holds values that are not finite",
                expected=f"a number for {variables[column].name}",
                found=f"{tensor[row, column].item()}" + (f" in row {row}" if len(tensor) > 1 else ""),
                suggestion="leave such rows out: the network was trained on complete ones",
            )
        return tensor

    def standardised_observation(self, y: Any, n: int) -> Tensor | None:
        """Return y as standardised rows (n, M), a single row repeated n times; None for a model without y.

        Raises `SpecError` where y does not fit the model.
        """
        if not self.y:
            if y is not None and len(y):
                raise SpecError("This model has no observation", expected="no y", found=f"{len(y)} values")
            return None
        if y is None:
            raise SpecError(
                "This model needs an observation",
                expected=f"{len(self.y)} values ({named(self.y)})",
                found="none",
            )
        rows = self._tensor(y, self.y, "observation")
        return self.standardisation.y_in(rows.expand(n, -1) if len(rows) == 1 else rows)

    def latent(self, x: Any, y: Any = None) -> tuple[Tensor, Tensor | None]:
        """Map x (n, D) to z (n, K) and log|det ∂z/∂x| (n,), the change of units included.

        The log-determinant is None where the model has no known one. Raises `SpecError` for a model that does
        not map data to latents.
        """
        if Capability.LATENT not in self.capabilities:
            raise SpecError(
                "The latent code of data was asked for",
                found="a model that draws, but has no code of data",
                suggestion="use its samples instead",
            )
        x = self._tensor(x, self.x, "x")
        z, log_det = self.model.latent(self.standardisation.x_in(x), self.standardised_observation(y, len(x)))
        return z, None if log_det is None else log_det - self.standardisation.scale_x.log().sum()

    def inverse(self, z: Tensor, y: Any = None) -> tuple[Tensor, Tensor | None]:
        """Map z (n, K) to x (n, D) in data units and log|det ∂x/∂z| (n,).

        The log-determinant is None where the model has no known one.
        """
        x, log_det = self.model.inverse(z, self.standardised_observation(y, len(z)))
        volume = None if log_det is None else log_det + self.standardisation.scale_x.log().sum()
        return self.standardisation.x_out(x), volume

    def log_prob(self, x: Any, y: Any = None) -> Tensor:
        """Return log p(x | y) (n,) in nats, in data units. Raises `SpecError` for a model without density."""
        if Capability.DENSITY not in self.capabilities:
            raise SpecError(
                "The density of this model was asked for",
                found="a model without a tractable density",
                suggestion="use samples instead",
            )
        x = self._tensor(x, self.x, "x")
        value = self.model.log_prob(self.standardisation.x_in(x), self.standardised_observation(y, len(x)))
        return value - self.standardisation.scale_x.log().sum()

    def evidence_lower_bound(self, x: Any, y: Any, noise: Tensor) -> Tensor:
        """Return one-sample estimates of a lower bound on log p(x | y) (n,), in nats and data units.

        ``noise`` is standard normal, one row for each x; the encoder's latents are sampled with its first
        columns, as many as there are latents.
        Raises `SpecError` for a model without an encoder.
        """
        if Capability.EVIDENCE not in self.capabilities:
            raise SpecError("A bound of the likelihood was asked for", found="a model without an encoder's")
        x = self._tensor(x, self.x, "x")
        model = cast("Any", self.model)  # a model with EVIDENCE has an encoder
        y = self.standardised_observation(y, len(x))
        code_noise = noise[:, : model.code_features]
        likelihood, divergence = model.evidence(self.standardisation.x_in(x), y, code_noise)
        return likelihood - divergence - self.standardisation.scale_x.log().sum()

    def predict(self, x: Any) -> Tensor:
        """Predict y (n, M) from x (n, D). Raises `SpecError` for a model that only infers x."""
        if Capability.FORWARD not in self.capabilities:
            raise SpecError("A prediction of y was asked for", found="a model that does not predict y")
        model = cast("Any", self.model)  # a model with FORWARD predicts
        x = self._tensor(x, self.x, "x")
        return self.standardisation.y_out(model.predict(self.standardisation.x_in(x)))

    def sample(
        self,
        n: int,
        observation: Any = None,
        generator: torch.Generator | None = None,
        *,
        within_bounds: bool = True,
    ) -> Tensor:
        """Draw n samples of x (n, D), given one observation (M,) or one for each draw (n, M).

        A model that ``keeps_bounds`` rejects draws outside the bounds of x unless ``within_bounds`` is false;
        `log_prob` is the density before this rejection. Raises `SpecError` for an ``n`` that is not a
        positive whole number and for an observation that does not fit the model.
        """
        if not isinstance(n, int) or n < 1:
            raise SpecError("The number of draws must be a positive whole number", found=repr(n))
        generator = generator or torch.Generator(device=self.model.device).manual_seed(0)
        rows = None if observation is None else torch.as_tensor(observation, dtype=self.model.dtype)
        own_row = rows is not None and rows.ndim == 2 and len(rows) == n and n > 1
        chunk, draws = chunk_size(self.model), []
        with torch.no_grad():
            for start in range(0, n, chunk):
                count = min(chunk, n - start)
                y = rows[start : start + count] if rows is not None and own_row else rows
                x = self._sample(count, y, generator)
                draws.append(self._within_bounds(x, y, generator) if within_bounds else x)
        return torch.cat(draws)

    def _sample(self, n: int, y: Tensor | None, generator: torch.Generator) -> Tensor:
        shape = (n, self.model.latent_features)
        z = torch.randn(shape, generator=generator, device=self.model.device, dtype=self.model.dtype)
        return self.standardisation.x_out(self.model.draw(z, self.standardised_observation(y, 1)))

    def _within_bounds(self, x: Tensor, y: Tensor | None, generator: torch.Generator) -> Tensor:
        """Redraw samples outside the bounds of x, a hundred times at most, and clip those still outside.

        Returns x as it is for a model that does not keep bounds.
        """
        if not self.model.keeps_bounds:
            return x
        low, high = (x.new_tensor([getattr(v, side) for v in self.x]) for side in ("low", "high"))
        for _ in range(_TRIES):
            rows = ((x < low) | (x > high)).any(1).nonzero()[:, 0]
            if not len(rows):
                return x
            own = y[rows] if y is not None and y.ndim == 2 and len(y) == len(x) > 1 else y
            x[rows] = self._sample(len(rows), own, generator)
        return torch.minimum(torch.maximum(x, low), high)

    def concerns(self, observation: Sequence[float]) -> tuple[str, ...]:
        """List reasons to doubt the posterior at an observation (M,), as sentences; empty without any.

        Reasons are a component far outside the training data (perhaps given in another unit), or an
        observation that as a whole is unlike any in the training data.
        """
        units = self.standardisation
        shift, scale = (t.detach().to("cpu", torch.float64) for t in (units.shift_y, units.scale_y))
        return concerns(observation, self.y, shift, scale, self.typicality)

    def posterior(self, observation: Any) -> Posterior:
        """Return p(x | y = observation), after checking the observation.

        Raises `SpecError` for a wrong number of values or values that are not finite, and issues an
        `UnusualObservationWarning` for an observation unlike those of the training.
        """
        posterior = Posterior(self, observation)
        for sentence in posterior.concerns:
            warnings.warn(sentence, UnusualObservationWarning, stacklevel=2)
        return posterior

    def sample_dataset(self, n: int, *, seed: int = 0) -> xr.Dataset:
        """Draw n samples of x without an observation, as a Dataset with dimension ``draw``."""
        generator = torch.Generator(device=self.model.device).manual_seed(seed)
        return to_dataset(self.sample(n, None, generator), self.x)


def chunk_size(model: Model) -> int:
    """Return the number of draws per forward pass.

    It is a power of two from 1024 on, so a multiple of the sixteen numbers that torch generates at a time:
    the random numbers do not depend on it.
    """
    if model.device.type != "cpu":
        return _LARGE_CHUNK
    widest = max((p.shape[:-1].numel() for p in model.parameters() if p.dim() > 1), default=1)
    return min(_MOST_CHUNK, max(_LEAST_CHUNK, 2 ** int(math.log2(_IN_CACHE / widest))))
