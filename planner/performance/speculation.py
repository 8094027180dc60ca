"""Speculative decoding: what a verification step yields."""

from __future__ import annotations

import numpy as np

from planner.performance.types import Array, ArrayInput


def accepted_tokens(draft_tokens: ArrayInput, acceptance_rate: ArrayInput) -> Array:
    """Return the mean tokens one verification step yields.

    With ``k`` drafted tokens, each accepted with probability ``a`` until the first rejection, the
    yield is (1 - a^(k+1)) / (1 - a) (Leviathan et al. 2023, equation 1), k + 1 at a = 1.
    """
    drafts = np.asarray(draft_tokens, dtype=float)
    rate = np.clip(np.asarray(acceptance_rate, dtype=float), 0.0, 1.0)
    near_one = rate > 1.0 - 1e-9
    safe = np.where(near_one, 0.5, rate)
    result: Array = np.where(near_one, drafts + 1.0, (1.0 - safe ** (drafts + 1.0)) / (1.0 - safe))
    return result
