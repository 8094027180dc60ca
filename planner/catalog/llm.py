"""What an LLM is to a planner: layers, widths, weights and cache, with no physics of time."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

INDEX_SCALE_BYTES = 4
"""Bytes of the float32 scale beside one FP8 index key (DeepSeek-V3.2's indexer in vLLM)."""

Excluded = Literal["nothing", "embedding", "embedding_and_head"]
"""What a published count of active parameters leaves out."""

PARTS = (
    "embedding",
    "lm_head",
    "attention",
    "dense_ffn",
    "routed_experts",
    "shared_experts",
    "router",
    "norms",
)
"""The parts into which `LLM.parameters_by_part` sorts every weight."""


@dataclass(frozen=True)
class Attention:
    """The token mixer of one layer.

    Parameters
    ----------
    kind
        ``full`` (causal attention over the whole context), ``sliding`` (the last ``window`` tokens;
        chunked attention too), ``mla`` (latent attention; sparse when ``sparse_top_k`` is set),
        ``linear`` (a fixed state: gated delta net, Mamba, lightning attention).
    query_heads, kv_heads, head_dim, value_head_dim
        Heads and widths. MLA: ``head_dim`` is the query/key width (nope + rope) and ``kv_heads`` is
        1, the shared latent. All 0 for a layer that mixes no tokens.
    window
        Tokens a sliding layer sees and keeps.
    shared_key_value
        Values are the keys: one projection fewer. Engines still cache both.
    cache_elements
        Elements one token leaves in the cache of this layer, when they are not the usual
        ``kv_heads x (head_dim + value_head_dim)`` or, for MLA, ``kv_lora_rank + qk_rope_head_dim``.
    sparse_top_k, index_heads, index_head_dim
        Sparse attention: tokens read per query, and the indexer that picks them; it keeps one FP8
        key of ``index_head_dim`` per token beside the cache.
    state_bytes
        Linear layers: bytes of state of one sequence (recurrent state and convolution tail).
    parameters
        Weights of this mixer: projections with their biases and low-rank steps, the indexer, the
        convolutions; not its norms.
    """

    kind: Literal["full", "sliding", "mla", "linear"]
    query_heads: int
    kv_heads: int
    head_dim: int
    value_head_dim: int
    window: int | None = None
    q_lora_rank: int | None = None
    kv_lora_rank: int | None = None
    qk_rope_head_dim: int | None = None
    qk_nope_head_dim: int | None = None
    sparse_top_k: int | None = None
    index_heads: int = 0
    index_head_dim: int = 0
    state_bytes: int = 0
    shared_key_value: bool = False
    cache_elements: int | None = None
    parameters: int = 0

    @property
    def kv_elements(self) -> int:
        """Elements that one token leaves in this layer's cache (0 for linear layers)."""
        if self.cache_elements is not None:
            return self.cache_elements
        if self.kind == "linear":
            return 0
        if self.kind == "mla":
            return (self.kv_lora_rank or 0) + (self.qk_rope_head_dim or 0)
        return self.kv_heads * (self.head_dim + self.value_head_dim)

    @property
    def index_bytes(self) -> int:
        """Bytes that one token leaves in the index of a sparse layer (FP8 key and its scale)."""
        return self.index_head_dim + INDEX_SCALE_BYTES if self.index_head_dim else 0


NO_ATTENTION = Attention("linear", query_heads=0, kv_heads=0, head_dim=0, value_head_dim=0)
"""The mixer of a layer that only has a feed-forward part."""


@dataclass(frozen=True)
class FeedForward:
    """The feed-forward part of one layer.

    Parameters
    ----------
    kind
        ``dense``, ``moe`` or ``none``.
    intermediate_size
        Width of the dense part, or of ONE routed expert.
    matrices
        3 when gated (up, gate, down), 2 when plain.
    experts, experts_per_token
        Routed experts, and how many of them one token visits.
    shared_intermediate_size
        Width of the shared experts, summed.
    parameters, active_parameters
        Weights (router, biases and latent projections included), and those one token uses.
    shared_parameters, router_parameters
        The part of ``parameters`` in shared experts (and latent projections, which every token
        uses), and in the router.
    latent_size
        Routed experts work on this width instead of the hidden size (0: on the hidden size).
    """

    kind: Literal["dense", "moe", "none"]
    intermediate_size: int
    matrices: int
    experts: int = 0
    experts_per_token: int = 0
    shared_intermediate_size: int = 0
    parameters: int = 0
    active_parameters: int = 0
    shared_parameters: int = 0
    router_parameters: int = 0
    latent_size: int = 0

    @property
    def routed_parameters(self) -> int:
        """Weights of all routed experts of the layer."""
        if self.kind != "moe":
            return 0
        return self.parameters - self.shared_parameters - self.router_parameters


NO_FEED_FORWARD = FeedForward("none", intermediate_size=0, matrices=0)
"""The feed-forward part of a layer that only mixes tokens."""


@dataclass(frozen=True)
class LayerGroup:
    """A number of identical layers (their order does not matter to a planner)."""

    count: int
    attention: Attention
    feed_forward: FeedForward
    norm_parameters: int = 0


@dataclass(frozen=True)
class LLM:
    """An architecture as its configuration describes it.

    Multi-token-prediction layers and vision towers are not counted; ``remarks`` says what was left
    out. ``unquantized`` names the parts (see ``PARTS``) that stay in bf16 when ``native_weights``
    is narrower.
    """

    id: str
    hugging_face_id: str
    family: str
    hidden_size: int
    vocab_size: int
    tied_embeddings: bool
    max_context: int
    groups: tuple[LayerGroup, ...]
    native_weights: str
    unquantized: frozenset[str]
    source: str
    native_kv_cache: str = "bf16"
    final_norm_parameters: int = 0
    extra_embedding_parameters: int = 0
    remarks: tuple[str, ...] = ()

    @property
    def layers(self) -> int:
        """Layers of the decoder."""
        return sum(group.count for group in self.groups)

    @property
    def moe(self) -> bool:
        """Whether any layer has routed experts."""
        return any(group.feed_forward.kind == "moe" for group in self.groups)

    def parameters_by_part(self) -> dict[str, int]:
        """Return the weights of each part; a tied LM head is 0, its matrix is the embedding."""
        parts = dict.fromkeys(PARTS, 0)
        table = self.vocab_size * self.hidden_size
        parts["embedding"] = table + self.extra_embedding_parameters
        parts["lm_head"] = 0 if self.tied_embeddings else table
        parts["norms"] = self.final_norm_parameters
        for group in self.groups:
            ffn = group.feed_forward
            parts["attention"] += group.count * group.attention.parameters
            parts["norms"] += group.count * group.norm_parameters
            if ffn.kind == "dense":
                parts["dense_ffn"] += group.count * ffn.parameters
            parts["routed_experts"] += group.count * ffn.routed_parameters
            parts["shared_experts"] += group.count * ffn.shared_parameters
            parts["router"] += group.count * ffn.router_parameters
        return parts

    @property
    def total_parameters(self) -> int:
        """All weights of the decoder, embedding and LM head included."""
        return sum(self.parameters_by_part().values())

    @property
    def active_parameters(self) -> int:
        """Weights that one token uses, embedding table and LM head included, for every LLM alike.

        What its publisher calls active may leave those out: see `active_parameters_excluding`.
        """
        idle = sum(
            group.count * (group.feed_forward.parameters - group.feed_forward.active_parameters)
            for group in self.groups
        )
        return self.total_parameters - idle

    def active_parameters_excluding(self, excluded: Excluded) -> int:
        """Return `active_parameters` less the embedding table, or less the LM head too.

        Publishers count differently; a token reads one row of the embedding and all of the head.
        """
        parts = self.parameters_by_part()
        less = {
            "nothing": 0,
            "embedding": parts["embedding"],
            "embedding_and_head": parts["embedding"] + parts["lm_head"],
        }
        return self.active_parameters - less[excluded]

    def _layers_that_grow(self) -> Iterator[tuple[int, Attention]]:
        for group in self.groups:
            if group.attention.kind in ("full", "mla"):
                yield group.count, group.attention

    @property
    def kv_elements_per_token(self) -> int:
        """Elements one token leaves in the layers whose cache grows without bound."""
        return sum(count * mixer.kv_elements for count, mixer in self._layers_that_grow())

    @property
    def index_bytes_per_token(self) -> int:
        """Bytes one token leaves in the indexes of sparse attention, beside the cache."""
        return sum(count * mixer.index_bytes for count, mixer in self._layers_that_grow())

    @property
    def state_bytes(self) -> int:
        """Bytes of recurrent state that one sequence holds, whatever its length."""
        return sum(group.count * group.attention.state_bytes for group in self.groups)

    def kv_bytes_per_token(self, dtype_bytes: float = 2.0) -> float:
        """Return the cache bytes of one more token, windows and indexes left out."""
        return self.kv_elements_per_token * dtype_bytes

    def kv_bytes(self, context_tokens: int, dtype_bytes: float = 2.0) -> float:
        """Return all bytes one sequence of ``context_tokens`` holds.

        Sliding layers keep at most their window; recurrent states and sparse indexes are included.
        """
        total = float(self.state_bytes + context_tokens * self.index_bytes_per_token)
        for group in self.groups:
            mixer = group.attention
            kept = context_tokens if mixer.window is None else min(context_tokens, mixer.window)
            total += group.count * mixer.kv_elements * kept * dtype_bytes
        return total
