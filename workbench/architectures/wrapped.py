"""Wrappers that make an architecture of a flow of zuko, of an invertible module or of a sampler."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from workbench.architectures.base import ARCHITECTURES, Architecture, CostCard
from workbench.architectures.couplings import FLOW_CAPABILITIES
from workbench.core.capability import Capability
from workbench.core.errors import IncompatibleError
from workbench.core.lazy import torch
from workbench.core.shapes import Shapes
from workbench.core.wrapper import member_class, settings_of

if TYPE_CHECKING:
    from torch import nn

    from workbench.core.model import Model

#: Arguments of a function that builds a network, which are no settings: the components of x and of y.
INPUTS = ("features", "context")
_SAMPLER_CAPABILITIES = frozenset(
    {Capability.REPARAMETERISED, Capability.CONDITIONAL, Capability.UNCONDITIONAL}
)
_COST = CostCard(density="that of the network", sampling="that of the network", inverse="its own")


class WrappedArchitecture(Architecture):
    """Base of architectures whose network another package builds, by ``builder(features, context, …)``."""

    cost: ClassVar[CostCard] = _COST
    builder: ClassVar[Callable[..., Any]]

    def network(self, shapes: Shapes) -> Any:
        """Return a new network for D components of x and M of y, with these settings."""
        return type(self).builder(features=shapes.x, context=shapes.y, **self.values())

    def assemble(self, shapes: Shapes) -> Model:
        from workbench.architectures.models.wrapped import WrappedBijection, check_bijection, check_shapes

        model = self.wrapped(self.network(shapes), shapes)
        check_shapes(model, self.key)
        if isinstance(model, WrappedBijection):
            check_bijection(model, self.key)
        return model

    def wrapped(self, network: Any, shapes: Shapes) -> Model:
        """Return the network as a model."""
        raise NotImplementedError


class _Flow(WrappedArchitecture):
    """Architecture made of a flow of zuko."""

    def wrapped(self, network: Any, shapes: Shapes) -> Model:
        from zuko.lazy import Flow, LazyComposedTransform

        from workbench.architectures.models.zuko_flow import ZukoFlowModel

        if not isinstance(network, Flow):
            raise IncompatibleError(
                f"'{self.key}' is no flow of zuko",
                expected="an object of zuko.flows, such as zuko.flows.NSF(features, context)",
                found=type(network).__name__,
            )
        _check_base(self.key, network, shapes)
        transform = network.transform
        parts = transform.transforms if isinstance(transform, LazyComposedTransform) else [transform]
        return ZukoFlowModel(list(parts), shapes, self.capabilities)


class _Bijection(WrappedArchitecture):
    """Architecture made of an invertible module."""

    def wrapped(self, network: nn.Module, shapes: Shapes) -> Model:
        from workbench.architectures.models.wrapped import WrappedBijection

        return WrappedBijection(network, shapes, self.capabilities)


class _Sampler(WrappedArchitecture):
    """Architecture made of a module that maps noise to draws."""

    latents: ClassVar[int] = 0

    def wrapped(self, network: nn.Module, shapes: Shapes) -> Model:
        from workbench.architectures.models.wrapped import WrappedSampler

        return WrappedSampler(network, shapes, self.latents or shapes.x, self.capabilities)


def flow(network: Any = None, *, exact_inverse: bool = True, **texts: Any) -> Any:
    """Register a flow of zuko as an architecture, and return its class; also used as a decorator.

    Parameters
    ----------
    network : a function ``(features, context, …)`` that builds the flow, whose further arguments become
        settings; a class of zuko.flows or a `functools.partial` of one; or a flow for one problem's shapes,
        whose weights the training starts from.
    exact_inverse : False for a flow that is inverted by iteration, such as zuko.flows.NAF.
    texts : ``key``, ``title``, ``summary`` and ``reference``; by default the function's name and docstring.

    Raises `SpecError` where no key follows from the function's name.
    """
    capabilities = FLOW_CAPABILITIES if exact_inverse else FLOW_CAPABILITIES - {Capability.EXACT_INVERSE}
    return _registered(_Flow, network, capabilities, texts)


def bijection(network: Any = None, *, exact_inverse: bool = True, **texts: Any) -> Any:
    """Register an invertible ``nn.Module`` as an architecture, and return its class; also a decorator.

    Parameters
    ----------
    network : a function ``(features, context, …)`` that builds the module, or a module for one problem's
        shapes. ``module(x, y)`` returns z and log|det ∂z/∂x| (n,), ``module.inverse(z, y)`` returns x, and
        optionally log|det ∂x/∂z|; without an observation both are called without y.
    exact_inverse : False for a module that is inverted by iteration.
    texts : ``key``, ``title``, ``summary`` and ``reference``; by default the function's name and docstring.

    Where a model is built, the inverse and the log-determinants are compared with the map and its
    derivatives; `IncompatibleError` is raised where they differ.
    """
    capabilities = FLOW_CAPABILITIES if exact_inverse else FLOW_CAPABILITIES - {Capability.EXACT_INVERSE}
    return _registered(_Bijection, network, capabilities, texts)


def sampler(network: Any = None, *, latents: int = 0, **texts: Any) -> Any:
    """Register an ``nn.Module`` that makes draws as an architecture; also used as a decorator.

    It has no density: it is trained by the variational objective.

    Parameters
    ----------
    network : a function ``(features, context, …)`` that builds the module, or a module for one problem's
        shapes. ``module(z, y)`` returns x (n, D) for standard normal noise z (n, K); without an observation
        it is called without y.
    latents : K; 0 for as many as x has components.
    texts : ``key``, ``title``, ``summary`` and ``reference``; by default the function's name and docstring.
    """
    return _registered(_Sampler, network, _SAMPLER_CAPABILITIES, texts, latents=latents)


def _registered(
    base: type[WrappedArchitecture],
    network: Any,
    capabilities: Iterable[Capability],
    texts: dict[str, Any],
    **attributes: Any,
) -> Any:
    """Make a class of ``base`` that builds a network, and register it; a decorator without a network."""
    if network is None:
        return partial(_registered, base, capabilities=capabilities, texts=texts, **attributes)
    builder, settings = _builder(network)
    member = member_class(
        base,
        network if callable(network) and settings is not None else builder,
        settings or {},
        **texts,
        builder=staticmethod(builder),
        capabilities=frozenset(capabilities),
        **attributes,
    )
    return ARCHITECTURES.register(member)


def _builder(network: Any) -> tuple[Callable[..., Any], dict[str, Any] | None]:
    """Return a function that builds a network, and its settings; None for a network that is copied."""
    if isinstance(network, torch.nn.Module):
        return partial(_copy, network), None
    if isinstance(network, partial) or isinstance(
        network, type
    ):  # arguments that were not fixed stay default
        return network, {}
    return network, settings_of(network, INPUTS)


def _copy(network: nn.Module, *, features: int, context: int) -> nn.Module:
    return copy.deepcopy(network)


def _check_base(key: str, network: Any, shapes: Shapes) -> None:
    """Raise `IncompatibleError` unless the base of a flow is standard normal in D dimensions."""
    try:
        base = network.base(None)
        x = torch.linspace(-2.0, 2.0, shapes.x)
        density = float(base.log_prob(x))
        right = -0.5 * float(x.square().sum()) - 0.5 * shapes.x * math.log(2 * math.pi)
        fits = abs(density - right) < 1e-3 * max(1.0, abs(right))
    except Exception:  # noqa: BLE001  a base of another shape, or one that depends on the observation
        fits = False
    if not fits:
        raise IncompatibleError(
            f"The flow '{key}' cannot be used for {shapes.x} components of x",
            expected=f"a standard normal base in {shapes.x} dimensions, which does not depend on y",
            found=repr(network.base)[:200],
            suggestion="wrap the flow as a bijection that maps to standard normal numbers",
        )
