"""LLMs that old benchmark results used and the catalog does not carry.

Widths are those of the published ``config.json`` of each repository on Hugging Face.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from planner.catalog.llm import LLM, Attention, FeedForward, LayerGroup


@dataclass(frozen=True)
class Widths:
    """The numbers of a plain dense decoder."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    vocab: int
    matrices: int = 3
    tied: bool = False
    window: int = 0
    windowed_layers: int = 0


DENSE = {
    "meta-llama/Llama-2-7b-hf": Widths(32, 4096, 32, 32, 128, 11008, 32000),
    "meta-llama/Llama-2-70b-hf": Widths(80, 8192, 64, 8, 128, 28672, 32000),
    "mistralai/Mistral-7B-v0.1": Widths(32, 4096, 32, 8, 128, 14336, 32000),
    "EleutherAI/gpt-j-6b": Widths(28, 4096, 16, 16, 256, 16384, 50400, matrices=2),
    "bigscience/bloom": Widths(70, 14336, 112, 112, 128, 57344, 250880, matrices=2, tied=True),
    "Qwen/Qwen2-7B": Widths(28, 3584, 28, 4, 128, 18944, 152064),
    "Qwen/Qwen2-72B": Widths(80, 8192, 64, 8, 128, 29568, 152064),
    "Qwen/Qwen3-14B": Widths(40, 5120, 40, 8, 128, 17408, 151936),
    "google/gemma-3-12b-it": Widths(
        48, 3840, 16, 8, 256, 15360, 262208, tied=True, window=1024, windowed_layers=40
    ),
    "google/gemma-3-27b-it": Widths(
        62, 5376, 32, 16, 128, 21504, 262208, tied=True, window=1024, windowed_layers=52
    ),
}
# Fine-tunes and renamed releases with the architecture of another entry.
SAME_ARCHITECTURE = {
    "meta-llama/Llama-2-70b-chat-hf": "meta-llama/Llama-2-70b-hf",
    "meta-llama/Llama-2-7b-chat-hf": "meta-llama/Llama-2-7b-hf",
    "meta-llama/Meta-Llama-3-8B": "llama-3.1-8b",
    "meta-llama/Meta-Llama-3-70B": "llama-3.1-70b",
    "meta-llama/Llama-3.1-405B-Instruct-FP8": "llama-3.1-405b",
    "Qwen/Qwen3-235B-A22B-Instruct-2507": "qwen3-235b-a22b",
    "Qwen/Qwen3-235B-A22B-Instruct-2507-FP8": "qwen3-235b-a22b",
    "Qwen/Qwen3-235B-A22B-Thinking-2507": "qwen3-235b-a22b",
    "Qwen/Qwen3-235B-A22B-Thinking-2507-FP8": "qwen3-235b-a22b",
    "Qwen/Qwen3-30B-A3B-Instruct-2507": "qwen3-30b-a3b",
    "Qwen/Qwen3-30B-A3B-Thinking-2507": "qwen3-30b-a3b",
    "Qwen/Qwen3-Coder-30B-A3B-Instruct": "qwen3-30b-a3b",
}


def dense_llm(name: str, widths: Widths) -> LLM:
    """Build a plain dense LLM."""

    def mixer(window: int) -> Attention:
        projections = widths.heads + widths.kv_heads
        return Attention(
            kind="sliding" if window else "full",
            query_heads=widths.heads,
            kv_heads=widths.kv_heads,
            head_dim=widths.head_dim,
            value_head_dim=widths.head_dim,
            window=window or None,
            parameters=2 * widths.hidden * widths.head_dim * projections,
        )

    size = widths.matrices * widths.hidden * widths.intermediate
    feed_forward = FeedForward(
        "dense", widths.intermediate, widths.matrices, parameters=size, active_parameters=size
    )
    groups = [LayerGroup(widths.layers - widths.windowed_layers, mixer(0), feed_forward)]
    if widths.windowed_layers:
        groups.append(LayerGroup(widths.windowed_layers, mixer(widths.window), feed_forward))
    return LLM(
        id=name,
        hugging_face_id=name,
        family="dense",
        hidden_size=widths.hidden,
        vocab_size=widths.vocab,
        tied_embeddings=widths.tied,
        max_context=131072,
        groups=tuple(groups),
        native_weights="bf16",
        unquantized=frozenset(),
        source=f"https://huggingface.co/{name}/blob/main/config.json",
    )


class BenchmarkCatalog:
    """The shipped catalog plus the LLMs of old benchmark results."""

    def __init__(self, catalog: Any) -> None:
        self._catalog = catalog
        self.accelerators = catalog.accelerators
        self._older = {name.lower(): dense_llm(name, widths) for name, widths in DENSE.items()}
        self._same = {name.lower(): other for name, other in SAME_ARCHITECTURE.items()}

    def llm(self, name: str | Path) -> LLM:
        """Return an LLM by any of its names."""
        lowered = str(name).lower()
        lowered = self._same.get(lowered, lowered).lower()
        found = self._older.get(lowered)
        return found if found is not None else self._catalog.llm(lowered)
