"""A stack of zuko's lazy transforms as a Model: the body of every flow here."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from zuko.lazy import LazyTransform

from workbench.bijections.layer_inverse import forward_and_log_det, inverse_and_log_det, inverse_of_layer
from workbench.core.errors import DataError
from workbench.core.model import Model
from workbench.core.shapes import Shapes


def check_rows(name: str, rows: Tensor, columns: int) -> None:
    """zuko says only that matrices do not multiply; this says whose shape is wrong. Raises `DataError`."""
    if rows.dim() != 2 or rows.shape[1] != columns:
        raise DataError(
            f"The model cannot take this {name}",
            expected=f"a table of shape (n, {columns})",
            found=f"shape {tuple(rows.shape)}",
        )


def check_context(y: Tensor | None, context: int, rows: int) -> None:
    """An observation exactly where the model has one, with one row a point. Raises `DataError`."""
    if context == 0 and y is not None:
        raise DataError(
            "This model has no observation y",
            expected="y=None",
            found=f"shape {tuple(y.shape)}",
            suggestion="leave y out, or choose a problem with an observation",
        )
    if context > 0 and y is None:
        raise DataError("This model needs an observation y", expected=f"shape (n, {context})", found="None")
    if y is not None:
        check_rows("observation y", y, context)
        if y.shape[0] != rows:
            raise DataError(
                "There must be one row of y for each point",
                expected=f"{rows} rows",
                found=f"{y.shape[0]} rows",
            )


class ZukoFlowModel(Model):
    """x -> z through ``layers``, in that order; y enters the networks inside those that have one.

    Parameters
    ----------
    layers : lazy transforms; each maps (n, D) to (n, D) and draws no random numbers after construction.
    shapes : D and M.
    capabilities : what the architecture declares.
    embedding : y (n, M) -> what the layers read instead (n, C); None where they read y itself.
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
        """An embedding that starts from statistics of y (n, M) takes them."""
        if y is not None and hasattr(self.embedding, "prepare"):
            self.embedding.prepare(y)

    def latent(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        """x (n, D) -> z (n, D) and log|det ∂z/∂x| (n,)."""
        check_rows("x", x, self.features)
        check_context(y, self.context, x.shape[0])
        read, total = self.embedded(y), x.new_zeros(x.shape[0])
        for layer in self.layers:
            x, log_det = forward_and_log_det(layer(read), x)
            total = total + log_det
        return x, total

    def inverse(self, z: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        """z (n, D) -> x (n, D) and log|det ∂x/∂z| (n,)."""
        steps, total = self._inverse_steps(z, y)
        return steps[-1], total

    def draw(self, z: Tensor, y: Tensor | None) -> Tensor:
        """x (n, D), without the log-determinant; an observation that all share is embedded once."""
        check_rows("latent z", z, self.latent_features)
        shared = y is not None and len(y) == 1
        check_context(y, self.context, 1 if shared else z.shape[0])
        read = self.embedded(y)
        for layer in reversed(self.layers):
            z = inverse_of_layer(layer, read, z)
        return z

    def stages(self, z: Tensor, y: Tensor | None) -> list[Tensor]:
        """z, what each layer makes of it on the way back, and x: one tensor (n, D) more than layers."""
        return self._inverse_steps(z, y)[0]

    def embedded(self, y: Tensor | None) -> Tensor | None:
        """What the layers read of y: (n, M) -> (n, C)."""
        return y if y is None or self.embedding is None else self.embedding(y)

    def _inverse_steps(self, z: Tensor, y: Tensor | None) -> tuple[list[Tensor], Tensor]:
        check_rows("latent z", z, self.latent_features)
        check_context(y, self.context, z.shape[0])
        read, steps, total = self.embedded(y), [z], z.new_zeros(z.shape[0])
        for layer in reversed(self.layers):
            u, log_det = inverse_and_log_det(layer(read), steps[-1])
            steps.append(u)
            total = total + log_det
        return steps, total
