"""What a critic is: a Spec of a class of functions u -> v, one logit for each point."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from torch import nn

from workbench.core.catalogue import Catalogue
from workbench.core.spec import Spec

CRITICS = Catalogue("critics", "critic")


class Critic(Spec):
    """The function class over which a variational divergence takes its supremum."""

    #: What this class cannot see, as a sentence; empty where it is rich enough.
    caution: ClassVar[str] = ""

    @abstractmethod
    def build(self, features: int) -> nn.Module:
        """A module (n, features) -> (n, 1); uses the global random numbers for initial weights only."""
