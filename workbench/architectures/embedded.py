"""Base of conditional architectures whose networks read y, or an embedding of y."""

from __future__ import annotations

from typing import TYPE_CHECKING

import param

from workbench.architectures.base import NetworkArchitecture
from workbench.core.shapes import Shapes
from workbench.nn.choices import EMBEDDINGS

if TYPE_CHECKING:
    from torch import nn


class EmbeddedArchitecture(NetworkArchitecture):
    """Base of architectures with an optional embedding network for y, which `embedding_for` builds."""

    embedding = param.Selector(
        default="none",
        objects=list(EMBEDDINGS),
        doc="""
        The network that embeds y before other networks read it: none, a fully connected one, convolutions
        along a series, a deep set, for which the order of the values does not matter, or a phase-free one,
        for complex vectors whose phase does not matter.""",
    )
    embedding_features = param.Integer(
        default=16,
        bounds=(1, 512),
        doc="""
        Number of components of the embedded y, where there is an embedding.""",
    )
    embedding_channels = param.Integer(
        default=1,
        bounds=(1, 64),
        doc="""
        How many components of y belong to one time of a series or to one element of a set, or how many
        complex numbers, real and imaginary part in turn, to one vector.""",
    )
    embedding_width = param.Integer(
        default=0,
        bounds=(0, 2048),
        doc="""
        Units in each hidden layer of the embedding; 0 for as many as the other networks have.""",
    )
    embedding_depth = param.Integer(
        default=0,
        bounds=(0, 16),
        doc="""
        Hidden layers of the embedding; 0 for as many as the other networks have.""",
    )

    def refusals(self, shapes: Shapes) -> list[str]:
        reasons = super().refusals(shapes)
        in_groups = self.embedding in ("convolution_1d", "deep_set")
        if shapes.y and in_groups and shapes.y % self.embedding_channels:
            reasons.append(
                f"The embedding reads y in groups of {self.embedding_channels} components, which do "
                f"not divide its {shapes.y}; choose a number of embedding channels that does."
            )
        elif shapes.y and self.embedding == "phase_free" and shapes.y % (2 * self.embedding_channels):
            reasons.append(
                f"The embedding reads y as vectors of {self.embedding_channels} complex numbers, "
                f"each two components, which do not divide its {shapes.y}; choose a number of "
                "embedding channels that does."
            )
        return reasons

    def unused(self, shapes: Shapes) -> frozenset[str]:
        details = {"embedding_features", "embedding_channels", "embedding_width", "embedding_depth"}
        if not shapes.y:
            return super().unused(shapes) | details | {"embedding"}
        if self.embedding == "none":
            return super().unused(shapes) | details
        return super().unused(shapes) | ({"embedding_channels"} if self.embedding == "mlp" else set())

    def embedding_for(self, shapes: Shapes) -> tuple[nn.Module | None, int]:
        """Build the embedding of y; return it and the number of components that it gives to other networks.

        If y is not embedded, return None and the number of components of y, which are then read directly.
        """
        from workbench.nn.embedding import embedding_network

        sizes = [self.embedding_width or self.width] * (self.embedding_depth or self.depth)
        embedding = embedding_network(
            self.embedding,
            shapes.y,
            channels=self.embedding_channels,
            features=self.embedding_features,
            network=self.network() | {"hidden_features": sizes},
        )
        return embedding, shapes.y if embedding is None else self.embedding_features
