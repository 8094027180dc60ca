"""Reference tables of what a person may write, made from the models themselves."""

import types
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined


def model_reference(*models: type[BaseModel]) -> str:
    """Return Markdown with one table per model: field, type, default, meaning.

    Models that fields of `models` refer to follow in the order they are met.
    """
    queue = list(models)
    done: list[type[BaseModel]] = []
    parts: list[str] = []
    while queue:
        model = queue.pop(0)
        if model in done:
            continue
        done.append(model)
        parts.append(_table(model))
        for info in model.model_fields.values():
            queue += _models_in(info.annotation)
    return "\n".join(parts)


def _table(model: type[BaseModel]) -> str:
    """Return the section of one model."""
    summary = (model.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ")
    lines = [f"## {model.__name__}", "", " ".join(summary.split()), ""]
    lines += ["| field | type | default | meaning |", "|---|---|---|---|"]
    for name, info in model.model_fields.items():
        cells = (f"`{name}`", _type_name(info.annotation, info), _default(info))
        meaning = (info.description or "").replace("|", "\\|")
        lines.append(f"| {cells[0]} | {cells[1]} | {cells[2]} | {meaning} |")
    return "\n".join(lines) + "\n"


def _default(info: FieldInfo) -> str:
    """Return the default as a user would write it."""
    if info.is_required():
        return "required"
    value = info.default
    if value is PydanticUndefined and info.default_factory is not None:
        value = info.default_factory()  # type: ignore[call-arg]
    if value is None:
        return "none"
    if isinstance(value, BaseModel):
        return "its defaults"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"`{value}`"
    if isinstance(value, Mapping) and not value:
        return "`{}`"
    return f"`{value}`"


_LIMITS = {"gt": "> {:g}", "ge": ">= {:g}", "lt": "< {:g}", "le": "<= {:g}"}


def _limits(info: FieldInfo) -> str:
    """Return the limits of a number, e.g. `>= 0, < 1`."""
    found = []
    for item in info.metadata:
        for name, words in _LIMITS.items():
            limit = getattr(item, name, None)
            if isinstance(limit, int | float):
                found.append(words.format(limit))
    return ", ".join(found)


def _type_name(annotation: Any, info: FieldInfo | None = None) -> str:
    """Return a type in words: number, list of text, one of `a` `b`."""
    limits = _limits(info) if info is not None else ""
    suffix = f" ({limits})" if limits else ""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type_name(arguments[0]) + suffix
    if origin is Union or origin is types.UnionType:
        members = [_type_name(a) for a in arguments if a is not type(None)]
        return " or ".join(dict.fromkeys(members)) + suffix
    if origin is Literal:
        return "one of " + " ".join(f"`{a}`" for a in arguments)
    if origin in (list, tuple):
        inner = [a for a in arguments if a is not Ellipsis]
        return "list of " + _type_name(inner[0])
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "mapping of name to " + _type_name(arguments[1])
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    words = {float: "number", int: "whole number", str: "text", bool: "true or false", Any: "any"}
    return words.get(annotation, "any") + suffix


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """Return the models an annotation mentions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]
