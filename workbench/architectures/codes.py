"""Base of the autoencoders: settings and capabilities of networks that encode x as [ŷ, z]."""

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
    """Base of autoencoders: an encoder x -> [ŷ, z], or x -> z in problems without y, and a decoder.

    A subclass declares the setting ``code_features``, the number of components of z.
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
        """Number K of components of z: ``code_features`` or, if that is 0, D − M where D > M, else D."""
        return self.code_features or (shapes.x - shapes.y if shapes.x > shapes.y else shapes.x)
