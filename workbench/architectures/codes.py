"""Base of the autoencoders: settings and capabilities of networks with a code [ŷ, z]."""

from __future__ import annotations

from typing import ClassVar

import param

from workbench.architectures.base import NetworkArchitecture
from workbench.core.capability import Capability
from workbench.core.shapes import Shapes

CODE_FEATURES_DOC = (
    "Number of components of the code z; 0 takes as many as x has over y, or all of x without y."
)


class CodeArchitecture(NetworkArchitecture):
    """An encoder of x to [ŷ, z] and a decoder; y is predicted only where there is one.

    A member declares the setting ``code_features``.
    """

    capabilities = frozenset(
        {
            Capability.LATENT,
            Capability.CONDITIONAL,
            Capability.UNCONDITIONAL,
            Capability.FORWARD,
            Capability.DECODER,
        }
    )
    inverse_tolerance: ClassVar[float] = float("inf")

    width = param.Integer(default=128)
    depth = param.Integer(default=3)

    def code_size(self, shapes: Shapes) -> int:
        """K: the setting ``code_features``; for 0 the components that x has over y, or all of x."""
        return self.code_features or (shapes.x - shapes.y if shapes.x > shapes.y else shapes.x)
