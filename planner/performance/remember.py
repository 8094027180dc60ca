"""Remember what was counted for an LLM without hashing its layers each time."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from planner.catalog.llm import LLM

Answer = TypeVar("Answer")
MOST_ENTRIES = 65_536


def remember(function: Callable[..., Answer]) -> Callable[..., Answer]:
    """Cache ``function(llm, *plain)`` by the identity of the LLM and the values of the rest.

    The LLM is kept beside the answer, so its identity cannot be reused by another.
    """
    known: dict[tuple[object, ...], tuple[LLM, Answer]] = {}

    @wraps(function)
    def remembered(llm: LLM, *plain: object) -> Answer:
        key = (id(llm), *plain)
        found = known.get(key)
        if found is not None:
            return found[1]
        answer = function(llm, *plain)
        if len(known) >= MOST_ENTRIES:
            known.clear()
        known[key] = (llm, answer)
        return answer

    return remembered
