"""What every architecture reader returns, and what most of them read the same way."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from planner.catalog.config_reader import LARGEST_COUNT, LARGEST_DEPTH, ConfigReader, known
from planner.catalog.llm import Attention, FeedForward, LayerGroup


@dataclass(frozen=True)
class Layer:
    """One layer: mixer, feed-forward part, and the weights of its norms."""

    attention: Attention
    feed_forward: FeedForward
    norms: int


@dataclass(frozen=True)
class Body:
    """The decoder of an LLM, before it gets its names and its quantization."""

    hidden: int
    vocabulary: int
    tied: bool
    max_context: int
    groups: tuple[LayerGroup, ...]
    final_norm: int
    extra_embedding: int = 0
    remarks: tuple[str, ...] = ()


def grouped(layers: Iterable[Layer]) -> tuple[LayerGroup, ...]:
    """Return the layers as groups of identical ones, in order of first appearance."""
    counts = Counter(layers)
    return tuple(
        LayerGroup(count, layer.attention, layer.feed_forward, layer.norms) for layer, count in counts.items()
    )


def body(
    config: ConfigReader,
    layers: Iterable[Layer],
    *,
    tied: bool = False,
    final_norm: int | None = None,
    extra_embedding: int = 0,
    vocabulary: int | None = None,
    max_context: int | None = None,
    remarks: tuple[str, ...] = (),
) -> Body:
    """Return the body around `layers`.

    `tied` is the architecture's default of `tie_word_embeddings`, `vocabulary` and `max_context`
    its defaults of those fields (None: they must be there).
    """
    hidden = config.integer("hidden_size")
    return Body(
        hidden=hidden,
        vocabulary=vocabulary_of(config, vocabulary),
        tied=config.flag("tie_word_embeddings", tied),
        max_context=context_of(config, max_context),
        groups=grouped(layers),
        final_norm=hidden if final_norm is None else final_norm,
        extra_embedding=extra_embedding,
        remarks=remarks,
    )


def layers_of(config: ConfigReader) -> int:
    """Return the number of layers."""
    return config.integer("num_hidden_layers", at_most=LARGEST_DEPTH)


def vocabulary_of(config: ConfigReader, default: int | None = None) -> int:
    """Return the rows of the embedding table."""
    return config.integer("vocab_size", default=default, at_most=LARGEST_COUNT)


def context_of(config: ConfigReader, default: int | None = None) -> int:
    """Return the longest context, tokens."""
    return config.integer("max_position_embeddings", "seq_length", default=default, at_most=LARGEST_COUNT)


def heads_of(
    config: ConfigReader,
    query_name: str = "num_attention_heads",
    kv_name: str = "num_key_value_heads",
    *,
    derived_width: bool = False,
) -> tuple[int, int, int]:
    """Return query heads, key-value heads and head width.

    `derived_width`: without `head_dim` the heads share the hidden size, as the architecture's class says.
    """
    query = config.integer(query_name)
    kv = grouped_heads(config, query, kv_name)
    if not derived_width or config.has("head_dim"):
        return query, kv, config.integer("head_dim")
    return query, kv, shared_width(config, query)


def grouped_heads(config: ConfigReader, query: int, kv_name: str = "num_key_value_heads") -> int:
    """Return the key-value heads, of which each serves as many query heads."""
    kv = config.integer(kv_name)
    if known(query, kv) and query % kv:
        config.refuse(kv_name, f"{kv} for {query} query heads", f"a divisor of {query}")
    return kv


def shared_width(config: ConfigReader, query: int) -> int:
    """Return the width of a head where the query heads share the hidden size."""
    hidden = config.integer("hidden_size")
    if known(hidden, query) and hidden % query:
        config.refuse("head_dim", "nothing", f"a width, since {hidden} / {query} is not whole")
    return hidden // query


def experts_of(
    config: ConfigReader, *names: str, per_token: tuple[str, ...] = ("num_experts_per_tok",)
) -> tuple[int, int]:
    """Return the number of routed experts (the first of `names`) and how many one token visits."""
    config.knows(*names, *per_token)
    count = config.integer(*names)
    visited = config.integer(*per_token)
    if known(visited, count) and visited > count:
        config.refuse(per_token[0], f"{visited} of {count} experts", f"at most {count}")
    return count, visited


_FEEDS = ("dense", "sparse")


def moe_layers(config: ConfigReader, count: int) -> list[bool]:
    """Return, layer by layer, whether it has experts.

    Read from `mlp_layer_types` where it is written, else from the number of leading dense layers
    (`first_k_dense_replace`) and a step (`moe_layer_freq`, 1 where the class has no such field).
    """
    step = config.integer("moe_layer_freq", default=1)
    listed = config.has("mlp_layer_types")
    dense = config.integer("first_k_dense_replace", default=0 if listed else None, at_least=0)
    if known(dense, count) and dense > count:
        config.refuse("first_k_dense_replace", f"{dense} of {count} layers", f"at most {count}")
    steps = [index >= dense and index % step == 0 for index in range(count)]
    if not listed:
        return steps
    kinds = config.sequence("mlp_layer_types", count)
    for kind in sorted({str(kind) for kind in kinds if kind is not None and kind not in _FEEDS}):
        config.refuse("mlp_layer_types", repr(kind), "dense or sparse")
    found = [kind == "sparse" for kind in kinds]
    if config.has("first_k_dense_replace") and found != steps and None not in kinds:
        advice = "the two say different things about the layers with experts"
        config.refuse("mlp_layer_types", "other layers than first_k_dense_replace", "the same", advice)
    return found


def listed_moe_layers(config: ConfigReader, count: int) -> list[bool]:
    """Return, layer by layer, whether it has experts, from a `moe_layer_freq` of 0 and 1."""
    entries = config.sequence("moe_layer_freq", count)
    for entry in sorted({str(entry) for entry in entries if entry not in (None, 0, 1)}):
        config.refuse("moe_layer_freq", entry, "0 (dense) or 1 (experts) for every layer")
    return [bool(entry) for entry in entries]


def window_of(config: ConfigReader, kind: object, window_field: str = "sliding_window") -> int | None:
    """Return the window of a layer type of `layer_types` (None: full attention)."""
    if kind is None or kind in ("full_attention", "global", "global_attention"):
        return None  # None stands for a list that was refused
    if kind in ("sliding_attention", "local", "local_attention"):
        return config.integer(window_field, at_most=LARGEST_COUNT)
    if kind == "chunked_attention":
        return config.integer("attention_chunk_size", at_most=LARGEST_COUNT)
    config.refuse("layer_types", repr(kind), "full_attention, sliding_attention, chunked_attention")
    return None
