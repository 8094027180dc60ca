"""Reading an architecture's `config.json` without guessing: what is missing is named."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from planner.files import Document, InputFault, InputFaults

LARGEST_SIZE = 1_000_000
"""Widths, heads and experts beyond this are slips of the finger (the largest LLMs: 73,728)."""

LARGEST_COUNT = 1_000_000_000
"""The same for vocabularies, contexts and windows."""

LARGEST_DEPTH = 10_000
"""The same for layers (the deepest LLMs: 126)."""


class _Unknown(int):
    """Stands for a number that was refused until `finish`, so that all faults are found."""


_PLACEHOLDER = _Unknown(1)


def known(*numbers: int) -> bool:
    """Return whether all numbers were read, so that they can be compared with one another."""
    return not any(isinstance(number, _Unknown) for number in numbers)


_LONGEST_SHOWN = 60

_NEEDED = "the architecture cannot be read without it"


class ConfigReader:
    """Typed access to one configuration; collects faults, `finish` raises them together.

    A `default` is given only where the architecture's own class documents it; all else must be there.
    """

    def __init__(
        self,
        document: Document,
        loc: tuple[str | int, ...] = (),
        faults: list[InputFault] | None = None,
    ):
        self.document = document
        self.loc = loc
        self.faults: list[InputFault] = [] if faults is None else faults
        self._read: set[str] = set()
        node: Any = document.data
        for part in loc:
            node = node[part]
        self.data: Mapping[str, Any] = node if isinstance(node, Mapping) else {}
        if not isinstance(node, Mapping):
            self.refuse("", _described(node), "a mapping")

    def refuse(self, field: str, found: str, allowed: str, advice: str = "") -> None:
        """Note that `field` cannot be read."""
        loc = (*self.loc, field) if field else self.loc
        self.faults.append(self.document.fault(loc, found, allowed, advice))

    def finish(self) -> None:
        """Raise InputFaults when anything was missing or refused."""
        if self.faults:
            raise InputFaults(self.faults)

    def knows(self, *names: str) -> None:
        """Note that the architecture has these fields, even where nothing depends on their value."""
        self._read.update(names)

    def refuse_unread(self, names: Iterable[str], what: str) -> None:
        """Refuse every field of `names` that is set although nothing has asked for it."""
        for name in names:
            if name not in self._read and _significant(self.data.get(name)) and not self._idle(name):
                found = _described(self.data[name])
                advice = "the config contradicts its model_type: check both"
                self.refuse(name, found, f"no such field: {what} has none", advice)

    def _idle(self, name: str) -> bool:
        """Return whether a window is switched off, or as long as the context."""
        if name != "sliding_window":
            return False
        window, context = self.data.get(name), self.data.get("max_position_embeddings")
        longer = isinstance(window, int) and isinstance(context, int) and window >= context
        return longer or self.data.get("use_sliding_window") is False

    def get(self, name: str) -> Any:
        """Return the plain value of a field, None when it is not there."""
        self._read.add(name)
        return self.data.get(name)

    def has(self, field: str) -> bool:
        """Return whether a field is there and not null."""
        return self.get(field) is not None

    def child(self, field: str) -> "ConfigReader":
        """Return a reader of the mapping in `field`."""
        value = self.get(field)
        if not isinstance(value, Mapping):
            self.refuse(field, _described(value), "a mapping")
            return ConfigReader(Document({}, name=self.document.name))  # its faults follow from this one
        return ConfigReader(self.document, (*self.loc, field), self.faults)

    def readers(self, field: str) -> list[tuple[str, "ConfigReader"]]:
        """Return a reader of each entry of a mapping of mappings, by name; none when it is missing."""
        if not self.has(field):
            return []
        inner = self.child(field)
        return [(name, inner.child(name)) for name in inner.data]

    def children(self, field: str, length: int) -> list["ConfigReader"]:
        """Return a reader of each mapping in a list of `length`; none where the list is wrong."""
        before = len(self.faults)
        entries = self.sequence(field, length)
        if len(self.faults) > before:
            return []
        return [
            ConfigReader(self.document, (*self.loc, field, index), self.faults)
            for index in range(len(entries))
        ]

    def _first(self, names: tuple[str, ...]) -> tuple[str, Any]:
        for name in names:
            if self.has(name):
                return name, self.data[name]
        return names[0], None

    def integer(
        self,
        *names: str,
        default: int | None = None,
        at_least: int = 1,
        at_most: int = LARGEST_SIZE,
    ) -> int:
        """Return the first of `names` that is there; without a default a missing one is a fault."""
        name, value = self._first(names)
        if value is None and default is not None:
            return default
        if value is None:
            other = f" (or {' or '.join(names[1:])})" if names[1:] else ""
            self.refuse(name, "nothing", f"a whole number of {at_least} or more{other}", _NEEDED)
            return _PLACEHOLDER
        if isinstance(value, bool) or not isinstance(value, int) or value < at_least:
            self.refuse(name, _described(value), f"a whole number of {at_least} or more")
            return _PLACEHOLDER
        if value > at_most:
            self.refuse(name, f"{value:,}", f"at most {at_most:,}", "no LLM is that large")
            return _PLACEHOLDER
        return value

    def integer_or_null(self, name: str, meaning: str, at_least: int = 1) -> int | None:
        """Return a whole number, or None for null. The field must be there: null has a `meaning`."""
        if name not in self.data:
            self.knows(name)
            self.refuse(name, "nothing", f"a whole number, or null: {meaning}", _NEEDED)
            return None
        return self.integer(name, at_least=at_least) if self.has(name) else None

    def number(self, *names: str) -> float:
        """Return the first of `names` as a number above 0; a missing one is a fault."""
        name, value = self._first(names)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value) or not 0 < value <= LARGEST_SIZE:
            self.refuse(name, _described(value), "a number above 0")
            return float(_PLACEHOLDER)
        return float(value)

    def flag(self, name: str, default: bool | None = None) -> bool:
        """Return a boolean; `default` is that of the architecture's class, None: it must be there."""
        value = self.get(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, bool):
            advice = _NEEDED if value is None else ""
            self.refuse(name, _described(value), "true or false", advice)
            return bool(default)
        return value

    def text(self, name: str, default: str = "") -> str:
        """Return a text, `default` where it is missing."""
        value = self.get(name)
        if value is not None and not isinstance(value, str):
            self.refuse(name, _described(value), "text")
        return value if isinstance(value, str) else default

    def one_of(self, name: str, choices: Mapping[str, int], default: str) -> int:
        """Return what a text stands for in `choices`; an unknown one is a fault."""
        word = self.text(name, default)
        if word not in choices:
            self.refuse(name, f"'{word}'", "one of " + ", ".join(choices))
            return choices[default]
        return choices[word]

    def sequence(self, name: str, length: int | None = None) -> list[Any]:
        """Return a list (of `length` entries); a missing or shorter one is a fault."""
        value = self.get(name)
        if length is not None and not known(length) and isinstance(value, list):
            return [None] * length
        if not isinstance(value, list) or (length is not None and len(value) != length):
            allowed = "a list" if length is None else f"a list of {length}, one per layer"
            self.refuse(name, _described(value), allowed, _NEEDED if value is None else "")
            return [None] * (length or 0)
        return value

    def numbers(self, name: str) -> list[int]:
        """Return a list of whole numbers of 0 or more, empty when it is missing or null."""
        value = self.get(name)
        entries = [] if value is None else value
        if not isinstance(entries, list) or not all(_is_index(entry) for entry in entries):
            self.refuse(name, _described(value), "a list of layer numbers")
            return []
        return entries

    def unsupported(self, name: str, why: str) -> None:
        """Refuse the config when `name` is set to anything but null, false or 0."""
        value = self.get(name)
        if _significant(value):
            self.refuse(name, _described(value), "nothing", why)


def _is_index(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


_NOTHING: tuple[Any, ...] = (None, False, 0, "", [], {})


def _significant(value: Any) -> bool:
    """Return whether a value says that something is there (a list of full attention does not)."""
    if isinstance(value, list):
        return any(entry != "full_attention" for entry in value)
    return value not in _NOTHING


def _described(value: Any) -> str:
    """Return a short text of what was found."""
    if value is None:
        return "nothing"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    text = "a mapping" if isinstance(value, Mapping) else repr(value)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "..."
