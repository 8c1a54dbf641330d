"""FittedModel: a trained network with its standardisation and its variables, in data units."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from workbench.core.capability import Capability
from workbench.core.device import pick_device
from workbench.core.entries import public
from workbench.core.errors import SpecError
from workbench.core.lazy import torch
from workbench.core.markup import Shown, variables_text
from workbench.core.named_values import as_tensor, named_values, number_array
from workbench.core.numbers import check_memory, checked_seed, whole_number
from workbench.core.observation import checked_rows, checked_values
from workbench.core.variable import Variable, named
from workbench.inference.column_values import as_values, check_values, is_bounded
from workbench.inference.datatree import to_dataset
from workbench.inference.finite_draws import check_finite, repeated, tell
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


@public
class FittedModel(Shown):
    """A trained network with its standardisation: x and y go in and come out in data units.

    Numbers in data units are in double precision, whatever the network's; returned tensors are on the model's
    device (on the CPU for a device without double precision). Where x has bounds, samples lie inside, and the
    density is zero outside.

    Parameters
    ----------
    model : the network, in standardised units.
    standardisation : maps of x and y between data units and network units; a copy is used.
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
        from workbench.inference.support import Support

        self.model = model
        self.standardisation = copy.deepcopy(standardisation).to(model.device)
        self.x, self.y, self.manifest = tuple(x), tuple(y), dict(manifest or {})
        self.typicality, self.known_problem = typicality, problem
        self.support = Support(self.x, kept=self.keeps_bounds).to(self.standardisation.shift_x.device)

    def facts(self) -> dict[str, object]:
        """Return experiment, variables, step of the weights and size by name."""
        parts = self.manifest.get("experiment") or {}
        texts = {p: parts[p]["key"] for p in ("problem", "architecture", "objective") if p in parts}
        return texts | {
            "x": variables_text(self.x),
            **({"y": variables_text(self.y)} if self.y else {}),
            "iteration": self.manifest.get("iteration", 0),
            "parameters": self.model.parameter_count(),
            "device": self.model.device,
        }

    @property
    def capabilities(self) -> frozenset[str]:
        """Capabilities of the network."""
        return self.model.capabilities

    def _tensor(self, values: Any, variables: Sequence[Variable], noun: str) -> Tensor:
        """Convert values to a tensor (n, columns) in double precision.

        Raises `SpecError` for a wrong number of columns and for values that are not finite.
        """
        columns, units = len(variables), self.standardisation.shift_x.device
        tensor = as_tensor(values, noun, f"(n, {columns}): {named(variables)}").to(units, torch.float64)
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
            if y is not None and (size := as_tensor(y, "observation", "no y").numel()):
                raise SpecError("This model has no observation", expected="no y", found=f"{size} values")
            return None
        if y is None:
            raise SpecError(
                "This model needs an observation",
                expected=f"{len(self.y)} values ({named(self.y)})",
                found="none",
            )
        rows = self._tensor(y, self.y, "observation")
        check_values(rows, self.y, whole=False)
        rows = self._network(self.standardisation.y_in(rows))
        return rows.expand(n, -1) if len(rows) == 1 else rows

    def _network(self, values: Tensor) -> Tensor:
        """Convert to the network's precision and device."""
        return values.to(self.model.device, self.model.dtype)

    def _network_x(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return x (n, D) in network units and precision, and log|det| of the change of units (n,)."""
        x, volume = self.standardisation.x_in_with_volume(self.support.nearest(x))
        return self._network(x), volume

    @property
    def keeps_bounds(self) -> bool:
        """True if no sample lies outside the bounds of x, by the network or by the map of its columns.

        False for models of version 0.1, whose networks do not know of bounds.
        """
        maps = self.standardisation.columns_x.maps
        linear_maps = (m.kind == "linear" and m.edge == "none" for m in maps)
        free = any(linear and is_bounded(v) for linear, v in zip(linear_maps, self.x, strict=True))
        return self.model.keeps_bounds or not free

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
        x, volume = self._network_x(self._tensor(x, self.x, "x"))
        z, log_det = self.model.latent(x, self.standardised_observation(y, len(x)))
        return z, None if log_det is None else log_det.to(volume) + volume

    def inverse(self, z: Tensor, y: Any = None) -> tuple[Tensor, Tensor | None]:
        """Map z (n, K) to x (n, D) in data units and log|det ∂x/∂z| (n,).

        The log-determinant is None where the model has no known one.
        """
        width = self.model.latent_features
        z = as_tensor(z, "latent z", f"(n, {width})")
        if z.ndim != 2 or z.shape[1] != width:
            raise SpecError(
                "The latent z has the wrong shape", expected=f"(n, {width})", found=str(tuple(z.shape))
            )
        x, log_det = self.model.inverse(self._network(z), self.standardised_observation(y, len(z)))
        x, volume = self.standardisation.x_out_with_volume(x)
        return x, None if log_det is None else log_det.to(volume) + volume

    def log_prob(self, x: Any, y: Any = None) -> Tensor:
        """Return log p(x | y) (n,) in nats, in data units; -inf outside the bounds of x.

        Categories count with the logarithms of their probabilities. For a variable of whole numbers it is the
        density of the number plus uniform noise in (-1/2, 1/2): the probability of k is its integral from
        k - 1/2 to k + 1/2, which its exponential at k approximates (and equals for regressed mixtures), and
        between whole numbers it is no zero.
        Raises `SpecError` for a model without density.
        """
        if Capability.DENSITY not in self.capabilities:
            raise SpecError(
                "The density of this model was asked for",
                found="a model without a tractable density",
                suggestion="use samples instead",
            )
        points = self._tensor(x, self.x, "x")
        x, volume = self._network_x(points)
        value = self.model.log_prob(x, self.standardised_observation(y, len(x)))
        return self.support.zero_outside(value.to(volume) + volume, points)

    def evidence_lower_bound(self, x: Any, y: Any, noise: Tensor) -> Tensor:
        """Return one-sample estimates of a lower bound on log p(x | y) (n,), in nats and data units.

        ``noise`` is standard normal, one row for each x; the encoder's latents are sampled with its first
        columns, as many as there are latents.
        Raises `SpecError` for a model without an encoder.
        """
        if Capability.EVIDENCE not in self.capabilities:
            raise SpecError("A bound of the likelihood was asked for", found="a model without an encoder's")
        points = self._tensor(x, self.x, "x")
        x, volume = self._network_x(points)
        model = cast("Any", self.model)  # a model with EVIDENCE has an encoder
        y = self.standardised_observation(y, len(x))
        code_noise = self._network(noise[:, : model.code_features])
        likelihood, divergence = model.evidence(x, y, code_noise)
        return self.support.zero_outside((likelihood - divergence).to(volume) + volume, points)

    def predict(self, x: Any) -> Tensor:
        """Predict y (n, M) from x (n, D). Raises `SpecError` for a model that only infers x."""
        if Capability.FORWARD not in self.capabilities:
            raise SpecError("A prediction of y was asked for", found="a model that does not predict y")
        model = cast("Any", self.model)  # a model with FORWARD predicts
        x, _ = self._network_x(self._tensor(x, self.x, "x"))
        return self.standardisation.y_out(model.predict(x))

    def sample(
        self,
        n: int,
        observation: Any = None,
        generator: torch.Generator | None = None,
        *,
        within_bounds: bool = True,
    ) -> Tensor:
        """Draw n samples of x (n, D), given one observation (M,) or one for each draw (n, M).

        An observation is given in order or by name. Whole numbers are rounded, and values of cyclic variables
        lie in their period. A network that ``keeps_bounds`` itself rejects draws outside them, unless
        ``within_bounds`` is false. Raises `SpecError` for an ``n`` that is not a positive whole number and
        for an observation that does not fit the model. Draws that are not finite are drawn anew, with a
        `NonFiniteDrawsWarning` that counts them; `SpecError` where none comes.
        """
        draws, non_finite = self.sample_and_count(n, observation, generator, within_bounds=within_bounds)
        tell(non_finite, len(draws))
        return draws

    def sample_and_count(
        self,
        n: int,
        observation: Any = None,
        generator: torch.Generator | None = None,
        *,
        within_bounds: bool = True,
    ) -> tuple[Tensor, int]:
        """Draw as `sample` does, without its warning; return also how many draws were not finite at first."""
        draws, non_finite = self.unchecked_sample(n, observation, generator, within_bounds=within_bounds)
        check_finite(draws, len(draws))
        return draws, non_finite

    def unchecked_sample(
        self,
        n: int,
        observation: Any = None,
        generator: torch.Generator | None = None,
        *,
        within_bounds: bool = True,
        repeat: bool = True,
    ) -> tuple[Tensor, int]:
        """Draw as `sample` does; draws that stay without finite numbers are returned as they are.

        Returns also the number of draws that were not finite at first; unless ``repeat``, they are not drawn
        anew.
        """
        n = whole_number(n, "number of draws")
        check_memory(n, len(self.x) + self.model.latent_features, "draws")
        generator = generator or torch.Generator(device=self.model.device).manual_seed(0)
        rows = None if observation is None else self._rows(observation)
        own_row = rows is not None and rows.ndim == 2 and len(rows) == n and n > 1
        chunk, draws, non_finite = chunk_size(self.model), [], 0
        with torch.no_grad():
            for start in range(0, n, chunk):
                count = min(chunk, n - start)
                y = rows[start : start + count] if rows is not None and own_row else rows
                x = self._sample(count, y, generator)
                bad_rows = int((~x.isfinite().all(1)).sum())
                if repeat or within_bounds:
                    x = self._redrawn(x, y, generator, within_bounds=within_bounds, repeat=repeat)
                draws.append(x)
                non_finite += bad_rows
        return torch.cat(draws), non_finite

    def _rows(self, observation: Any) -> Tensor:
        """Convert an observation, given in order or by name, to a tensor; an array keeps its shape."""
        if isinstance(observation, torch.Tensor) or not self.y:
            return as_tensor(observation, "observation", f"{len(self.y)} numbers").to(torch.float64)
        by_name = named_values(observation, self.y) is not None
        numbers = None if by_name else number_array(observation)
        if numbers is not None:
            return torch.from_numpy(np.array(numbers))
        rows, many = checked_rows(observation, self.y)
        return torch.from_numpy(rows if many else rows[0])

    def _sample(self, n: int, y: Tensor | None, generator: torch.Generator) -> Tensor:
        shape = (n, self.model.latent_features)
        z = torch.randn(shape, generator=generator, device=self.model.device, dtype=self.model.dtype)
        x = self.standardisation.x_out(self.model.draw(z, self.standardised_observation(y, 1)))
        return as_values(x, self.x)

    def _redrawn(
        self, x: Tensor, y: Tensor | None, generator: torch.Generator, *, within_bounds: bool, repeat: bool
    ) -> Tensor:
        """Draw anew what is not finite (if ``repeat``) and, for a model that keeps bounds, what lies outside.

        After a hundred rounds, what still lies outside is clipped.
        """
        keeps = within_bounds and self.model.keeps_bounds
        low, high = self.support.low, self.support.high

        def wrong(x: Tensor) -> Tensor:
            outside = ((x < low) | (x > high)).any(1)
            return outside if keeps else torch.zeros_like(outside)

        def again(rows: Tensor) -> Tensor:
            own = y[rows.to(y.device)] if y is not None and y.ndim == 2 and len(y) == len(x) > 1 else y
            return self._sample(len(rows), own, generator)

        x = repeated(x, wrong, again, repeat=repeat)
        return torch.minimum(torch.maximum(x, low), high) if keeps else x

    def concerns(self, observation: Sequence[float]) -> tuple[str, ...]:
        """List reasons to doubt the posterior at an observation (M,), as sentences; empty without any.

        Reasons are a component far outside the training data (perhaps given in another unit), or an
        observation that as a whole is unlike any in the training data.
        """
        observation = checked_values(observation, self.y)
        units, values = self.standardisation, torch.tensor([observation], dtype=torch.float64)
        shift, scale = units.moments_y()
        return concerns(observation, self.y, shift, scale, self.typicality, units.y_in(values), units.y_out)

    def posterior(self, observation: Any) -> Posterior:
        """Return p(x | y = observation), after checking the observation.

        It is given as M values in the order of y, or by name in any order: a mapping, a Series, a table with
        one row, a Dataset or a DataArray. Many at once are rows (k, M), or k values for each name.
        Raises `SpecError` for a wrong number of values, missing or unknown names and values that are not
        finite, and issues an `UnusualObservationWarning` for an observation unlike those of the training.
        """
        posterior = Posterior(self, observation)
        for sentence in posterior.concerns:
            warnings.warn(sentence, UnusualObservationWarning, stacklevel=2)
        return posterior

    def to(self, device: str | torch.device) -> FittedModel:
        """Return a copy on another device: "auto", "cpu", "cuda", "cuda:N" or "mps".

        Raises `RunError` for a device that this machine lacks.
        """
        return FittedModel(
            copy.deepcopy(self.model).to(pick_device(str(device))),
            self.standardisation,
            self.x,
            self.y,
            self.manifest,
            typicality=self.typicality,
            problem=self.known_problem,
        )

    def sample_dataset(self, n: int, *, seed: int = 0) -> xr.Dataset:
        """Draw n samples of x without an observation, as a Dataset with dimension ``draw``."""
        generator = torch.Generator(device=self.model.device).manual_seed(checked_seed(seed))
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
