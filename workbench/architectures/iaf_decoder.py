"""IAF with a decoder: an autoregressive flow from x to [y, z], and a feed-forward network as its inverse.

forward   T([x, pad_x]) = [y, z, pad_z]; a layer maps u to
          v_i = (u_i − t_i(v_{<i})) exp(−s_i(v_{<i})), one component after the other: D passes per layer
log-det   −Σ_i s_i(v_{<i}), summed over the layers
inverse   x̂ = d(y, z), a second network that is trained together with the flow (one pass; not its inverse)
Trained by ½ |y − T_y(x)|²/σ² + ½ |T_z(x)|² − log|det ∂T/∂x| + α |x − d(T_y(x), T_z(x))|².
Source: Kruse, Ardizzone, Rother & Köthe 2021, Benchmarking Invertible Architectures on Inverse Problems,
arXiv:2101.10763; Kingma et al. 2016, arXiv:1606.04934; van den Oord et al. 2018, arXiv:1711.10433; the loss:
Mehta et al., A review of invertible neural networks, eq. (15).
"""

from __future__ import annotations

from typing import ClassVar

from workbench.architectures.base import ARCHITECTURES, CostCard
from workbench.architectures.decoded import DecodedArchitecture


@ARCHITECTURES.register
class IAFDecoder(DecodedArchitecture):
    """Inverse autoregressive flow (IAF) x -> [y, z] with a decoder [y, z] -> x."""

    key = "iaf_decoder"
    title = "IAF with a decoder"
    summary = "An inverse autoregressive flow from x to y and a latent, and a second network that leads back."
    reference = (
        "Kruse, Ardizzone, Rother & Köthe (2021), Benchmarking Invertible Architectures on Inverse "
        "Problems, arXiv:2101.10763"
    )
    cost: ClassVar[CostCard] = CostCard(
        density="none of x",
        sampling="1 pass of the decoder",
        inverse="learned, 1 pass",
        warning="Training takes D passes a layer; the decoder is an inverse only as far as it has "
        "learned to be one.",
    )

    inverse_direction = True
