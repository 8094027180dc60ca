"""Numbers as people read them: thousands separated, as many digits as matter, units beside them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

MINUS = "−"
NOTHING = "–"
"""Stands where there is no number."""

SIGNIFICANT_DIGITS = 3
"""Digits shown of amounts below one."""


def usd(amount: float) -> str:
    """Return an amount of US dollars: whole above 1,000, cents above 1, three digits below."""
    sign = MINUS if amount < 0 else ""
    size = abs(amount)
    if size >= 1000:
        return f"{sign}${size:,.0f}"
    if size == 0:
        return "$0"
    if size >= 1:
        return f"{sign}${size:,.2f}"
    return f"{sign}${_significant(size)}"


def millions_usd(amount: float) -> str:
    """Return a large amount of US dollars in thousands or millions."""
    if abs(amount) >= 1e9:
        return f"${amount / 1e9:,.2f} bn"
    if abs(amount) >= 1e6:
        return f"${amount / 1e6:,.2f} M"
    return usd(amount)


def quantity(amount: float) -> str:
    """Return a plain number: whole from 1,000 on, else with the decimals that matter."""
    size = abs(amount)
    if size >= 1000 or (size >= 1 and math.isclose(amount, round(amount), abs_tol=1e-9)):
        return f"{amount:,.0f}"
    if size >= 100:
        return f"{amount:,.1f}".removesuffix(".0")
    if size >= 1:
        return f"{amount:,.2f}".rstrip("0").rstrip(".")
    return "0" if size == 0 else _significant(amount)


def kilowatts(watts: float) -> str:
    """Return watts as kW."""
    size = abs(watts)
    decimals = 0 if size >= 1e6 else 1
    return f"{watts / 1000:,.{decimals}f} kW"


def milliseconds(ms: float | None) -> str:
    """Return a latency in ms, or seconds from ten seconds on."""
    if ms is None:
        return NOTHING
    if ms >= 10_000:
        return f"{ms / 1000:,.1f} s"
    return f"{ms:,.0f} ms" if ms >= 100 else f"{ms:,.1f} ms"


def percent(share: float) -> str:
    """Return a share in percent; small ones keep two digits, and nothing is rounded up to 100 %."""
    value = share * 100
    if 0 < abs(value) < 0.995:
        return f"{value:.2g} %"
    if 99 < value < 100:
        return f"{math.floor(value * 10) / 10:.1f} %"
    return f"{value:,.0f} %"


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """Return a count with its noun: `1 server`, `2 servers`."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def listed(names: Iterable[str]) -> str:
    """Return names as a sentence has them: `a, b and c`."""
    every = list(names)
    return " and ".join([", ".join(every[:-1]), every[-1]] if len(every) > 1 else every)


def _significant(amount: float) -> str:
    """Return a number below one with its leading digits, never in powers of ten."""
    decimals = SIGNIFICANT_DIGITS - 1 - math.floor(math.log10(abs(amount)))
    text = f"{amount:.{min(decimals, 9)}f}"
    return text.rstrip("0").rstrip(".") or "0"


_NUMBERED = re.compile(r"^(.*?)(\d+)$", re.DOTALL)


def names_in_short(names: Iterable[str]) -> list[str]:
    """Return names with runs of numbers joined: `r-01`, `r-02`, `r-03` become `r-01…03`."""
    runs: list[tuple[str, list[str]]] = []
    for name in names:
        match = _NUMBERED.match(name)
        stem, number = (match[1], match[2]) if match else (name, "")
        if runs and number and runs[-1][1][-1]:
            last_stem, numbers = runs[-1]
            follows = stem == last_stem and len(number) == len(numbers[-1])
            if follows and int(number) == int(numbers[-1]) + 1:
                numbers.append(number)
                continue
        runs.append((stem, [number]))
    short: list[str] = []
    for stem, numbers in runs:
        if len(numbers) > 2:
            short.append(f"{stem}{numbers[0]}…{numbers[-1]}")
        else:
            short += [f"{stem}{number}" for number in numbers]
    return short
