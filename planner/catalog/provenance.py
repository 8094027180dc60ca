"""Where a value comes from: its source, its date, and how far it can be trusted.

In a file, a value is written bare and takes the `source`, `as_of` and `confidence` of its entry, or
as a mapping that states its own:

    price_usd: {value: 34000, source: my-quote, as_of: 2026-10, confidence: high}
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, ValidationInfo, model_validator

from planner.files import FieldProblem, FileModel, close_matches

Confidence = Literal["high", "medium", "low"]

STATED_KEYS = frozenset({"value", "source", "as_of", "confidence", "note"})
"""What a stated value may carry; `value` must be there."""


class Source(FileModel):
    """A document, table or measurement that values come from."""

    title: str = Field(description="what it is, with its address where it has one")
    kind: str = Field(description="vendor, press, measurement, derived ...")
    as_of: str = Field(description="year, month or day of its content or of reading it")


class Provenance(FileModel):
    """Where one value comes from."""

    source: str = Field(description="keys of `sources`, separated by ';'")
    as_of: str = Field(description="year, month or day")
    confidence: Confidence = Field(description="high, medium or low")
    note: str = Field(default="", description="how it was derived, or a warning")

    @property
    def keys(self) -> tuple[str, ...]:
        """The source keys, one by one."""
        return tuple(key.strip() for key in self.source.split(";") if key.strip())


def is_stated(value: Any) -> bool:
    """Return whether a value of a file is a mapping that states its own provenance."""
    return isinstance(value, Mapping) and "value" in value and set(value) <= STATED_KEYS


def unstated(value: Any) -> Any:
    """Return what a value says without its provenance, through mappings."""
    if is_stated(value):
        return unstated(value["value"])
    if isinstance(value, Mapping):
        return {key: unstated(inner) for key, inner in value.items()}
    return value


class CatalogEntry(FileModel):
    """Base of accelerators, servers, engines and instances: values that know their source."""

    kind_name: ClassVar[str] = "entry"

    id: str = Field(description="the name scenarios and topologies use")
    source: str = Field(description="source of every value that states none of its own")
    as_of: str = Field(description="date of every value that states none of its own")
    confidence: Confidence = Field(
        default="medium", description="trust in every value that states none of its own"
    )
    notes: str = Field(default="", description="what a reader should know")
    stated: Mapping[str, Provenance] = Field(
        default_factory=dict, repr=False, exclude=True, description="filled from the values"
    )

    @model_validator(mode="before")
    @classmethod
    def _open_stated_values(cls, data: Any, info: ValidationInfo) -> Any:
        """Take the provenance off every stated value, and check that its sources exist."""
        if not isinstance(data, Mapping):
            return data
        known = (info.context or {}).get("sources")
        default = {key: unstated(data[key]) for key in ("source", "as_of", "confidence") if key in data}
        opened: dict[str, Any] = {}
        stated: dict[str, Provenance] = {}
        for name, value in data.items():
            if name == "stated":
                raise FieldProblem("'stated'", "field names of the entry", at=("stated",))
            opened[name] = unstated(value)
            _collect(name, value, default, stated)
        if known is not None:
            _check_sources("source", default.get("source"), known)
            for name, provenance in stated.items():
                _check_sources(name, provenance.source, known)
        return {**opened, "stated": stated}

    def provenance(self, field: str) -> Provenance:
        """Return where the value of `field` (`tdp_w`, `tflops.fp8`) comes from.

        Raises:
            KeyError: the entry has no such field.
        """
        name = self.value_behind(field)
        head = name.split(".")[0]
        if head not in type(self).model_fields and not hasattr(type(self), head):
            raise KeyError(f"{type(self).__name__} has no field '{field}'")
        while name:
            if name in self.stated:
                return self.stated[name]
            name = name.rpartition(".")[0]
        return Provenance(source=self.source, as_of=self.as_of, confidence=self.confidence)

    def value_behind(self, field: str) -> str:
        """Return the name of the written value that `field` is computed from (itself, mostly)."""
        return field


def _collect(name: str, value: Any, default: Mapping[str, Any], stated: dict[str, Provenance]) -> None:
    """Add the provenance of every stated value in `value` to `stated`, by dotted name."""
    if not isinstance(value, Mapping):
        return
    if not is_stated(value):
        for key, inner in value.items():
            _collect(f"{name}.{key}", inner, default, stated)
        return
    own = {key: value[key] for key in ("source", "as_of", "confidence", "note") if key in value}
    merged = {"confidence": "medium", **default, **own}
    if "source" not in merged or "as_of" not in merged:
        return  # the missing `source` or `as_of` of the entry is reported by itself
    if "as_of" in merged:
        merged["as_of"] = str(merged["as_of"])
    stated[name] = Provenance.model_validate(merged)


def _check_sources(name: str, source: Any, known: Mapping[str, Source]) -> None:
    """Raise a FieldProblem when a key of `source` is not in `known`."""
    if not isinstance(source, str):
        return
    for key in (part.strip() for part in source.split(";")):
        if key and key not in known:
            at = ("source",) if name == "source" else tuple(name.split("."))
            allowed = "a key of 'sources'"
            advice = close_matches(key, known) or "add it under 'sources:' of the same file"
            raise FieldProblem(f"the unknown source '{key}'", allowed, advice, at=at)
