"""Critics: the classes of functions over which a variational divergence takes its supremum."""

# ruff: noqa: I001  (the order of these lines is the order of every menu and table)
from workbench.critics.base import CRITICS, Critic
from workbench.critics.mlp import MLP
from workbench.critics.spectral_norm_mlp import SpectralNormMLP
from workbench.critics.quadratic import Quadratic
from workbench.critics.rkhs_ball import RkhsBall

__all__ = ["CRITICS", "Critic", "MLP", "Quadratic", "RkhsBall", "SpectralNormMLP"]
