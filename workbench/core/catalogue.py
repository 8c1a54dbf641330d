"""Registries of Spec classes: a decorator adds a class, and menus, tables and tests list the registry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Generic, Protocol, TypeVar, cast

from workbench.core.errors import SpecError, unknown
from workbench.core.spec import Setting, Spec

Entry = TypeVar("Entry")
Member = TypeVar("Member", bound=Spec)
#: A class that is being registered: the decorator returns it with its own type.
Registered = TypeVar("Registered", bound=Spec)


class Described(Protocol):
    """Protocol of the classes in a registry: identifier, title and a summary of one sentence."""

    key: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    reference: ClassVar[str]

    @classmethod
    def settings(cls) -> tuple[Setting, ...]:
        """Return the descriptions of its settings."""
        ...


class Registry(Generic[Entry]):
    """Entries by key, in the order of registration, each made from a class with key, title and summary.

    Parameters
    ----------
    name, noun : what the entries are, in the plural and in the singular, for menus and messages.
    """

    def __init__(self, name: str, noun: str) -> None:
        self.name, self.noun = name, noun
        self._entries: dict[str, Entry] = {}
        self._classes: dict[str, type[Described]] = {}

    def _add(self, member: type[Described], entry: Callable[[], Entry]) -> None:
        """Register the class ``member`` under its key, once, with the entry that ``entry()`` returns.

        Raises `SpecError` for a class without key, title or summary, or for a key that another class has.
        """
        if not (member.key and member.title and member.summary):
            raise SpecError(
                f"{member.__name__} cannot join the catalogue of {self.name}",
                expected="key, title and summary",
                found=f"key={member.key!r}, title={member.title!r}",
            )
        if self._classes.setdefault(member.key, member) is not member:
            raise SpecError(f"The key '{member.key}' is taken twice in the catalogue of {self.name}")
        if member.key not in self._entries:
            self._entries[member.key] = entry()

    def __getitem__(self, key: str) -> Entry:
        if key not in self._entries:
            raise unknown(self.noun, key, self._entries)
        return self._entries[key]

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def keys(self) -> list[str]:
        """Keys in the order of registration."""
        return list(self._entries)

    def remove(self, key: str) -> None:
        """Remove an entry, for instance before its class is defined anew. Raises `SpecError` without one."""
        if key not in self._entries:
            raise unknown(self.noun, key, self._entries)
        del self._entries[key], self._classes[key]

    def cards(self) -> list[dict[str, Any]]:
        """Describe each class and its settings in a JSON-ready dict, for tables and ``workbench list``."""
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
            for m in self._classes.values()
        ]


class Catalogue(Registry[type[Member]]):
    """An ordered registry of Spec classes by key."""

    def register(self, member: type[Registered]) -> type[Registered]:
        """Register a class and return it; used as a decorator.

        Raises `SpecError` for a class without key, title or summary, or for a key that another class has.
        """
        self._add(member, lambda: cast(type[Member], member))
        return member

    def make(self, key: str, **values: Any) -> Member:
        """Instantiate the class with this key. Raises `SpecError` for an unknown key or setting."""
        return self[key].from_values(values)

    def resolve(self, choice: str | Spec | dict[str, Any], **arguments: Any) -> Member:
        """Return the Spec that is meant by a key, by ``{"key": …, "settings": {…}}`` or by the Spec itself.

        ``arguments`` are passed on to the class's ``from_values``, for a dict only. Raises `SpecError` for
        any other choice, and for a Spec whose class is not registered here.
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
