"""Adapter slots take their memory from the cache."""

from planner.catalog import load_catalog
from planner.performance.lora import adapter_bytes
from planner.performance.providers.choose import replica_from
from planner.performance.shape import Shape

CATALOG = load_catalog()
LLAMA = CATALOG.llm("llama-3.1-8b")


def shape(tp: int = 1) -> Shape:
    """Return a replica of the 8B on A100s."""
    return Shape("llama-3.1-8b", "a100-80-sxm", "vllm", tp=tp)


def test_an_adapter_is_as_large_as_its_file():
    """Rank 16 on all projections of Llama 3.1 8B: 41.9 M parameters, 84 MB in bf16.

    By hand, per layer of 4096: q and o 2 x 8192, k and v 2 x 5120, gate, up and down 3 x 18432, times 16.
    """
    per_layer = 16 * (2 * (4096 + 4096) + 2 * (4096 + 1024) + 3 * (4096 + 14336))
    assert adapter_bytes(LLAMA, shape(), 16) == 32 * per_layer * 2
    assert 83e6 < adapter_bytes(LLAMA, shape(), 16) < 85e6


def test_tensor_parallelism_cuts_one_side_of_each_pair():
    """Between a half and all of it on each of two ranks."""
    alone, half = adapter_bytes(LLAMA, shape(), 16), adapter_bytes(LLAMA, shape(2), 16)
    assert alone / 2 < half < alone


def test_slots_are_taken_from_the_cache():
    """100 slots of rank 64 are 33 GB less cache; 400 leave no room to run."""
    accelerator = CATALOG.accelerators["a100-80-sxm"]
    plain = replica_from("analytic", LLAMA, accelerator, shape())
    full = replica_from("analytic", LLAMA, accelerator, shape(), adapter_ranks=100 * 64)
    lost = (
        plain.memory.kv_capacity_tokens - full.memory.kv_capacity_tokens
    ) * plain.memory.kv_bytes_per_token
    assert abs(lost - adapter_bytes(LLAMA, shape(), 6400)) < 1e6
    assert not replica_from("analytic", LLAMA, accelerator, shape(), adapter_ranks=400 * 64).fits
