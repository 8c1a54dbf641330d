"""MAF with a decoder: an autoregressive flow from x to [y, z], and a feed-forward network as its inverse.

forward   T([x, pad_x]) = [y, z, pad_z]; a layer maps u to
          v_i = u_i exp s_i(u_{<i}) + t_i(u_{<i}), all components at once: one pass per layer
log-det   Σ_i s_i(u_{<i}), summed over the layers
inverse   x̂ = d(y, z), a second network that is trained together with the flow (one pass; not its inverse)
Trained by ½ |y − T_y(x)|²/σ² + ½ |T_z(x)|² − log|det ∂T/∂x| + α |x − d(T_y(x), T_z(x))|².
Source: Kruse, Ardizzone, Rother & Köthe 2021, Benchmarking Invertible Architectures on Inverse Problems,
arXiv:2101.10763; Papamakarios, Pavlakou & Murray 2017, arXiv:1705.07057; the loss: Mehta et al., A review of
invertible neural networks, eq. (15).
"""

from __future__ import annotations

from typing import ClassVar

from workbench.architectures.base import ARCHITECTURES, CostCard
from workbench.architectures.decoded import DecodedArchitecture


@ARCHITECTURES.register
class MAFDecoder(DecodedArchitecture):
    """Masked autoregressive flow (MAF) x -> [y, z] with a decoder [y, z] -> x."""

    key = "maf_decoder"
    title = "MAF with a decoder"
    summary = "A masked flow from x to y and a latent, and a second network in the place of its slow inverse."
    reference = (
        "Kruse, Ardizzone, Rother & Köthe (2021), Benchmarking Invertible Architectures on Inverse "
        "Problems, arXiv:2101.10763"
    )
    cost: ClassVar[CostCard] = CostCard(
        density="none of x",
        sampling="1 pass of the decoder",
        inverse="learned, 1 pass",
        warning="The decoder is an inverse only as far as it has learned to be one.",
    )
