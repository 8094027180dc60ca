"""The answer to a name that the catalog does not have."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from planner.files import close_matches

Entry = TypeVar("Entry")


class UnknownEntry(LookupError):
    """A name that is not in the catalog. The message offers the nearest names.

    `kind` is what was looked for, `name` what was asked.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], advice: str = ""):
        self.kind = kind
        self.name = name
        hint = close_matches(name, known)
        parts = [f"unknown {kind} '{name}'", *(part for part in (hint, advice) if part)]
        super().__init__("; ".join(parts))


class Shelf(Mapping[str, Entry]):
    """Entries of one kind by id; a missing one is an `UnknownEntry` (also a KeyError)."""

    def __init__(self, kind: str, entries: Mapping[str, Entry]):
        self.kind = kind
        self._entries = dict(entries)

    def __getitem__(self, name: str) -> Entry:
        try:
            return self._entries[name]
        except KeyError:
            raise UnknownKey(self.kind, name, self._entries) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"Shelf({self.kind}: {', '.join(self._entries)})"


class UnknownKey(UnknownEntry, KeyError):
    """An `UnknownEntry` raised by a mapping, so that `get` and `in` keep working."""

    def __str__(self) -> str:
        return str(self.args[0])
