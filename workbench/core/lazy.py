"""Import modules on first use.

Menus, forms and the command line read the settings and descriptions of catalogue entries, and should not
have to import torch for it. A file that defines an entry therefore takes torch from here, and uses its types
in annotations only:

    from workbench.core.lazy import torch

    if TYPE_CHECKING:
        from torch import Tensor

Subclasses of ``nn.Module`` need torch when they are defined; they have files of their own, which the entry
imports inside its method that builds the network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any


class LazyModule:
    """Stand-in for a module, which is imported when one of its attributes is first read."""

    # no ModuleType: its failing look-up, before __getattr__ is called, takes ten times as long as the rest
    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        # import_module waits where another thread is importing it
        value = self.__dict__[name] = getattr(import_module(self._name), name)
        return value

    def __dir__(self) -> list[str]:
        return dir(import_module(self._name))

    def __repr__(self) -> str:
        return f"<lazy module '{self._name}'>"


def lazy_attributes(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """Make a package's ``__getattr__``, which imports each name from its module on first use.

    Parameters
    ----------
    package : ``__name__`` of the package.
    modules : name -> module that defines it.
    """

    def __getattr__(name: str) -> Any:
        if name in modules:
            return getattr(import_module(modules[name]), name)
        raise AttributeError(f"module '{package}' has no attribute '{name}'")

    return __getattr__


if TYPE_CHECKING:
    import torch as torch
    import zuko as zuko
else:
    torch = LazyModule("torch")
    zuko = LazyModule("zuko")
