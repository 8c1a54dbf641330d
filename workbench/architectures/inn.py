"""INN: one bijection from x to its observation y together with a latent z that keeps what y does not tell.

forward   T([x, pad_x]) = [y, z, pad_z];  two-sided affine couplings, fixed permutations between them
log-det   Σ over the blocks of Σ s₁ + Σ s₂; a permutation has none
inverse   T⁻¹([y, z, pad_z]) = [x, pad_x];  T⁻¹([y, z, 0]) with z ~ N(0, I) is a draw of x given y
Layout    K = D − M where D > M, otherwise D; plus extra_latent.  W = max(D, M + K) + padding.
          input: x in columns 0 … D−1, padding after it;
          output: y in columns 0 … M−1, z in columns M … M+K−1, padding after it.
Latent    normal, or ½ N(−m, ¼) + ½ N(m, ¼) along its first component: a last, fixed layer maps it to a normal
          one (see mixture_latent), so that z is standard normal whatever the law
Source: Ardizzone et al. 2019, Analyzing Inverse Problems with Invertible Neural Networks, arXiv:1808.04730;
the mixture: Hagemann & Neumayer 2021, arXiv:2009.02994.
"""

from __future__ import annotations

from typing import ClassVar

import param
import torch
from torch import Tensor, nn
from zuko.lazy import UnconditionalTransform

from workbench.architectures.base import ARCHITECTURES, CostCard, LayeredArchitecture
from workbench.architectures.flow_model import check_context, check_rows
from workbench.bijections.layer_inverse import forward_and_log_det, inverse_alone
from workbench.bijections.mixture_latent import MixtureLatent
from workbench.bijections.reordering import Reordering
from workbench.bijections.two_sided_coupling import TwoSidedCoupling
from workbench.core.capability import Capability
from workbench.core.errors import DataError
from workbench.core.model import Model
from workbench.core.shapes import Shapes

#: standard deviation of a mode of the latent mixture
MODE_WIDTH = 0.5


