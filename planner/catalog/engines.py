"""One inference engine: its defaults and what it accepts."""

from typing import ClassVar

from pydantic import Field

from planner.catalog.provenance import CatalogEntry


class Engine(CatalogEntry):
    """An inference engine as installed, before any flag is set."""

    kind_name: ClassVar[str] = "engine"

    title: str = Field(description="its name for people")
    memory_fraction: float = Field(
        gt=0, le=1, description="share of accelerator memory the engine takes by default"
    )
    memory_fraction_of_free: bool = Field(
        default=False,
        description="the share is of what weights and buffers leave free, not of all memory",
    )
    max_batched_tokens: int = Field(gt=0, description="tokens of one iteration, by default")
    max_sequences: int = Field(gt=0, description="requests of one iteration, by default")
    vendors: tuple[str, ...] = Field(description="vendors of accelerators it runs on")
    kinds: tuple[str, ...] = Field(
        default=("gpu", "tpu", "asic", "cpu"), description="kinds of accelerators it runs on"
    )
    weights: tuple[str, ...] = Field(description="weight precisions it loads")
    weights_with_units: tuple[str, ...] = Field(
        default=(), description="weight precisions it loads only where the accelerator multiplies them"
    )
    weights_not_on_cpu: tuple[str, ...] = Field(
        default=(), description="weight precisions it does not load on CPUs"
    )
    kv_cache: tuple[str, ...] = Field(description="precisions of the cache")
    kv_block_tokens: int = Field(gt=0, description="tokens of one cache block")
