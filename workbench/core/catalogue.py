"""Registries of Spec classes: a decorator adds a class, and menus, tables and tests list the registry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from threading import RLock
from typing import Any, ClassVar, Generic, Protocol, TypeVar, cast

import param

from workbench.core import plugins
from workbench.core.errors import SpecError, unknown
from workbench.core.markup import html_table
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
    group : group of the entry points by which other packages add entries, after "workbench."; by default
        the name.

    The entries of other packages are loaded when the registry is listed, or asked for a key that it does
    not have (`workbench.core.plugins`).
    """

    def __init__(self, name: str, noun: str, *, group: str = "") -> None:
        self.name, self.noun, self.group = name, noun, group or name
        self._entries: dict[str, Entry] = {}
        self._classes: dict[str, type[Described]] = {}
        self._failures: dict[str, str] = {}
        self._followers: list[tuple[Callable[[Any], None], Callable[[Any], None]]] = []
        self._lock, self._complete = RLock(), False

    def _add(self, member: type[Described], entry: Callable[[], Entry]) -> None:
        """Register the class ``member`` under its key, once, with the entry that ``entry()`` returns.

        A class that is defined anew, in a notebook or by a reload, takes its former place. Raises `SpecError`
        for a class without key, title or summary, or for a key that another class has.
        """
        if not (member.key and member.title and member.summary):
            raise SpecError(
                f"{member.__name__} cannot join the catalogue of {self.name}",
                expected="key, title and summary",
                found=f"key={member.key!r}, title={member.title!r}",
            )
        former = self._classes.get(member.key)
        if former is not None and former is not member and not _is_new_definition(former, member):
            raise SpecError(
                f"The key '{member.key}' is taken twice in the catalogue of {self.name}",
                expected="a key of its own for each class",
                found=f"{_full_name(former)} and {_full_name(member)}",
            )
        if former is not member:
            self._entries[member.key] = entry()
            self._classes[member.key] = member
            for add, _ in self._followers:
                add(member)

    def follow(self, add: Callable[[Any], None], remove: Callable[[Any], None]) -> None:
        """Call ``add`` with every class of the registry, those of the future included.

        ``remove`` is called with each that is removed.
        """
        self._followers.append((add, remove))
        for member in list(self._classes.values()):
            add(member)

    # ---- entries of other packages
    def _load_plugins(self) -> None:
        """Load the entries of other packages, once; warns of those that cannot be loaded."""
        if self._complete:
            return
        with self._lock:
            if not self._complete and plugins.can_load(self.group):
                try:
                    self._failures = plugins.load(self.group, self.noun, self._add_plugin)
                finally:
                    self._complete = True

    def _add_plugin(self, point: EntryPoint, value: Any) -> None:
        """Add what an entry point names: a class, or a module whose import has registered classes."""
        if not plugins.is_module(value):
            base = self._base()
            if not isinstance(value, type) or not issubclass(value, base):
                raise SpecError(
                    f"'{point.value}' is no {self.noun}",
                    expected=f"a class that derives from {_full_name(base)}",
                    found=repr(value)[:200],
                )
            self.register(value)
        if point.name not in self._entries:
            raise SpecError(
                f"The entry point '{point.name}' has registered no {self.noun} of this key",
                found=f"key={getattr(value, 'key', '')!r} of '{point.value}'",
                suggestion="give the entry point the key of its class as name",
            )

    def _base(self) -> type:
        """Return the class from which all members derive: the nearest one that they share."""
        members = list(self._classes.values())
        return next(c for c in members[0].__mro__ if all(issubclass(m, c) for m in members))

    def register(self, member: Any) -> Any:
        """Register a class and return it; used as a decorator."""
        raise NotImplementedError

    # ---- reading
    def __getitem__(self, key: str) -> Entry:
        if key not in self:
            raise self.missing(key)
        return self._entries[key]

    def missing(self, key: object, *, suggestion: str = "") -> SpecError:
        """Return, and do not raise, the error for a key that is not here; it suggests the closest.

        ``suggestion`` is what to try in place of that.
        """
        if str(key) in self._failures:
            return SpecError(
                f"There is no {self.noun} '{key}'", found=self._failures[str(key)], suggestion=suggestion
            )
        if suggestion:
            return SpecError(f"There is no {self.noun} '{key}'", found=str(key), suggestion=suggestion)
        return cast(SpecError, unknown(self.noun, key, self._entries))

    def __contains__(self, key: object) -> bool:
        if not isinstance(key, str):  # what cannot be hashed included
            return False
        if key not in self._entries:
            self._load_plugins()
        return key in self._entries

    def __iter__(self) -> Iterator[Entry]:
        self._load_plugins()
        return iter(list(self._entries.values()))

    def __len__(self) -> int:
        self._load_plugins()
        return len(self._entries)

    def keys(self) -> list[str]:
        """Keys in the order of registration, those of other packages last."""
        self._load_plugins()
        return list(self._entries)

    def origin(self, key: str) -> dict[str, str]:
        """Return where an entry comes from: package and version, or module; empty for a built-in one."""
        return plugins.origin(self._classes[key]) if key in self else {}

    def remove(self, key: str) -> None:
        """Remove an entry, for instance before its class is defined anew. Raises `SpecError` without one."""
        if key not in self:
            raise self.missing(key)
        del self._entries[key]
        member = self._classes.pop(key)
        for _, remove in self._followers:
            remove(member)

    def __repr__(self) -> str:
        return f"<catalogue of {self.name}: {', '.join(self.keys())}>"

    def _repr_html_(self) -> str:
        rows = ((m.key, m.title, m.summary) for m in self._listed())
        return html_table(rows, head=("key", "title", "summary"), title=self.name.capitalize())

    def _listed(self) -> list[type[Described]]:
        self._load_plugins()
        return list(self._classes.values())

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
            for m in self._listed()
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


class MemberChoice(param.Selector):
    """Setting that is the key of a member of ``catalogue``, or of those that ``suits`` is true of.

    The catalogue is read whenever the keys are needed: a member that is added later, by a script or another
    package, can be chosen like the built-in ones.
    """

    __slots__ = ["catalogue", "suits"]
    _slot_defaults = dict(param.Selector._slot_defaults, catalogue=None, suits=None)

    def __init__(
        self,
        default: str,
        *,
        catalogue: Catalogue[Any],
        suits: Callable[[type[Spec]], bool] | None = None,
        **texts: Any,
    ) -> None:
        self.catalogue, self.suits = catalogue, suits
        super().__init__(default=default, objects=[default], check_on_set=True, **texts)

    @property
    def objects(self) -> list[str]:
        """The keys that can be chosen now."""
        self._objects[:] = [m.key for m in self.catalogue if self.suits is None or self.suits(m)]
        return list(self._objects)

    @objects.setter
    def objects(self, value: Any) -> None:
        self.names, self._objects = {}, list(value)

    def get_range(self) -> dict[str, str]:
        """Return the keys that can be chosen now, by their name."""
        return {key: key for key in self.objects}

    def _validate_value(self, value: Any, allow_None: bool | None = None) -> None:
        if value not in self._objects:  # not while the class is defined, and plug-ins may not be imported yet
            super()._validate_value(value, allow_None)


def _full_name(member: type) -> str:
    return f"{member.__module__}.{member.__qualname__}"


def _is_new_definition(former: type, member: type) -> bool:
    """True where two classes have one name at the top of one module: a cell that ran again, or a reload."""
    return _full_name(former) == _full_name(member) and "<locals>" not in member.__qualname__
