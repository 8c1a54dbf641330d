"""Critics: the function class over which a variational divergence takes its supremum."""

from workbench.core.catalogue import Catalogue

CRITICS = Catalogue("critics", "critic")

from workbench.critics.base import Critic  # noqa: E402
from workbench.critics.mlp import MLP  # noqa: E402
from workbench.critics.quadratic import Quadratic  # noqa: E402
from workbench.critics.rkhs_ball import RkhsBall  # noqa: E402
from workbench.critics.spectral_norm_mlp import SpectralNormMLP  # noqa: E402

for _member in (MLP, SpectralNormMLP, Quadratic, RkhsBall):
    CRITICS.register(_member)

__all__ = ["CRITICS", "Critic", "MLP", "Quadratic", "RkhsBall", "SpectralNormMLP"]
