"""Timings kept in a file beside a plan, for those who ask about the plan later, and in the user's cache.

What is kept is what was read of each replica under each workload (rates, latencies, watts on a few loads), by
a name that holds everything it was computed from: the LLM, server and accelerator as the catalog has them,
how the replica is cut, and what engine and options were asked for. A file of another performance model is not
taken up, so what is stale is timed again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Literal

from planner.catalog import Accelerator, Server
from planner.catalog.llm import LLM
from planner.files import write_json_atomic
from planner.performance.profile import written_profile
from planner.performance.service import LatencyObjective, RequestProfile, ServiceColumn, TimedReplica
from planner.performance.types import ReplicaModel
from planner.performance.version import model_version
from planner.shapes.enumerate import Enumeration
from planner.shapes.rate_cache import RateCache, user_cache
from planner.shapes.timings import Timings

FILE = "timings.json"
"""Name of the file in the folder of a plan."""

KEPT_PROVIDERS = frozenset({"analytic"})
"""Who times replicas from nothing but this package: other packages may change without a new version here."""


class KeptTimings(Timings):
    """Timings that can be written to a file and taken up again.

    Args:
        known: what `record` returned, of this performance model; {}: nothing.
        cache: where rates are kept from run to run, beside that; the user's where it is left out.
    """

    def __init__(
        self, known: Mapping[str, Any] | None = None, cache: RateCache | Literal["user"] | None = "user"
    ) -> None:
        super().__init__()
        self.known: Mapping[str, Any] = known or {}
        self.cache = user_cache() if cache == "user" else cache
        self._names: dict[ReplicaModel, str] = {}
        self._news: set[Hashable] = set()

    def shapes(self, llm: LLM, server: Server, accelerator: Accelerator, **asked: Any) -> Enumeration:
        """Return every shape of `llm` on `server` (see `Timings.shapes`)."""
        found = super().shapes(llm, server, accelerator, **asked)
        new = [replica for replica in found.replicas if replica not in self._names]
        if new:
            options = sorted((name, str(value)) for name, value in asked.items() if name not in LISTS)
            base = facts_digest(llm, server, accelerator, options)
            for replica in new:
                if replica.provider in KEPT_PROVIDERS:
                    self._names[replica] = f"{replica.shape.name}/{replica.shape.role}/{base}"
        return found

    def columns(
        self,
        replicas: Sequence[ReplicaModel],
        profile: RequestProfile,
        objectives: Sequence[LatencyObjective],
    ) -> list[list[ServiceColumn]]:
        """Return the service columns `[replica][objective]` (see `service_columns`)."""
        pools = self._replicas.setdefault(written_profile(profile), {})
        for replica, about in self._kept(replicas, profile):
            if replica not in pools and "readings" in about:
                pools[replica] = TimedReplica(replica, profile)
                pools[replica].take_up(about["readings"])
        before = sum(pools[replica].cells for replica in replicas if replica in pools)
        columns = super().columns(replicas, profile, objectives)
        if sum(pools[replica].cells for replica in replicas if replica in pools) > before:
            self._news.add(written_profile(profile))
        return columns

    def saturated_rps(self, replicas: Sequence[ReplicaModel], profile: RequestProfile) -> list[float]:
        """Return the rate at which each replica has no time left, requests/s."""
        known = self._saturated.setdefault(written_profile(profile), {})
        for replica, about in self._kept(replicas, profile):
            if "saturated_rps" in about:
                known.setdefault(replica, about["saturated_rps"])
        if any(replica not in known for replica in replicas):
            self._news.add(written_profile(profile))
        return super().saturated_rps(replicas, profile)

    def awake_w(self, replica: ReplicaModel | None, profile: RequestProfile | None) -> int:
        """Return the watts that a replica draws above idle while it is in service."""
        if replica is not None and profile is not None:
            for _, about in self._kept([replica], profile):
                if "awake_w" in about:
                    self._awake.setdefault((written_profile(profile), replica), about["awake_w"])
            if (written_profile(profile), replica) not in self._awake:
                self._news.add(written_profile(profile))
        return super().awake_w(replica, profile)

    def _kept(
        self, replicas: Sequence[ReplicaModel], profile: RequestProfile
    ) -> list[tuple[ReplicaModel, Mapping[str, Any]]]:
        """Return the replicas of which something is kept under a profile, with it."""
        page = _profile_name(written_profile(profile))
        known = [self.known.get(page, {}), {} if self.cache is None else self.cache.page(page)]
        named = [(replica, self._names.get(replica, "")) for replica in replicas]
        return [(replica, kept[name]) for kept in known if kept for replica, name in named if name in kept]

    def keep(self) -> None:
        """Write what is new to the cache, if there is one."""
        if self.cache is not None and self._news:
            self.cache.add(self.record(self._news))
        self._news.clear()

    def record(self, only: Set[Hashable] | None = None) -> dict[str, Any]:
        """Return everything that was timed, by profile and by name of the replica; of some profiles only."""
        kept: dict[str, dict[str, dict[str, Any]]] = {}

        def of(profile: Any, replica: ReplicaModel) -> dict[str, Any]:
            return kept.setdefault(_profile_name(profile), {}).setdefault(self._names[replica], {})

        for profile, pools in self._replicas.items():
            if only is not None and profile not in only:
                continue
            for replica, pool in pools.items():
                if replica in self._names:
                    of(profile, replica)["readings"] = pool.record()
        for profile, rates in self._saturated.items():
            if only is not None and profile not in only:
                continue
            for replica, rate in rates.items():
                if replica in self._names:
                    of(profile, replica)["saturated_rps"] = rate
        for (profile, replica), watts in self._awake.items():  # type: ignore[misc]
            if replica in self._names and (only is None or profile in only):
                of(profile, replica)["awake_w"] = watts
        return kept


LISTS = frozenset({"engines", "precisions", "power_caps_w", "roles"})
"""Options that say which shapes are looked at; what each is stands in its name."""


def keep_timings(timings: KeptTimings, folder: Path) -> None:
    """Write what was timed into the folder of a plan; nothing where a number cannot be written."""
    try:
        write_json_atomic(
            folder / FILE, {"performance_model": model_version(), "timed": timings.record()}, indent=None
        )
    except ValueError:  # a latency without end: it is timed again by those who need it
        return


def kept_timings(folder: Path) -> KeptTimings:
    """Return the timings in the folder of a plan; none where there is no file, or of another model."""
    try:
        found = json.loads((folder / FILE).read_text(encoding="utf-8"))
        if found["performance_model"] == model_version():
            return KeptTimings(found["timed"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return KeptTimings()


def facts_digest(llm: LLM, server: Server, accelerator: Accelerator, options: Sequence[Any]) -> str:
    """Return a name for everything a replica's times are computed from, the same in every process."""
    facts = [
        _written(llm),
        server.model_dump(mode="json"),
        accelerator.model_dump(mode="json"),
        list(options),
    ]
    return _digest(json.dumps(facts, sort_keys=True, default=_written))


def _written(value: Any) -> Any:
    """Return a fact of an architecture as plain data; sets have an order only here."""
    if isinstance(value, frozenset | set):
        return sorted(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: getattr(value, one.name) for one in fields(value)}
    return repr(value)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _profile_name(written: Any) -> str:
    return _digest(repr(written))
