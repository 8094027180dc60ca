"""From a document to a typed model, turning every pydantic error into a fault with its line."""

import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from planner.files.document import Document, Loc
from planner.files.faults import FieldProblem, FieldProblems, InputFault, InputFaults, nearest

M = TypeVar("M", bound=BaseModel)

_LONGEST_SHOWN = 80


class FileModel(BaseModel):
    """Base of everything a person writes: unknown fields and NaN are errors, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @classmethod
    def as_fields(cls, data: Any) -> Any:
        """Return the data of a file in the shape of the fields (itself, mostly)."""
        return data


def validate(model_class: type[M], document: Document, context: Mapping[str, Any] | None = None) -> M:
    """Return the document as a `model_class`.

    Raises:
        InputFaults: with every error, each with file, line, field, found, allowed and advice.
    """
    faults = boolean_numbers(model_class, document)
    try:
        model = model_class.model_validate(
            document.data, context=dict(context) if context is not None else None
        )
    except ValidationError as error:
        raise InputFaults(faults + model_faults(model_class, document, error)) from None
    if faults:
        raise InputFaults(faults)
    return model


def boolean_numbers(model_class: type[BaseModel], document: Document) -> list[InputFault]:
    """Return a fault for every `true` or `yes` where a number belongs (pydantic reads them as 1)."""
    shape = model_class.as_fields if issubclass(model_class, FileModel) else lambda data: data
    return [
        document.fault(loc, str(value).lower(), "a number")
        for loc, value in _booleans([model_class], shape(document.data), ())
    ]


def _booleans(candidates: Sequence[Any], node: Any, loc: Loc) -> Iterator[tuple[Loc, bool]]:
    """Yield place and value of every boolean that one of `candidates` would take for a number."""
    if isinstance(node, bool):
        if any(c in (int, float) for c in candidates) and not any(c in (bool, str, Any) for c in candidates):
            yield loc, node
        return
    inner: Iterable[tuple[str | int, Any]] = ()
    if isinstance(node, Mapping):
        inner = node.items()
    elif isinstance(node, list):
        inner = enumerate(node)
    for part, value in inner:
        if isinstance(value, bool | Mapping | list):
            below = [member for candidate in candidates for member in _members_below(candidate, part)]
            if below:
                yield from _booleans(below, value, (*loc, part))


def faulty_places(model_class: type[BaseModel], document: Document) -> list[Loc]:
    """Return where a document is wrong as a `model_class`: the locations of all errors in its data."""
    try:
        model_class.model_validate(document.data)
    except ValidationError as error:
        places: list[Loc] = []
        for item in error.errors():
            loc, _ = document.walk(item["loc"])
            raised = item.get("ctx", {}).get("error")
            if isinstance(raised, FieldProblems):
                places += [(*loc, *problem.at) for problem in raised.problems]
            else:
                places.append((*loc, *raised.at) if isinstance(raised, FieldProblem) else loc)
        return places
    return []


def model_faults(
    model_class: type[BaseModel], document: Document, error: ValidationError
) -> list[InputFault]:
    """Return the faults of a pydantic error that came from validating `document.data`."""
    faults: list[InputFault] = []
    for item in error.errors():
        raised = item.get("ctx", {}).get("error")
        if isinstance(raised, FieldProblems):
            problems: Sequence[FieldProblem] = raised.problems
        elif isinstance(raised, FieldProblem):
            problems = [raised]
        else:
            faults.append(_plain_fault(model_class, document, item))
            continue
        for problem in problems:
            loc, _ = document.walk(item["loc"])
            at = (*loc, *problem.at)
            faults.append(document.fault(at, problem.found, problem.allowed, problem.advice))
    return faults


def _plain_fault(model_class: type[BaseModel], document: Document, item: Any) -> InputFault:
    """Return the fault of one pydantic error of its own kinds."""
    kind: str = item["type"]
    raw = tuple(item["loc"])
    loc, _ = document.walk(raw)
    if kind == "missing":
        return document.fault(
            (*loc, raw[-1]), "nothing", f"a value for '{raw[-1]}'", "this field is required"
        )
    if kind == "extra_forbidden":
        names = _field_names(model_class, raw[:-1])
        return document.fault(
            loc,
            f"the unknown field '{raw[-1]}'",
            "one of " + ", ".join(sorted(names)) if names else "no such field",
            nearest(str(raw[-1]), names),
        )
    return document.fault(loc, _shown(item.get("input")), _allowed(item))


def _shown(value: Any) -> str:
    """Return a short text of what was found."""
    if value is None:
        return "nothing (null)"
    if isinstance(value, Mapping):
        return "a mapping with " + (", ".join(map(str, list(value)[:6])) or "nothing in it")
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    text = f"'{value}'" if isinstance(value, str) else repr(value)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "..."


_SIMPLE_ALLOWED = {
    "float_parsing": "a number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "string_type": "text",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "date_from_datetime_parsing": "a date such as 2026-07-01",
    "date_parsing": "a date such as 2026-07-01",
    "date_type": "a date such as 2026-07-01",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping (name: value)",
    "mapping_type": "a mapping (name: value)",
    "model_type": "a mapping (name: value)",
    "model_attributes_type": "a mapping (name: value)",
}


def _allowed(item: Any) -> str:
    """Return what would have been accepted, from pydantic's error kind and context."""
    kind: str = item["type"]
    limits: Mapping[str, Any] = item.get("ctx", {})
    if kind in _SIMPLE_ALLOWED:
        return _SIMPLE_ALLOWED[kind]
    if kind == "greater_than":
        return f"a number above {limits['gt']}"
    if kind == "greater_than_equal":
        return f"a number of {limits['ge']} or more"
    if kind == "less_than":
        return f"a number below {limits['lt']}"
    if kind == "less_than_equal":
        return f"a number of {limits['le']} or less"
    if kind in ("literal_error", "enum"):
        return f"one of {limits['expected']}"
    if kind in ("too_short", "string_too_short"):
        return f"at least {limits['min_length']} entries"
    if kind in ("too_long", "string_too_long"):
        return f"at most {limits['max_length']} entries"
    message: str = item["msg"]
    return message.removeprefix("Value error, ")