class InnModel(Model):
    """The bijection of width ``width`` on the padded x, and the views of it that the other parts need.

    It has no density of x in the sense of `Model.log_prob`: where it is trained by likelihood, the density is
    that of ``[y, z, pad_z]`` under a model of its own (see the objectives). Its log-determinants are those of
    the padded map.

    Attributes
    ----------
    width : W. ``padding_x`` = W − D and ``padding_z`` = W − M − K columns of it are padding.
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

    # the bijection itself

    def forward_full(self, padded: Tensor) -> tuple[Tensor, Tensor]:
        """[x, pad_x] (n, W) -> [y, z, pad_z] (n, W) and the log-determinant of this map (n,)."""
        check_rows("padded x", padded, self.width)
        total = padded.new_zeros(padded.shape[0])
        for block in self.blocks:
            padded, log_det = forward_and_log_det(block(), padded)
            total = total + log_det
        return padded, total

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

    # the layout, written down once

    def pad_x(self, x: Tensor, noise: Tensor | None = None) -> Tensor:
        """x (n, D) -> [x, pad_x] (n, W); the padding is ``noise`` (n, W − D), or zero where there is none."""
        check_rows("x", x, self.features)
        return self._padded(x, noise, self.padding_x)

    def split(self, out: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[y, z, pad_z] (n, W) -> y (n, M), z (n, K), pad_z (n, W − M − K)."""
        return out.split((self.context, self.latent_features, self.padding_z), dim=-1)

    def join(self, y: Tensor, z: Tensor, pad: Tensor | None = None) -> Tensor:
        """y (n, M), z (n, K) -> [y, z, pad_z] (n, W); the padding is zero where it is not given."""
        check_rows("latent z", z, self.latent_features)
        check_context(y, self.context, z.shape[0])
        return self._padded(torch.cat((y, z), dim=-1), pad, self.padding_z)

    @staticmethod
    def _padded(columns: Tensor, padding: Tensor | None, size: int) -> Tensor:
        if padding is None:
            padding = columns.new_zeros(columns.shape[0], size)
        check_rows("padding", padding, size)
        return torch.cat((columns, padding), dim=-1)

    # what every model answers

    def predict(self, x: Tensor) -> Tensor:
        """The observation that the network expects of x: (n, D) -> (n, M)."""
        return self.split(self.forward_full(self.pad_x(x))[0])[0]

    def latent(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x (n, D) -> z (n, K) and log|det| (n,) of the padded map at padding zero. y is not used."""
        if y is not None:
            check_context(y, self.context, x.shape[0])
        out, log_det = self.forward_full(self.pad_x(x))
        return self.split(out)[1], log_det

    def inverse(self, z: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        """z (n, K) and y (n, M) -> x (n, D) and log|det| (n,) of the inverse padded map at padding zero."""
        padded, log_det = self.inverse_full(self.join(self._needed(y), z))
        return padded[:, : self.features], log_det

    def draw(self, z: Tensor, y: Tensor | None) -> Tensor:
        """x (n, D), without the log-determinant."""
        y = self._needed(y)
        out = self.join(y.expand(z.shape[0], -1) if len(y) == 1 else y, z)
        for block in reversed(self.blocks):
            out = inverse_alone(block(), out)
        return out[:, : self.features]

    def stages(self, z: Tensor, y: Tensor | None) -> list[Tensor]:
        """[z, y, pad_z] first, so that the latent comes first; then each block's (n, W); x (n, D) last."""
        steps, _ = self._inverse_steps(self.join(self._needed(y), z))
        y_part, z_part, padding = self.split(steps[0])
        return [torch.cat((z_part, y_part, padding), dim=-1), *steps[1:-1], steps[-1][:, : self.features]]

    def _needed(self, y: Tensor | None) -> Tensor:
        if y is None:
            raise DataError(
                "This model needs an observation y", expected=f"shape (n, {self.context})", found="y=None"
            )
        return y


@ARCHITECTURES.register
class INN(LayeredArchitecture):
    """Invertible neural network of Ardizzone et al."""

    key = "inn"
    title = "Invertible neural network"
    summary = (
        "One bijection predicts y from x and keeps in a latent z what y leaves open; run backwards it "
        "samples x."
    )
    reference = (
        "Ardizzone et al. (2019), Analyzing Inverse Problems with Invertible Neural Networks, ICLR, "
        "arXiv:1808.04730"
    )
    capabilities = frozenset(
        {
            Capability.LATENT,
            Capability.BIJECTION,
            Capability.EXACT_INVERSE,
            Capability.CONDITIONAL,
            Capability.FORWARD,
            Capability.REPARAMETERISED,
            Capability.JOINT_LIKELIHOOD,
        }
    )
    cost: ClassVar[CostCard] = CostCard(density="none of x", sampling="1 pass", inverse="exact, 1 pass")

    clamp = param.Number(
        default=2.0,
        bounds=(0.1, 10.0),
        doc="""
        Largest log-scale of one coupling: it stretches by exp(clamp) at most.""",
    )
    extra_latent = param.Integer(
        default=0,
        bounds=(0, 64),
        doc="""
        Latent components beyond the number that x has over y.""",
    )
    padding = param.Integer(
        default=0,
        bounds=(0, 64),
        doc="""
        More columns of padding on both sides. They give the network room; it must learn to ignore them.""",
    )

    latent_law = param.Selector(
        default="normal",
        objects=["normal", "mixture"],
        doc="""
        The distribution of the latent that the couplings lead to: standard normal, or with two modes along
        its first component, which spares them the tearing where posteriors have modes far apart.""",
    )
    latent_distance = param.Number(
        default=2.0,
        bounds=(0.5, 3.0),
        doc="""
        Distance of the two modes of the latent from zero; each is half as wide as a standard normal.""",
    )

    def assemble(self, shapes: Shapes) -> InnModel:
        latent_features = (shapes.x - shapes.y if shapes.x > shapes.y else shapes.x) + self.extra_latent
        width = max(shapes.x, shapes.y + latent_features) + self.padding
        blocks: list[nn.Module] = []
        for number in range(self.transforms):
            if number > 0:
                order = torch.randperm(width)
                blocks.append(UnconditionalTransform(Reordering, order, buffer=True))
            blocks.append(TwoSidedCoupling(width, clamp=self.clamp, network=self.network()))
        if self.latent_law == "mixture":
            blocks.append(MixtureLatent(shapes.y, self.latent_distance, MODE_WIDTH))
        return InnModel(shapes, blocks, latent_features, width, self.capabilities)
