"""Reading an architecture's `config.json` without guessing: what is missing is named."""

from collections.abc import Mapping
from typing import Any

from planner.files import Document, InputFault, InputFaults

_PLACEHOLDER = 1
"""Stands for a missing number until `finish` refuses the config, so that all faults are found."""


class ConfigReader:
    """Typed access to one configuration; collects faults, `finish` raises them together."""

    def __init__(
        self,
        document: Document,
        loc: tuple[str | int, ...] = (),
        faults: list[InputFault] | None = None,
    ):
        self.document = document
        self.loc = loc
        self.faults: list[InputFault] = [] if faults is None else faults
        node: Any = document.data
        for part in loc:
            node = node[part]
        self.data: Mapping[str, Any] = node if isinstance(node, Mapping) else {}
        if not isinstance(node, Mapping):
            self.refuse("", "no mapping", "the fields of a config.json")

    def refuse(self, field: str, found: str, allowed: str, advice: str = "") -> None:
        """Note that `field` cannot be read."""
        loc = (*self.loc, field) if field else self.loc
        self.faults.append(self.document.fault(loc, found, allowed, advice))

    def finish(self) -> None:
        """Raise InputFaults when anything was missing or refused."""
        if self.faults:
            raise InputFaults(self.faults)

    def has(self, field: str) -> bool:
        """Return whether a field is there and not null."""
        return self.data.get(field) is not None

    def child(self, field: str) -> "ConfigReader":
        """Return a reader of the mapping in `field`."""
        if not isinstance(self.data.get(field), Mapping):
            self.refuse(field, "nothing", "a mapping")
            return ConfigReader(Document({}, name=self.document.name), (), self.faults)
        return ConfigReader(self.document, (*self.loc, field), self.faults)

    def _first(self, names: tuple[str, ...]) -> tuple[str, Any]:
        for name in names:
            if self.has(name):
                return name, self.data[name]
        return names[0], None

    def integer(self, *names: str, default: int | None = None, at_least: int = 1) -> int:
        """Return the first of `names` that is there; without a default a missing one is a fault."""
        name, value = self._first(names)
        if value is None and default is not None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or value < at_least:
            found = "nothing" if value is None else repr(value)
            words = f"a whole number of {at_least} or more"
            advice = "the architecture cannot be read without it" if value is None else ""
            self.refuse(name, found, words, advice)
            return _PLACEHOLDER
        return value

    def number(self, *names: str) -> float:
        """Return the first of `names` as a number above 0; a missing one is a fault."""
        name, value = self._first(names)
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            self.refuse(name, "nothing" if value is None else repr(value), "a number above 0")
            return float(_PLACEHOLDER)
        return float(value)

    def flag(self, name: str, default: bool) -> bool:
        """Return a boolean; `default` is the default of the architecture itself."""
        value = self.data.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.refuse(name, repr(value), "true or false")
            return default
        return value

    def text(self, name: str, default: str = "") -> str:
        """Return a text, `default` where it is missing."""
        value = self.data.get(name)
        return value if isinstance(value, str) else default

    def sequence(self, name: str, length: int | None = None) -> list[Any]:
        """Return a list (of `length` entries); a missing or shorter one is a fault."""
        value = self.data.get(name)
        if not isinstance(value, list) or (length is not None and len(value) != length):
            found = "nothing" if value is None else _described(value)
            allowed = "a list" if length is None else f"a list of {length}, one per layer"
            self.refuse(name, found, allowed)
            return [None] * (length or 0)
        return value

    def unsupported(self, name: str, why: str) -> None:
        """Refuse the config when `name` is set to anything but null, false or 0."""
        value = self.data.get(name)
        if value not in (None, False, 0, [], {}):
            self.refuse(name, _described(value), "nothing", why)


def _described(value: Any) -> str:
    return f"a list of {len(value)}" if isinstance(value, list) else repr(value)