def _field_names(model_class: type[BaseModel], loc: Sequence[str | int]) -> list[str]:
    """Return the fields allowed at `loc`, following annotations from `model_class`."""
    candidates = _members(model_class)
    for part in loc:
        following: list[Any] = []
        for candidate in candidates:
            following += _members_below(candidate, part)
        # A part that leads nowhere is the name of a union member; it narrows the candidates.
        candidates = following or [c for c in candidates if _name(c) == part] or candidates
    names: list[str] = []
    for candidate in candidates:
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            names += [f.alias or n for n, f in candidate.model_fields.items()]
    return list(dict.fromkeys(names))


def _name(candidate: Any) -> str:
    return getattr(candidate, "__name__", str(candidate))


def _members(annotation: Any) -> list[Any]:
    """Return the plain types inside an annotation: unions and Annotated opened."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _members(get_args(annotation)[0])
    if origin is Union or origin is types.UnionType:
        return [member for arg in get_args(annotation) for member in _members(arg)]
    return [annotation]


def _members_below(candidate: Any, part: str | int) -> list[Any]:
    """Return the types a value at `part` of a `candidate` may have."""
    if isinstance(candidate, type) and issubclass(candidate, BaseModel):
        for name, info in candidate.model_fields.items():
            if part in (name, info.alias):
                return _members(info.annotation)
        return []
    arguments = get_args(candidate)
    origin = get_origin(candidate)
    if isinstance(part, int) and arguments and origin in (list, tuple, Sequence):
        return _members(arguments[0])
    mapping_arguments = 2
    is_mapping = isinstance(origin, type) and issubclass(origin, Mapping)
    return _members(arguments[1]) if is_mapping and len(arguments) == mapping_arguments else []
