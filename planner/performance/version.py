"""Which performance model this is: plans and kept rates say by which one they were made."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

HERE = Path(__file__).parent
DIGITS = 12
"""Hexadecimal digits of a version: two models that differ have the same by a chance of 1 in 10^14."""


@lru_cache(maxsize=1)
def model_version() -> str:
    """Return the version of the performance model: a hash of its code, calibration and sample of requests.

    Any of them may change every predicted rate.
    """
    digest = hashlib.sha256()
    for path in sorted(path for kind in ("yaml", "py", "npy") for path in HERE.rglob(f"*.{kind}")):
        digest.update(str(path.relative_to(HERE)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:DIGITS]
