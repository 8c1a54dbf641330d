"""Registries of Spec classes: a decorator adds a member, and every menu, table and test finds it there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from workbench.core.errors import SpecError, unknown
from workbench.core.spec import Spec

Member = TypeVar("Member", bound=Spec)
#: A class that is being registered: the decorator returns it with its own type.
Registered = TypeVar("Registered", bound=Spec)


class Catalogue(Generic[Member]):
    """An ordered registry of Spec classes by key.

    Parameters
    ----------
    name, noun : plural and singular, for menus and messages.
    """

    def __init__(self, name: str, noun: str) -> None:
        self.name, self.noun = name, noun
        self._members: dict[str, type[Member]] = {}

    def register(self, member: type[Registered]) -> type[Registered]:
        """Add a class; used as a decorator. Raises `SpecError` without key, title and summary, or for a key
        that another member has."""
        if not (member.key and member.title and member.summary):
            raise SpecError(
                f"{member.__name__} cannot join the catalogue of {self.name}",
                expected="key, title and summary",
                found=f"key={member.key!r}, title={member.title!r}",
            )
        present: type[Spec] = self._members.setdefault(member.key, member)  # type: ignore[arg-type]
        if present is not member:
            raise SpecError(f"The key '{member.key}' is taken twice in the catalogue of {self.name}")
        return member

    def __getitem__(self, key: str) -> type[Member]:
        if key not in self._members:
            raise unknown(self.noun, key, self._members)
        return self._members[key]

    def __contains__(self, key: object) -> bool:
        return key in self._members

    def __iter__(self) -> Iterator[type[Member]]:
        return iter(self._members.values())

    def __len__(self) -> int:
        return len(self._members)

    def keys(self) -> list[str]:
        """Keys in the order of registration."""
        return list(self._members)

    def make(self, key: str, **values: Any) -> Member:
        """Build the member ``key`` with these settings. Raises `SpecError` for an unknown key or setting."""
        return self[key].from_values(values)

    def resolve(self, choice: str | Spec | dict[str, Any], **arguments: Any) -> Member:
        """Build a member from a key or from ``{"key": …, "settings": {…}}``; a Spec of it is returned as is.

        ``arguments`` are passed to the member's ``from_values`` where a table is given. Raises `SpecError`
        for anything else.
        """
        if isinstance(choice, Spec):
            if choice.key in self and isinstance(choice, self[choice.key]):
                return choice
            raise SpecError(
                f"{type(choice).__name__} is not a {self.noun}",
                expected=", ".join(self.keys()),
                found=type(choice).__name__,
            )
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
        """Describe each member in a JSON-ready dict, for tables and ``workbench list``."""
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
