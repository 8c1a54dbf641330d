"""Base of the critics: a Spec of a class of functions u -> v, one logit for each point."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from workbench.core.catalogue import Catalogue
from workbench.core.spec import Spec

if TYPE_CHECKING:
    from torch import nn

CRITICS: Catalogue[Critic] = Catalogue("critics", "critic")


class Critic(Spec):
    """The function class over which a variational divergence takes its supremum."""

    #: Differences that the class cannot detect, as a sentence; empty where it is rich enough.
    caution: ClassVar[str] = ""

    @abstractmethod
    def build(self, features: int) -> nn.Module:
        """Return a module (n, ``features``) -> (n, 1); its initial weights use the global random numbers."""
