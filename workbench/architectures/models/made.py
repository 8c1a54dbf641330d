"""Model of MADE (`workbench.architectures.made`)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from workbench.architectures.models.input_checks import check_context, check_rows
from workbench.core.model import Model
from workbench.core.shapes import Shapes
from workbench.nn.masked_network import Categories, MaskedNetwork, NormalMixture


class MadeModel(Model):
    """Autoregressive density: a masked network gives the parameters of each component's distribution.

    The density is a mean over one or several sets of masks, the variants, which differ in the order of the
    components and in connectivity. A sample takes one or two standard normal numbers per component and, if
    there are several variants, one more, which selects the variant.

    Parameters
    ----------
    network : x (n, D), y (n, M) -> parameters of the distribution of each component.
    distribution : family of the distribution of a component, or one for each component, which takes the first
        of its parameters; with `Categories` a component consists of whole numbers and has a probability.
    """

    def __init__(
        self,
        shapes: Shapes,
        network: MaskedNetwork,
        distribution: NormalMixture | Categories | Sequence[NormalMixture | Categories],
        capabilities: frozenset[str],
    ) -> None:
        one_family = isinstance(distribution, NormalMixture | Categories)
        families = [distribution] * shapes.x if one_family else list(distribution)
        extra, numbers = int(network.variants > 1), max(d.numbers for d in families)
        super().__init__(shapes.x, shapes.y, shapes.x * numbers + extra, capabilities)
        self.network, self.distributions = network, families
        self.one_family, self.numbers = one_family, numbers
        self.register_buffer("turn", torch.tensor(0))

    def log_prob(self, x: Tensor, y: Tensor | None) -> Tensor:
        """Return log p(x | y) (n,) in nats, where p = 1/S Σ_s p_s is the mean over all S sets of masks.

        In training mode it is log p_s of a single set of masks instead: the next one at every call.
        """
        check_rows("x", x, self.features)
        check_context(y, self.context, x.shape[0])
        count = self.network.variants
        if count == 1:
            return self.variant_log_prob(x, y, 0)
        if self.training:
            variant = int(self.turn) % count
            self.turn += 1
            return self.variant_log_prob(x, y, variant)
        log_probs = torch.stack([self.variant_log_prob(x, y, variant) for variant in range(count)])
        return torch.logsumexp(log_probs, 0) - math.log(count)

    def variant_log_prob(self, x: Tensor, y: Tensor | None, variant: int) -> Tensor:
        """Return log p_s(x | y) (n,) in nats, from one of the S sets of masks alone, s = ``variant``."""
        parameters = self.network(x, y, variant)
        if self.one_family:
            return self.distributions[0].log_prob(parameters, x).sum(-1)
        columns = [
            d.log_prob(parameters[..., i, : d.outputs], x[..., i]) for i, d in enumerate(self.distributions)
        ]
        return torch.stack(columns, -1).sum(-1)

    def inverse(self, z: Tensor, y: Tensor | None) -> tuple[Tensor, None]:
        """Map latents z (n, K) to samples x (n, D); return x, and None in place of a log-determinant.

        There is none, since x jumps where z selects another set of masks or another component of a mixture.
        """
        check_rows("latent z", z, self.latent_features)
        check_context(y, self.context, z.shape[0])
        count = self.network.variants
        if count == 1:
            return self._draw_variant(z, y, 0), None
        selection = (torch.special.ndtr(z[:, -1:]) * count).floor().clamp(0, count - 1)
        x = z.new_zeros(z.shape[0], self.features)
        for variant in range(count):
            x = torch.where(selection == variant, self._draw_variant(z, y, variant), x)
        return x, None

    def _draw_variant(self, z: Tensor, y: Tensor | None, variant: int) -> Tensor:
        count = self.numbers
        numbers = z[:, : self.features * count].unflatten(-1, (count, self.features))
        columns = list(z.new_zeros(self.features, z.shape[0]).unbind())
        for component in self.network.sequence(variant):
            family = self.distributions[component]
            parameters = self.network(torch.stack(columns, -1), y, variant)[:, component, : family.outputs]
            columns[component] = family.draw(parameters, numbers[:, :, component])
        return torch.stack(columns, -1)
