"""A limit on the number of elements of new tensors, so that a short description in a file cannot exhaust
the memory."""

# ruff: noqa: TID253  (derives from a class of torch; imported by the function that uses it)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

from workbench.core.errors import RefusedError

_FACTORIES = {
    "empty",
    "zeros",
    "ones",
    "full",
    "eye",
    "rand",
    "randn",
    "randperm",
    "arange",
    "linspace",
    "tensor",
}


class Budget(TorchFunctionMode):
    """Context in which new tensors may hold 4 · ``numbers`` + 1,000,000 elements in all.

    Counts the tensors of torch's factories (`torch.empty` and the like), which allocate all weights. Raises
    `RefusedError` beyond the limit.
    """

    def __init__(self, numbers: int) -> None:
        super().__init__()
        self.left = 4 * numbers + 1_000_000

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        if isinstance(result, Tensor) and getattr(function, "__name__", "") in _FACTORIES:
            self.left -= result.numel()
            if self.left < 0:
                raise RefusedError(
                    "The network that is described is far larger than the weights that are given",
                    expected="a description that fits its weights",
                )
        return result
