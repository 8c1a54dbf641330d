"""Settings of divergences and critics as settings of the objective that uses one of them.

A divergence's blur or a critic's slope is thereby stored in files, links and forms with the objective. The
settings are read from the entries of a catalogue, so that a new entry adds its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import param

from workbench.core.catalogue import Catalogue
from workbench.core.spec import Spec


class Borrowed:
    """Settings of all entries of ``catalogue``, copied to the Spec class ``owner`` as ``KEY_SETTING``.

    Parameters
    ----------
    shared : setting of several entries -> name of the owner's own setting that replaces it.
    defaults : name in the owner -> default for training, where that of the entry, for evaluation, differs.

    A setting that is named like its entry's key keeps its name (``alpha``).
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
        #: key of an entry -> {name of a setting in the entry: its name in the owner}
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
        """Names in the owner of the settings of all entries."""
        return frozenset(name for names in self.names.values() for name in names.values())

    def of(self, key: str) -> frozenset[str]:
        """Return the names in the owner of the settings of the entry ``key``."""
        return frozenset(self.names[key].values())

    def values(self, key: str, owner: Spec) -> dict[str, Any]:
        """Return the owner's values of the settings of the entry ``key``, by their names in the entry."""
        return {setting: getattr(owner, name) for setting, name in self.names[key].items()}

    def make(self, key: str, owner: Spec) -> Spec:
        """Return the entry ``key`` with the values of its settings in ``owner``; invalid ones raise."""
        return self.catalogue.make(key, **self.values(key, owner))


def _name_at_owner(key: str, setting: str) -> str:
    return key if setting == key else f"{key}_{setting}"


def _copy_of(member: type[Spec], name: str, default: Any) -> param.Parameter:
    """Return a copy of an entry's parameter, with another default and the entry's title in its doc."""
    original = member.param[name]
    doc = f"{member.title}: {' '.join((original.doc or '').split())}"
    if isinstance(original, param.Selector):
        return param.Selector(default=default, objects=list(original.objects), doc=doc)
    if isinstance(original, param.Boolean):
        return param.Boolean(default, doc=doc)
    return type(original)(default, bounds=original.bounds, doc=doc)
