"""Settings of a catalogue's members as settings of the objective that uses them.

A divergence's blur or a critic's slope is chosen where the divergence is chosen, so that it goes into files,
links and forms with the objective. The settings are read off the members: a new member brings its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import param

from workbench.core.catalogue import Catalogue
from workbench.core.spec import Spec


class Borrowed:
    """The settings of the members of ``catalogue`` on the Spec class ``owner``, as ``KEY_SETTING``.

    A setting that is called like its member's key is not called twice (``alpha``). ``shared`` names settings
    that several members have in common and that the owner has already, by their name at the member.
    ``defaults`` holds those, by their name at the owner, for which training wants another value than a ruler.
    """

    def __init__(
        self,
        owner: type[Spec],
        catalogue: Catalogue,
        *,
        shared: Mapping[str, str] | None = None,
        defaults: Mapping[str, Any] | None = None,
    ) -> None:
        self.catalogue, shared, defaults = catalogue, shared or {}, defaults or {}
        #: member key -> {name at the member: name at the owner}
        self.names: dict[str, dict[str, str]] = {}
        for member in catalogue:
            self.names[member.key] = {}
            for setting in member.settings():
                name = shared.get(setting.name) or _joined(member.key, setting.name)
                self.names[member.key][setting.name] = name
                if setting.name not in shared:
                    twin = _twin(member, setting.name, defaults.get(name, setting.default))
                    owner.param.add_parameter(name, twin)

    @property
    def all(self) -> frozenset[str]:
        """Every name at the owner."""
        return frozenset(name for names in self.names.values() for name in names.values())

    def of(self, key: str) -> frozenset[str]:
        """The names at the owner that mean something for one member."""
        return frozenset(self.names[key].values())

    def values(self, key: str, owner: Spec) -> dict[str, Any]:
        """What the owner says of one member's settings."""
        return {setting: getattr(owner, name) for setting, name in self.names[key].items()}

    def make(self, key: str, owner: Spec) -> Spec:
        """The member with the owner's settings, checked."""
        return self.catalogue.make(key, **self.values(key, owner))


def _joined(key: str, setting: str) -> str:
    return key if setting == key else f"{key}_{setting}"


def _twin(member: type[Spec], name: str, default: Any) -> param.Parameter:
    """A parameter of the same kind, bounds and options; its text says whose it is."""
    original = member.param[name]
    doc = f"{member.title}: {' '.join((original.doc or '').split())}"
    if isinstance(original, param.Selector):
        return param.Selector(default=default, objects=list(original.objects), doc=doc)
    if isinstance(original, param.Boolean):
        return param.Boolean(default, doc=doc)
    return type(original)(default, bounds=original.bounds, doc=doc)
