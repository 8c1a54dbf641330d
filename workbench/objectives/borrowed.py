"""Copies of the settings of all divergences and critics, as settings of the objective that uses one of them.

For instance the setting ``blur`` of the divergence ``sinkhorn`` becomes ``sinkhorn_blur`` of the objective,
which is stored in files and links and shown in forms as any other. The settings of every entry of a catalogue
are copied, so that a new divergence or critic needs no code here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import param

from workbench.core.catalogue import Catalogue
from workbench.core.spec import Spec


class Borrowed:
    """Adds the settings of all entries of a catalogue to a Spec class, and makes an entry from their values.

    A setting is copied under the name ``KEY_SETTING`` (``sinkhorn_blur``), or under its own where that equals
    the key of its entry (``alpha``).

    Parameters
    ----------
    owner : Spec class that receives the settings, as parameters.
    catalogue : catalogue of the entries.
    shared : name of a setting in the entries -> name of an existing setting of the owner, which all entries
        use instead of a copy.
    defaults : name of a copy in the owner -> its default, where it differs from that in the entry.
    live : True if the copies may be changed while a run trains.
    """

    def __init__(
        self,
        owner: type[Spec],
        catalogue: Catalogue,
        *,
        shared: Mapping[str, str] | None = None,
        defaults: Mapping[str, Any] | None = None,
        live: bool = False,
    ) -> None:
        self.catalogue, self._owner, self._live = catalogue, owner, live
        self._common, self._defaults = shared or {}, defaults or {}
        #: key of an entry -> {name of a setting in the entry: its name in the owner}
        self.names: dict[str, dict[str, str]] = {}
        catalogue.follow(self._copy_settings, self._remove_settings)

    def _copy_settings(self, member: type[Spec]) -> None:
        """Copy the settings of an entry, a built-in one or one that is registered later, to the owner."""
        self.names[member.key] = {}
        for setting in member.settings():
            name = self._common.get(setting.name) or _name_at_owner(member.key, setting.name)
            self.names[member.key][setting.name] = name
            if setting.name not in self._common:
                copy = _copy_of(member, setting.name, self._defaults.get(name, setting.default))
                self._owner.param.add_parameter(name, copy)
        if self._live:
            self._owner.live = self._owner.live | self.of(member.key)

    def _remove_settings(self, member: type[Spec]) -> None:
        """Remove the copies of the settings of an entry that leaves the catalogue."""
        copies = {name for name in self.names.pop(member.key).values() if name in vars(self._owner)}
        for name in copies - set(self._common.values()):
            delattr(self._owner, name)
        self._owner._param__private.params.clear()  # as `add_parameter` does
        self._owner.live = self._owner.live - copies

    @property
    def all(self) -> frozenset[str]:
        """Names that the settings of all entries have in the owner."""
        return frozenset(name for names in self.names.values() for name in names.values())

    def of(self, key: str) -> frozenset[str]:
        """Return the names that the settings of the entry ``key`` have in the owner."""
        return frozenset(self.names[key].values())

    def values(self, key: str, owner: Spec) -> dict[str, Any]:
        """Return the settings of the entry ``key``: name in the entry -> value in ``owner``."""
        return {setting: getattr(owner, name) for setting, name in self.names[key].items()}

    def make(self, key: str, owner: Spec) -> Spec:
        """Return the entry ``key``, with settings from ``owner``; raises `SpecError` for invalid values."""
        return self.catalogue.make(key, **self.values(key, owner))


def _name_at_owner(key: str, setting: str) -> str:
    return key if setting == key else f"{key}_{setting}"


def _copy_of(member: type[Spec], name: str, default: Any) -> param.Parameter:
    """Return a copy of an entry's parameter ``name``, with another default and the entry's title in doc."""
    original = member.param[name]
    doc = f"{member.title}: {' '.join((original.doc or '').split())}"
    if isinstance(original, param.Selector):
        return param.Selector(default=default, objects=list(original.objects), doc=doc)
    if isinstance(original, (param.Boolean, param.String)):
        return type(original)(default, doc=doc)
    return type(original)(default, bounds=original.bounds, doc=doc)
