"""Model of the INN (`workbench.architectures.inn`): a bijection, and its columns for x, y, z and padding."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from workbench.architectures.models.input_checks import check_context, check_rows
from workbench.bijections.layer_inverse import forward_and_log_det, inverse_alone
from workbench.core.errors import DataError
from workbench.core.model import Model
from workbench.core.shapes import Shapes


def inn_layout(shapes: Shapes, extra_latent: int = 0, padding: int = 0) -> tuple[int, int]:
    """Return the number K of latent components and the width W of the bijection, ``padding`` included."""
    latent_features = (shapes.x - shapes.y if shapes.x > shapes.y else shapes.x) + extra_latent
    return latent_features, max(shapes.x, shapes.y + latent_features) + padding


class InnModel(Model):
    """Invertible neural network (INN): the bijection [x, pad_x] -> [y, z, pad_z] of width W.

    It has no `Model.log_prob`: maximum likelihood uses a density of ``[y, z, pad_z]`` that the objective
    specifies. Log-determinants are those of the padded map.

    Parameters
    ----------
    blocks : lazy transforms of width W.
    latent_features, width : K and W.

    Attributes
    ----------
    padding_x, padding_z : number of padding columns of the input, W − D, and of the output, W − M − K.
    """

    def __init__(
        self,
        shapes: Shapes,
        blocks: list[nn.Module],
        latent_features: int,
        width: int,
        capabilities: frozenset[str],
    ) -> None:
        super().__init__(shapes.x, shapes.y, latent_features, capabilities)
        self.width = width
        self.padding_x = width - shapes.x
        self.padding_z = width - shapes.y - latent_features
        self.blocks = nn.ModuleList(blocks)

    # the bijection

    def forward_full(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """[x, pad_x] (n, W) -> [y, z, pad_z] (n, W) and the log-determinant of this map (n,)."""
        check_rows("padded x", u, self.width)
        total = u.new_zeros(u.shape[0])
        for block in self.blocks:
            u, log_det = forward_and_log_det(block(), u)
            total = total + log_det
        return u, total

    def inverse_full(self, out: Tensor) -> tuple[Tensor, Tensor]:
        """[y, z, pad_z] (n, W) -> [x, pad_x] (n, W) and the log-determinant of this map (n,)."""
        steps, total = self._inverse_steps(out)
        return steps[-1], total

    def _inverse_steps(self, out: Tensor) -> tuple[list[Tensor], Tensor]:
        check_rows("[y, z, padding]", out, self.width)
        steps, total = [out], out.new_zeros(out.shape[0])
        for block in reversed(self.blocks):
            u, log_det = forward_and_log_det(block().inv, steps[-1])
            steps.append(u)
            total = total + log_det
        return steps, total

    # its layout

    def pad_x(self, x: Tensor, noise: Tensor | None = None) -> Tensor:
        """Pad x (n, D) -> [x, pad_x] (n, W); the padding is ``noise`` (n, W − D), by default zero."""
        check_rows("x", x, self.features)
        return self._pad(x, noise, self.padding_x)

    def split(self, out: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Split [y, z, pad_z] (n, W) into y (n, M), z (n, K), pad_z (n, W − M − K)."""
        return out.split((self.context, self.latent_features, self.padding_z), dim=-1)

    def join(self, y: Tensor, z: Tensor, pad: Tensor | None = None) -> Tensor:
        """Join y (n, M), z (n, K) to [y, z, pad_z] (n, W); the padding is ``pad``, by default zero."""
        check_rows("latent z", z, self.latent_features)
        check_context(y, self.context, z.shape[0])
        return self._pad(torch.cat((y, z), dim=-1), pad, self.padding_z)

    @staticmethod
    def _pad(columns: Tensor, padding: Tensor | None, size: int) -> Tensor:
        if padding is None:
            padding = columns.new_zeros(columns.shape[0], size)
        check_rows("padding", padding, size)
        return torch.cat((columns, padding), dim=-1)

    # the methods of every model

    def predict(self, x: Tensor) -> Tensor:
        """Predicted observation: x (n, D) -> y (n, M)."""
        return self.split(self.forward_full(self.pad_x(x))[0])[0]

    def latent(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x (n, D) -> z (n, K) and log|det| (n,) of the padded map at padding zero. y is not used."""
        if y is not None:
            check_context(y, self.context, x.shape[0])
        out, log_det = self.forward_full(self.pad_x(x))
        return self.split(out)[1], log_det

    def inverse(self, z: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        """z (n, K) and y (n, M) -> x (n, D) and log|det| (n,) of the inverse padded map at padding zero."""
        u, log_det = self.inverse_full(self.join(self._require(y), z))
        return u[:, : self.features], log_det

    def draw(self, z: Tensor, y: Tensor | None) -> Tensor:
        """z (n, K), y (n, M) or (1, M) -> x (n, D) as in `inverse`, without the log-determinant."""
        y = self._require(y)
        out = self.join(y.expand(z.shape[0], -1) if len(y) == 1 else y, z)
        for block in reversed(self.blocks):
            out = inverse_alone(block(), out)
        return out[:, : self.features]

    def stages(self, z: Tensor, y: Tensor | None) -> list[Tensor]:
        """Return [z, y, pad_z] (n, W), latent first, each inverse block's output (n, W), and x (n, D)."""
        steps, _ = self._inverse_steps(self.join(self._require(y), z))
        y_part, z_part, padding = self.split(steps[0])
        return [torch.cat((z_part, y_part, padding), dim=-1), *steps[1:-1], steps[-1][:, : self.features]]

    def _require(self, y: Tensor | None) -> Tensor:
        if y is None:
            raise DataError(
                "This model needs an observation y", expected=f"shape (n, {self.context})", found="y=None"
            )
        return y
