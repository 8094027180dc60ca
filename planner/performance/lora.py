"""Memory of LoRA adapters: what their slots take from the cache of a replica.

An adapter of rank r adds to a matrix of `in` x `out` two thin ones, `in` x r and r x `out` (Hu et al.,
LoRA, 2021), in bf16. Adapted are the projections of attention and of dense feed-forward layers, as engines
allow without further ado; routed experts are not. Engines reserve the slots when they start, for the
largest rank. Under tensor parallelism the thin matrix on the side that is cut is cut too, the other one is
held by every rank (vLLM without `--fully-sharded-loras`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.performance.precision import WEIGHT_BYTES

if TYPE_CHECKING:
    from planner.catalog.llm import LLM
    from planner.performance.shape import Shape


def adapter_bytes(llm: LLM, shape: Shape, ranks: int) -> float:
    """Return the bytes that adapter slots take on one accelerator of a replica.

    Args:
        llm: the LLM that is adapted.
        shape: the replica.
        ranks: slots times the largest rank.
    """
    elements = 0.0
    for group in llm.groups:
        attention, feed_forward = group.attention, group.feed_forward
        queries = attention.query_heads * attention.head_dim
        values = attention.query_heads * (attention.value_head_dim or attention.head_dim)
        keys = attention.kv_heads * (attention.head_dim + (attention.value_head_dim or attention.head_dim))
        columns = [(llm.hidden_size, queries), (2 * llm.hidden_size, keys)]
        rows = [(values, llm.hidden_size)]
        if feed_forward.kind == "dense":
            columns.append((2 * llm.hidden_size, 2 * feed_forward.intermediate_size))
            rows.append((feed_forward.intermediate_size, llm.hidden_size))
        layer = sum(held + cut / shape.tp for held, cut in columns)
        layer += sum(cut / shape.tp + held for cut, held in rows)
        elements += group.count * layer
    return ranks * elements / shape.pp * WEIGHT_BYTES["bf16"]
