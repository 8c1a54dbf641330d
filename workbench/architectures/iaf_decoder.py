"""IAF with a decoder: an autoregressive flow from x to [y, z], and a feed-forward network as its inverse.

forward   T([x, pad_x]) = [y, z, pad_z];
          z_i = (u_i − t_i(z_{<i})) exp(−s_i(z_{<i})), one component after the other: D passes a layer
log-det   −Σ_i s_i(z_{<i}), over the layers
inverse   x̂ = d(y, z), a second network that is trained along (one pass; not the flow's inverse)
Trained by loss (15): ½ |y − T_y(x)|²/σ² + ½ |T_z(x)|² − log|det ∂T/∂x| + α |x − d(T_y(x), T_z(x))|².
Source: Kruse, Ardizzone, Rother & Köthe 2021, Benchmarking Invertible Architectures on Inverse Problems,
arXiv:2101.10763; Kingma et al. 2016, arXiv:1606.04934; van den Oord et al. 2018, arXiv:1711.10433.
"""

from __future__ import annotations

from typing import ClassVar

from workbench.architectures.base import ARCHITECTURES, CostCard
from workbench.architectures.decoded import DecodedArchitecture


@ARCHITECTURES.register
class IAFDecoder(DecodedArchitecture):
    """Inverse autoregressive flow with a decoder."""

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
