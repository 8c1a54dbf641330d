"""Wrapper that makes a divergence of a function of two samples."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from workbench.core.wrapper import accepted, member_class, settings_of
from workbench.divergences.base import DIVERGENCES, SampleDivergence

if TYPE_CHECKING:
    import torch
    from torch import Tensor

#: Arguments of a function that are no settings.
INPUTS = ("p", "q", "generator")


class WrappedDivergence(SampleDivergence):
    """Base of divergences that a function computes from two samples."""

    estimator = "from the samples"
    distance: ClassVar[Callable[..., Any]]

    def between(self, p: Tensor, q: Tensor, generator: torch.Generator | None = None) -> Tensor:
        function = type(self).distance
        inputs = {"p": p, "q": q, "generator": generator}
        names = accepted(function, INPUTS)
        return function(**{name: inputs[name] for name in names}, **self.values())


def divergence(function: Callable[..., Any] | None = None, *, invariant: bool = False, **texts: Any) -> Any:
    """Register a function of two samples as a divergence, and return its class; also used as a decorator.

    Parameters
    ----------
    function : ``(p, q, …)`` returns a scalar with gradient for samples p (n, D) and q (m, D). It may take a
        ``generator`` (or None) for random numbers; its further arguments become settings.
    invariant : True if changes of variables leave the value as it is.
    texts : ``key``, ``title``, ``summary`` and ``reference``; by default the function's name and docstring.
    """
    if function is None:
        return partial(divergence, invariant=invariant, **texts)
    return DIVERGENCES.register(
        member_class(
            WrappedDivergence,
            function,
            settings_of(function, INPUTS),
            **texts,
            distance=staticmethod(function),
            invariant=invariant,
        )
    )
