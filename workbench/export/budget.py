"""A limit on how many numbers torch may be asked for: a few words in a file must not fill the memory."""

from __future__ import annotations

from torch import Tensor
from torch.overrides import TorchFunctionMode

from workbench.core.errors import RefusedError

_MAKERS = {
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
    """Context in which new tensors may hold four times ``numbers`` and a little more; beyond it is refused.

    Counts what torch's factories give (`torch.empty` and its kin), where every layer's weights come from.
    """

    def __init__(self, numbers: int) -> None:
        super().__init__()
        self.left = 4 * numbers + 1_000_000

    def __torch_function__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        if isinstance(made, Tensor) and getattr(function, "__name__", "") in _MAKERS:
            self.left -= made.numel()
            if self.left < 0:
                raise RefusedError(
                    "The network that is described is far larger than the weights that are given",
                    expected="a description that fits its weights",
                )
        return made
