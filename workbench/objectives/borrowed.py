"""Settings of a catalogue's members as settings of the objective that uses them.

A divergence's blur or a critic's slope is chosen together with the divergence, so that it is written into
files, links and forms with the objective. The settings are read from the members: a new member adds its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import param

from workbench.core.catalogue import Catalogue
from workbench.core.spec import Spec


class Borrowed:
    """Settings of the members of ``catalogue`` as parameters ``KEY_SETTING`` of the Spec class ``owner``.

    Parameters
    ----------
    shared : setting of several members -> name of the owner's own setting that takes its place.
    defaults : name at the owner -> default for training, where it differs from the member's, for measuring.

    A setting with its member's key as name keeps that name (``alpha``).
    """

    def __init__(
        self,
        owner: type[Spec],
        catalogue: Catalogue,
        *,
        shared: Mapping[str, str] | None = None,
        defaults: Mapping[str, Any] | None = None,
    ) -> None:
        self.catalogue = catalogue
        common, defaults = shared or {}, defaults or {}
        #: member key -> {name at the member: name at the owner}
        self.names: dict[str, dict[str, str]] = {}
        for member in catalogue:
            self.names[member.key] = {}
            for setting in member.settings():
                name = common.get(setting.name) or _name_at_owner(member.key, setting.name)
                self.names[member.key][setting.name] = name
                if setting.name not in common:
                    copy = _copy_of(member, setting.name, defaults.get(name, setting.default))
                    owner.param.add_parameter(name, copy)

    @property
    def all(self) -> frozenset[str]:
        """Names of all these settings at the owner."""
        return frozenset(name for names in self.names.values() for name in names.values())

    def of(self, key: str) -> frozenset[str]:
        """Return the names at the owner of one member's settings."""
        return frozenset(self.names[key].values())

    def values(self, key: str, owner: Spec) -> dict[str, Any]:
        """Return the owner's values for one member's settings, by their name at the member."""
        return {setting: getattr(owner, name) for setting, name in self.names[key].items()}

    def make(self, key: str, owner: Spec) -> Spec:
        """Return the member with the owner's settings, checked."""
        return self.catalogue.make(key, **self.values(key, owner))


def _name_at_owner(key: str, setting: str) -> str:
    return key if setting == key else f"{key}_{setting}"


def _copy_of(member: type[Spec], name: str, default: Any) -> param.Parameter:
    """Return a parameter of the same kind, bounds and options, with the member's title in its text."""
    original = member.param[name]
    doc = f"{member.title}: {' '.join((original.doc or '').split())}"
    if isinstance(original, param.Selector):
        return param.Selector(default=default, objects=list(original.objects), doc=doc)
    if isinstance(original, param.Boolean):
        return param.Boolean(default, doc=doc)
    return type(original)(default, bounds=original.bounds, doc=doc)
