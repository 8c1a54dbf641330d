"""Normalizing flow made of zuko's lazy transforms, as a `Model`."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from zuko.lazy import LazyTransform

from workbench.architectures.models.input_checks import check_context, check_rows
from workbench.bijections.layer_inverse import forward_of_layer, inverse_and_log_det, inverse_of_layer
from workbench.core.model import Model
from workbench.core.shapes import Shapes


class ZukoFlowModel(Model):
    """Normalizing flow: x -> z through ``layers`` in this order; y enters through the networks inside them.

    Parameters
    ----------
    layers : lazy transforms; each maps (n, D) to (n, D) and draws no random numbers after construction.
    shapes : D and M.
    capabilities : those that the architecture declares.
    embedding : y (n, M) -> features (n, C) that the layers read; None where they read y itself.
    """

    def __init__(
        self,
        layers: Sequence[LazyTransform],
        shapes: Shapes,
        capabilities: frozenset[str],
        embedding: nn.Module | None = None,
    ) -> None:
        super().__init__(shapes.x, shapes.y, shapes.x, capabilities)
        self.layers = nn.ModuleList(layers)
        self.embedding = embedding

    def prepare(self, x: Tensor, y: Tensor | None, bounds: Tensor) -> None:
        """Initialise the embedding from statistics of y (n, M), if it needs them."""
        if y is not None and hasattr(self.embedding, "prepare"):
            self.embedding.prepare(y)

    def latent(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        """x (n, D) -> z (n, D) and log|det ∂z/∂x| (n,)."""
        check_rows("x", x, self.features)
        check_context(y, self.context, x.shape[0])
        context, total = self.embed(y), x.new_zeros(x.shape[0])
        for layer in self.layers:
            x, log_det = forward_of_layer(layer, context, x)
            total = total + log_det
        return x, total

    def inverse(self, z: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        """z (n, D) -> x (n, D) and log|det ∂x/∂z| (n,)."""
        steps, total = self._inverse_steps(z, y)
        return steps[-1], total

    def draw(self, z: Tensor, y: Tensor | None) -> Tensor:
        """z (n, D) -> x (n, D), without the log-determinant.

        ``y`` is (n, M), or (1, M) for one common to all, which is embedded once.
        """
        check_rows("latent z", z, self.latent_features)
        common = y is not None and len(y) == 1
        check_context(y, self.context, 1 if common else z.shape[0])
        context = self.embed(y)
        for layer in reversed(self.layers):
            z = inverse_of_layer(layer, context, z)
        return z

    def stages(self, z: Tensor, y: Tensor | None) -> list[Tensor]:
        """Return z, then the output of each layer's inverse, the last of which is x: tensors (n, D)."""
        return self._inverse_steps(z, y)[0]

    def embed(self, y: Tensor | None) -> Tensor | None:
        """Features (n, C) of y (n, M) that the layers read: its embedding, or y itself; None without y."""
        return y if y is None or self.embedding is None else self.embedding(y)

    def _inverse_steps(self, z: Tensor, y: Tensor | None) -> tuple[list[Tensor], Tensor]:
        check_rows("latent z", z, self.latent_features)
        check_context(y, self.context, z.shape[0])
        context, steps, total = self.embed(y), [z], z.new_zeros(z.shape[0])
        for layer in reversed(self.layers):
            u, log_det = inverse_and_log_det(layer(context), steps[-1])
            steps.append(u)
            total = total + log_det
        return steps, total
