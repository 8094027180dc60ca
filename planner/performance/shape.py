"""What one replica is: an LLM, an accelerator, an engine and how the work is cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from planner.catalog.llm import LLM

Role = Literal["aggregated", "prefill", "decode"]


@dataclass(frozen=True)
class Shape:
    """One way to run one engine instance.

    Parameters
    ----------
    llm, accelerator, engine
        Catalog ids.
    tp, pp, dp, ep
        Tensor, pipeline, attention-data and expert parallel degrees. A replica has
        ``tp * pp * dp`` accelerators; ``ep`` divides ``tp * dp`` (1: experts are sliced by TP).
    weights, kv_cache
        Precision of the weights (bf16, fp8, fp4, int8, int4) and of the cache (bf16, fp8).
    role
        ``aggregated``, or one side of a prefill/decode split.
    power_cap_w
        Cap per accelerator in watts; ``None`` means uncapped.
    """

    llm: str
    accelerator: str
    engine: str
    tp: int = 1
    pp: int = 1
    dp: int = 1
    ep: int = 1
    weights: str = "bf16"
    kv_cache: str = "bf16"
    role: Role = "aggregated"
    power_cap_w: float | None = None

    @property
    def accelerators(self) -> int:
        """Accelerators of one replica."""
        return self.tp * self.pp * self.dp

    @property
    def name(self) -> str:
        """A short id for people, unique per shape."""
        cuts = f"tp{self.tp}"
        for letter, degree in (("pp", self.pp), ("dp", self.dp), ("ep", self.ep)):
            if degree > 1:
                cuts += f"-{letter}{degree}"
        parts = [self.llm, self.accelerator, self.engine, cuts, f"{self.weights}-kv{self.kv_cache}"]
        if self.role != "aggregated":
            parts.append(self.role)
        if self.power_cap_w is not None:
            parts.append(f"{self.power_cap_w:g}w")
        return "/".join(parts)

    def faults(self) -> list[str]:
        """Return why the degrees do not make a replica (empty when they do)."""
        found = [
            f"{letter} must be at least 1, found {degree}"
            for letter, degree in (
                ("tp", self.tp),
                ("pp", self.pp),
                ("dp", self.dp),
                ("ep", self.ep),
            )
            if degree < 1
        ]
        if not found and (self.tp * self.dp) % self.ep:
            found.append(f"ep must divide tp x dp: ep {self.ep} does not divide {self.tp} x {self.dp}")
        return found


def cut_faults(llm: LLM, shape: Shape) -> list[str]:
    """Return why an LLM cannot be cut as a shape says: heads, layers or experts do not divide."""
    found = []
    heads = {group.attention.query_heads for group in llm.groups if group.attention.query_heads}
    uneven = sorted(count for count in heads if count % shape.tp)
    if uneven:
        found.append(f"tp {shape.tp} does not divide the {uneven[0]} attention heads of {llm.id}")
    if shape.pp > llm.layers:
        found.append(f"pp {shape.pp} is more than the {llm.layers} layers of {llm.id}")
    experts = max((group.feed_forward.experts for group in llm.groups), default=0)
    if experts and experts % shape.ep:
        found.append(f"ep {shape.ep} does not divide the {experts} experts of {llm.id}")
    return found
