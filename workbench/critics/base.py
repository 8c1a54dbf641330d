"""Base of the critics: a Spec of a class of functions u -> v(u), one logit per point u."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from workbench.core.catalogue import Catalogue
from workbench.core.spec import Spec

if TYPE_CHECKING:
    from torch import Tensor, nn

CRITICS: Catalogue[Critic] = Catalogue("critics", "critic")


class Critic(Spec):
    """Base of critics: settings of a class of functions over which a divergence takes its supremum."""

    #: Differences between distributions that the class cannot detect, as a sentence; empty if it detects all.
    caution: ClassVar[str] = ""

    #: True if the class contains the optimal critics between Gaussians, and little else: estimates from
    #: samples that look Gaussian then use the closed forms.
    gaussian: ClassVar[bool] = False

    @abstractmethod
    def build(self, features: int) -> nn.Module:
        """Return a critic module (n, ``features``) -> (n, 1), with random initial weights.

        They come from torch's global generator.
        """

    def fit(self, p: Tensor, q: Tensor) -> nn.Module | None:
        """Return a critic module that estimates log p/q from samples p (n, D) and q (m, D) without training.

        None where the class has no such start.
        """
        return None
