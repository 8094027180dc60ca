"""Where a value comes from: its source, its date, and how far it can be trusted.

In a file, a value is written bare and takes the `source`, `as_of` and `confidence` of its entry, or
as a mapping that states its own:

    price_usd: {value: 34000, source: my-quote, as_of: 2026-10, confidence: high}
"""

import datetime
import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal, get_args

from pydantic import Field, ValidationError, field_validator, model_validator

from planner.files import FieldProblem, FileModel, close_matches

Confidence = Literal["high", "medium", "low"]

STATED_KEYS = frozenset({"value", "source", "as_of", "confidence", "note"})
"""What a stated value may carry; `value` must be there."""


NOT_STATED = "not stated"
"""The date of what a user wrote without one."""

DATES = "a date: 2026, 2026-10, 2026-Q3 or 2026-10-02"
"""How a date is written, for messages."""


class Source(FileModel):
    """A document, table or measurement that values come from."""

    @field_validator("as_of", mode="before")
    @classmethod
    def _year_as_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("as_of")
    @classmethod
    def _is_date(cls, value: str) -> str:
        if not is_date(value):
            raise FieldProblem(f"'{value}'", DATES)
        return value

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

    @classmethod
    def as_fields(cls, data: Any) -> Any:
        """Return the data of an entry without the provenance of its values."""
        return unstated(data)

    @model_validator(mode="before")
    @classmethod
    def _open_stated_values(cls, data: Any) -> Any:
        """Take the provenance off every stated value (`provenance_problems` checks it)."""
        if not isinstance(data, Mapping):
            return data
        default = {key: unstated(data[key]) for key in ("source", "as_of", "confidence") if key in data}
        opened: dict[str, Any] = {}
        stated: dict[str, Provenance] = {}
        for name, value in data.items():
            opened[name] = unstated(value)
            for place, own in _stated_within((name,), value):
                found = _provenance({"confidence": "medium", **default, **own})
                if found is not None:
                    stated[".".join(place)] = found
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


def _provenance(data: Mapping[str, Any]) -> Provenance | None:
    """Return a provenance, None where it is incomplete or wrong (which is reported by itself)."""
    known = {key: data[key] for key in ("source", "as_of", "confidence", "note") if key in data}
    try:
        return Provenance.model_validate({**known, "as_of": str(known.get("as_of", ""))})
    except ValidationError:
        return None


def _stated_within(at: tuple[str, ...], value: Any) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """Yield place and statement of every stated value in `value`."""
    if not isinstance(value, Mapping):
        return
    if is_stated(value):
        yield at, value
        return
    for key, inner in value.items():
        yield from _stated_within((*at, str(key)), inner)


def provenance_problems(data: Mapping[str, Any], known: Mapping[str, Source]) -> list[FieldProblem]:
    """Return what is wrong with the sources, dates and confidences of an entry and its values.

    `known` are the declared sources.
    """
    problems: list[FieldProblem] = []
    if "stated" in data:
        problems.append(FieldProblem("'stated'", "field names of the entry", at=("stated",)))
    own = {key: unstated(data[key]) for key in ("source", "as_of", "confidence") if key in data}
    statements = [((), own), *(found for name in data for found in _stated_within((name,), data[name]))]
    for at, statement in statements:
        source = statement.get("source")
        if source is not None and not (isinstance(source, str) and source.strip(" ;")):
            problems.append(FieldProblem(repr(source), "a key of 'sources'", at=(*at, "source")))
        elif source is not None:
            problems += _unknown_sources(source, known, (*at, "source"))
        if "as_of" in statement and not is_date(statement["as_of"]):
            problems.append(FieldProblem(f"'{statement['as_of']}'", DATES, at=(*at, "as_of")))
        if statement.get("confidence", "high") not in get_args(Confidence):
            found = f"'{statement['confidence']}'"
            problems.append(FieldProblem(found, "high, medium or low", at=(*at, "confidence")))
        if at and not isinstance(statement.get("note", ""), str):
            problems.append(FieldProblem(repr(statement["note"]), "text", at=(*at, "note")))
    return problems


def _unknown_sources(source: str, known: Mapping[str, Source], at: tuple[str, ...]) -> list[FieldProblem]:
    """Return a problem for every key of `source` that is not in `known`."""
    keys = [key.strip() for key in source.split(";")]
    return [
        FieldProblem(
            f"the unknown source '{key}'",
            "a key of 'sources'",
            close_matches(key, known) or "add it under 'sources:' of the same file",
            at=at,
        )
        for key in keys
        if key and key not in known
    ]


_DATE = re.compile(r"(19|20)\d\d(-Q[1-4]|-(0[1-9]|1[0-2])(-\d\d)?)?")


def is_date(value: Any) -> bool:
    """Return whether a value is a year, quarter, month or day (or says that it is not stated)."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not (text == NOT_STATED or _DATE.fullmatch(text)):
        return False
    if text.count("-") != 2:  # only days can be wrong within their month
        return True
    try:
        datetime.date.fromisoformat(text)
    except ValueError:
        return False
    return True
