"""Critics: the function class over which a variational divergence takes its supremum."""

from workbench.core.catalogue import Catalogue

CRITICS = Catalogue("critics", "critic")

from workbench.critics.mlp import MLP  # noqa: E402

CRITICS.register(MLP)

__all__ = ["CRITICS", "MLP"]
