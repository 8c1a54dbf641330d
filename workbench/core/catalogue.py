"""Catalogues: a member registers itself with one line and every menu, table and test finds it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from workbench.core.errors import SpecError, did_you_mean
from workbench.core.spec import Spec


class Catalogue:
    """An ordered set of Spec classes by key."""

    def __init__(self, name: str, noun: str) -> None:
        self.name, self.noun = name, noun
        self._members: dict[str, type[Spec]] = {}

    def register(self, member: type[Spec]) -> type[Spec]:
        """Class decorator. Key, title and summary must be there, and a key is taken only once."""
        if not (member.key and member.title and member.summary):
            raise SpecError(
                f"{member.__name__} cannot join the catalogue of {self.name}",
                expected="key, title and summary",
                found=f"key={member.key!r}, title={member.title!r}",
            )
        if self._members.setdefault(member.key, member) is not member:
            raise SpecError(f"The key '{member.key}' is taken twice in the catalogue of {self.name}")
        return member

    def __getitem__(self, key: str) -> type[Spec]:
        if key not in self._members:
            raise SpecError(
                f"There is no {self.noun} '{key}'",
                expected=", ".join(self._members),
                found=str(key),
                suggestion=did_you_mean(str(key), self._members),
            )
        return self._members[key]

    def __contains__(self, key: object) -> bool:
        return key in self._members

    def __iter__(self) -> Iterator[type[Spec]]:
        return iter(self._members.values())

    def __len__(self) -> int:
        return len(self._members)

    def keys(self) -> list[str]:
        return list(self._members)

    def make(self, key: str, **values: Any) -> Spec:
        """The member with these settings, checked."""
        return self[key].from_values(values)

    def cards(self) -> list[dict[str, Any]]:
        """One JSON-ready description a member, for tables and ``workbench list``."""
        return [
            {
                "key": m.key,
                "title": m.title,
                "summary": m.summary,
                "reference": m.reference,
                "settings": {
                    s.name: {
                        "kind": s.kind,
                        "default": s.default,
                        "bounds": list(s.bounds),
                        "options": list(s.options),
                        "doc": s.doc,
                        "live": s.live,
                    }
                    for s in m.settings()
                },
            }
            for m in self
        ]
