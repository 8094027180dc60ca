"""Remember what was counted for an LLM, or read of a distribution, without hashing it each time."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

Answer = TypeVar("Answer")
MOST_ENTRIES = 65_536
MOST_ARRAYS = 1_024
"""Of answers that are arrays: a thousand numbers each, 8 MB together."""


def remembering(most: int) -> Callable[[Callable[..., Answer]], Callable[..., Answer]]:
    """Return a decorator that caches up to ``most`` answers of ``function(thing, *plain)``.

    Answers are known by the identity of the thing (an LLM, a distribution) and the values of the rest. The
    thing is kept beside the answer, so its identity cannot be reused by another. Answers that are arrays
    are shared: nobody may write to them.
    """

    def decorator(function: Callable[..., Answer]) -> Callable[..., Answer]:
        known: dict[tuple[object, ...], tuple[object, Answer]] = {}

        @wraps(function)
        def remembered(thing: object, *plain: object) -> Answer:
            key = (id(thing), *plain)
            found = known.get(key)
            if found is not None:
                return found[1]
            answer = function(thing, *plain)
            if len(known) >= most:
                known.clear()
            known[key] = (thing, answer)
            return answer

        return remembered

    return decorator


def remember(function: Callable[..., Answer]) -> Callable[..., Answer]:
    """Cache ``function(llm, *plain)`` by the identity of the LLM and the values of the rest."""
    return remembering(MOST_ENTRIES)(function)
