"""What is wrong with an input, in words a person can act on."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class InputFault:
    """One thing that is wrong in one place of one file.

    `field` is the path of the field (`workloads.chat.rate_rps`), `line` counts from 1 and is None
    when the value did not come from a file. `found`, `allowed` and `advice` may be empty.
    """

    file: str
    line: int | None
    field: str
    found: str
    allowed: str
    advice: str = ""

    def __str__(self) -> str:
        """Return one readable line: `file:line: field: found ...; allowed: ...; advice`."""
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        parts = []
        if self.found:
            parts.append(f"found {self.found}")
        if self.allowed:
            parts.append(f"allowed: {self.allowed}")
        if self.advice:
            parts.append(self.advice)
        head = f"{place}: {self.field}: " if self.field else f"{place}: "
        return head + "; ".join(parts)


class InputFaults(Exception):
    """Everything that is wrong with the input, reported together.

    `.faults` keeps them in the order of file and line.
    """

    def __init__(self, faults: Iterable[InputFault]):
        unique = dict.fromkeys(faults)
        self.faults: list[InputFault] = sorted(unique, key=lambda f: (f.file, f.line or 0))
        super().__init__("\n".join(str(fault) for fault in self.faults))

    def __reduce__(self) -> tuple[type["InputFaults"], tuple[list[InputFault]]]:
        return (InputFaults, (self.faults,))


class FieldProblem(ValueError):
    """Raised inside a pydantic validator to say found, allowed and advice separately.

    `at` is the path of the field relative to the model or field that is being validated.
    """

    def __init__(self, found: str, allowed: str, advice: str = "", at: Sequence[str | int] = ()) -> None:
        self.found = found
        self.allowed = allowed
        self.advice = advice
        self.at = tuple(at)
        super().__init__(f"found {found}; allowed: {allowed}" + (f"; {advice}" if advice else ""))


class FieldProblems(ValueError):
    """Several problems that one validator found."""

    def __init__(self, problems: Iterable[FieldProblem]):
        self.problems = list(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def nearest(name: str, choices: Iterable[str]) -> str:
    """Return "did you mean 'a'?" for the nearest of choices that are listed anyway, or ""."""
    hint = close_matches(name, choices, 1)
    return hint if hint.startswith("did you mean") else ""


def close_matches(name: str, choices: Iterable[str], limit: int = 3) -> str:
    """Return "did you mean 'a' or 'b'?" for the nearest `choices`, or the choices if few, or ""."""
    known = sorted({str(choice) for choice in choices})
    folded = {choice.lower(): choice for choice in known}
    near = [folded[m] for m in difflib.get_close_matches(name.lower(), folded, n=limit)]
    if near:
        return "did you mean " + " or ".join(f"'{match}'" for match in near) + "?"
    few_enough_to_list = 12
    if 0 < len(known) <= few_enough_to_list:
        return "known: " + ", ".join(known)
    return ""
