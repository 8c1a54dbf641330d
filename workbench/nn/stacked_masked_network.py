"""Masked autoregressive networks of several ensemble members, evaluated by one batched product per layer.

network   for each of K members: u_{<i} and c -> P parameters of component i, by masks on the weights
          (see `masked_network`). The number of calls limits the speed of small networks; batching divides it
          by K
linear    on request a masked linear map of the inputs is added to the output; it starts at zero
Source: Germain et al. 2015, MADE, arXiv:1502.03509.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class StackedMaskedNetwork(nn.Module):
    """K MADEs at once: u (K, n, D), c (n, C) or None -> (K, n, D, P), P parameters per component.

    The parameters of a component depend on the components before it and on c.

    Parameters
    ----------
    orders : (K, D), the position 0 … D − 1 of each component in each ensemble member's order.
    context, outputs : C (0 for none) and P.
    hidden, activation : sizes of the hidden layers, and the class of the module between them.
    detail : factor on the initial weights of the first layer, whose kinks are then spread over the inputs'
        range; 0 for the usual initialisation, with the kinks near the origin.
    linear : add a masked linear map of the inputs to the output.
    """

    def __init__(
        self,
        orders: Tensor,
        context: int,
        outputs: int,
        hidden: Sequence[int],
        activation: type[nn.Module],
        *,
        detail: float = 0.0,
        linear: bool = False,
    ) -> None:
        super().__init__()
        members, features = orders.shape
        self.features, self.outputs, self.activation = features, outputs, activation()
        degrees = [torch.cat([orders + 1, torch.zeros(members, context, dtype=torch.long)], 1)]
        # units of degree 0 depend on the context alone
        degrees += [(torch.arange(width) % features).expand(members, -1) for width in hidden]
        masks = [
            after[:, :, None] >= before[:, None, :]
            for before, after in zip(degrees[:-1], degrees[1:], strict=True)
        ]
        strict = (orders + 1)[:, :, None] > degrees[-1][:, None, :]
        masks.append(strict.repeat_interleave(outputs, 1))
        self.weights, self.offsets = nn.ParameterList(), nn.ParameterList()
        for number, mask in enumerate(masks):
            last = number == len(masks) - 1  # close to zero: a spline starts as the identity
            scale = mask.shape[2] ** -0.5 * (0.01 if last else 1.0)
            self.weights.append(nn.Parameter(scale * (2 * torch.rand(mask.shape) - 1)))
            if not mask.any():  # a single component without a context has nothing to read
                self.weights[-1].requires_grad_(False)
            self.offsets.append(nn.Parameter(scale * (2 * torch.rand(members, 1, mask.shape[1]) - 1)))
            self.register_buffer(f"mask_{number}", mask)
        if detail:
            with torch.no_grad():
                self.offsets[0].mul_(detail * masks[0].shape[2] ** 0.5)
                self.weights[0].mul_(detail)
        self.line = None
        if linear:
            mask = ((orders + 1)[:, :, None] > degrees[0][:, None, :]).repeat_interleave(outputs, 1)
            self.line = nn.Parameter(torch.zeros(mask.shape), requires_grad=bool(mask.any()))
            self.register_buffer("mask_line", mask)

    def forward(self, u: Tensor, c: Tensor | None, members: slice) -> Tensor:
        h = inputs = u if c is None else torch.cat([u, c.expand(u.shape[0], *c.shape)], -1)
        for number, (weight, offset) in enumerate(zip(self.weights, self.offsets, strict=True)):
            matrices = (weight * getattr(self, f"mask_{number}"))[members]
            h = torch.baddbmm(offset[members], h if number == 0 else self.activation(h), matrices.mT)
        if self.line is not None:
            h = torch.baddbmm(h, inputs, (self.line * self.mask_line)[members].mT)
        return h.unflatten(-1, (self.features, self.outputs))
