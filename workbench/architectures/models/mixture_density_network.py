"""Model of the mixture density network (`workbench.architectures.mixture_density_network`)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from zuko.mixtures import GMM

from workbench.architectures.models.input_checks import check_context, check_rows
from workbench.core.model import Model
from workbench.core.shapes import Shapes
from workbench.nn.triangular import solve_triangular


class MixtureDensityModel(Model):
    """Gaussian mixture p(x | y). A sample takes D + 1 standard normal numbers; one selects the component.

    Parameters
    ----------
    mixture : zuko's Gaussian mixture with full covariances.
    embedding : y (n, M) -> features (n, C) that the mixture's network reads; None where it reads y itself.
    """

    def __init__(
        self, shapes: Shapes, mixture: GMM, capabilities: frozenset[str], embedding: nn.Module | None = None
    ) -> None:
        super().__init__(shapes.x, shapes.y, shapes.x + 1, capabilities)
        self.mixture, self.embedding = mixture, embedding

    def components(self, y: Tensor | None, rows: int) -> tuple[Tensor, Tensor, Tensor]:
        """Log-weights (n, K), means (n, K, D) and Cholesky factors (n, K, D, D) of the mixture given y."""
        check_context(y, self.context, rows)
        distribution = self.mixture(y if y is None or self.embedding is None else self.embedding(y))
        log_weights, normal = torch.log_softmax(distribution.logits, -1), distribution.base
        shape = (rows, self.mixture.components, self.features)
        return (
            log_weights.expand(shape[:2]),
            normal.loc.expand(shape),
            normal.scale_tril.expand(*shape, self.features),
        )

    def log_prob(self, x: Tensor, y: Tensor | None) -> Tensor:
        """log p(x | y) (n,) in nats."""
        check_rows("x", x, self.features)
        log_weights, mean, factor = self.components(y, x.shape[0])
        white = solve_triangular(factor, x[:, None, :] - mean, upper=False)
        normal = -0.5 * (white.square().sum(-1) + self.features * math.log(2 * math.pi))
        return torch.logsumexp(log_weights + normal - factor.diagonal(dim1=-2, dim2=-1).log().sum(-1), -1)

    def inverse(self, z: Tensor, y: Tensor | None) -> tuple[Tensor, None]:
        """Map latents z (n, D + 1) to samples x (n, D); return x, and None in place of a log-determinant.

        There is none, since x jumps where z selects another component of the mixture.
        """
        check_rows("latent z", z, self.latent_features)
        log_weights, mean, factor = self.components(y, z.shape[0])
        below = log_weights.exp().cumsum(-1)[:, :-1] <= torch.special.ndtr(z[:, :1])
        selection = nn.functional.one_hot(below.sum(-1), self.mixture.components).to(z.dtype)
        place = torch.einsum("nk,nkd->nd", selection, mean)
        return place + torch.einsum("nk,nkde,ne->nd", selection, factor, z[:, 1:]), None
