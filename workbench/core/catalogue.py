"""Catalogues: a member registers itself with one line and every menu, table and test finds it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from workbench.core.errors import SpecError, unknown
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
            raise unknown(self.noun, key, self._members)
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

    def resolve(self, choice: str | Spec | dict[str, Any], **arguments: Any) -> Spec:
        """The member for a key, for ``{"key": …, "settings": {…}}``, or for a Spec of this catalogue.

        ``arguments`` go to the member's ``from_values`` where a table is given. Raises `SpecError`.
        """
        if isinstance(choice, Spec):
            if choice.key not in self or not isinstance(choice, self[choice.key]):
                raise SpecError(
                    f"{type(choice).__name__} is not a {self.noun}",
                    expected=", ".join(self.keys()),
                    found=type(choice).__name__,
                )
            return choice
        if isinstance(choice, str):
            return self.make(choice)
        if (
            not isinstance(choice, dict)
            or not isinstance(choice.get("key"), str)
            or set(choice) - {"key", "settings"}
        ):
            raise SpecError(
                f"The {self.noun} must be a key, a Spec or a table with 'key' and 'settings'",
                found=repr(choice)[:200],
            )
        return self[choice["key"]].from_values(choice.get("settings", {}), **arguments)

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
