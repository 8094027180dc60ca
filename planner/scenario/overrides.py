"""Changes from the command line: `--set limits.grid_kw=*0.9`."""

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from planner.files import InputFault, InputFaults, close_matches
from planner.files.document import parse_document
from planner.scenario.paths import find, known_names

PLACE = "--set"
"""What messages call the place of a change from the command line."""


def apply_overrides(data: Any, overrides: Iterable[str]) -> Any:
    """Return a copy of `data` with every `path=value` applied, in order.

    The value is YAML (`50`, `fp8`, `[a, b]`, `{mean: 100}`), or `*0.9` or `+10` to scale or shift
    the number that is there. List entries are addressed by name or index. What is not there yet below a
    mapping is added (`fleet.prices_usd.dgx-b200=400000`; whether the field exists is checked with the
    rest of the file); `path=` removes the entry.

    Raises:
        InputFaults: a change that has no `=`, leads nowhere, or scales what is not a number.
    """
    changed = copy.deepcopy(data)
    faults: list[InputFault] = []
    for override in overrides:
        path, equals, text = override.partition("=")
        if not equals or not path.strip():
            faults.append(_fault(path, f"'{override}'", "path=value, such as limits.grid_kw=2000", ""))
            continue
        fault = _apply(changed, path.strip(), text.strip())
        if fault is not None:
            faults.append(fault)
    if faults:
        raise InputFaults(faults)
    return changed


def _fault(path: str, found: str, allowed: str, advice: str) -> InputFault:
    return InputFault(PLACE, None, path, found, allowed, advice)


def _apply(data: Any, path: str, text: str) -> InputFault | None:
    """Apply one change in place; return what is wrong with it."""
    found = find(data, path)
    exists = not found.rest
    parent = find(data, "").value
    for key in found.loc[:-1] if exists else found.loc:
        parent = parent[key]
    may_add = isinstance(parent, dict)
    if not (exists or may_add):
        word = found.rest[0]
        names = known_names(found.value)
        return _fault(
            path,
            f"'{word}', which is not there",
            "a path into the file",
            close_matches(word, names),
        )
    key, *below = [found.loc[-1]] if exists else found.rest
    if text == "":
        if exists:
            del parent[key]
        return None
    if text[0] in "*+":
        old = found.value if exists else None
        if isinstance(old, bool) or not isinstance(old, int | float):
            what = "nothing" if not exists else f"'{old}'"
            return _fault(path, what, "a number to scale or shift", "write the value itself")
        try:
            amount = float(text[1:])
        except ValueError:
            return _fault(path, f"'{text}'", "*factor or +amount", "")
        parent[key] = _tidy(old * amount if text[0] == "*" else old + amount, old)
        return None
    try:
        value = parse_document(text, name=PLACE).data
    except InputFaults:
        return _fault(path, f"'{text}'", "a YAML value", "quote it")
    for inner in reversed(below):
        value = {inner: value}
    parent[key] = value
    return None


def _tidy(number: float, old: float) -> float | int:
    """Keep whole numbers whole when they were before (counts stay counts)."""
    return int(number) if isinstance(old, int) and number == int(number) else number


def split_topology_overrides(data: Any, overrides: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return (changes of the scenario, changes of the topology file it names).

    `topology.sites.ams1.grid_kw=900` changes the topology. Where the topology is inline it is part
    of the scenario's own data.
    """
    inline = isinstance(data, Mapping) and isinstance(data.get("topology"), Mapping)
    own: list[str] = []
    other: list[str] = []
    for override in overrides:
        if override.startswith("topology.") and not inline:
            other.append(override.removeprefix("topology."))
        else:
            own.append(override)
    return own, other
