"""What every architecture reader returns, and what most of them read the same way."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from planner.catalog.config_reader import ConfigReader
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
        vocabulary=config.integer("vocab_size", default=vocabulary),
        tied=config.flag("tie_word_embeddings", tied),
        max_context=config.integer("max_position_embeddings", "seq_length", default=max_context),
        groups=grouped(layers),
        final_norm=hidden if final_norm is None else final_norm,
        extra_embedding=extra_embedding,
        remarks=remarks,
    )


def heads_of(config: ConfigReader) -> tuple[int, int, int]:
    """Return query heads, key-value heads and head width.

    Without `num_key_value_heads` every query head has its own; without `head_dim` the heads share
    the hidden size: both are the definitions of the Llama family.
    """
    query = config.integer("num_attention_heads")
    kv = config.integer("num_key_value_heads", default=query)
    hidden = config.integer("hidden_size")
    if not config.has("head_dim") and hidden % query:
        config.refuse("head_dim", "nothing", f"a width, since {hidden} / {query} is not whole")
        return query, kv, 1
    return query, kv, config.integer("head_dim", default=hidden // query)


def moe_layers(config: ConfigReader, count: int, first_dense: int) -> list[bool]:
    """Return, layer by layer, whether it has experts.

    Read from `moe_layer_freq` (a step, or a list of 0 and 1) and the number of leading dense layers.
    """
    frequency = config.data.get("moe_layer_freq", 1)
    if isinstance(frequency, list):
        return [bool(value) for value in config.sequence("moe_layer_freq", count)]
    step = config.integer("moe_layer_freq", default=1)
    return [index >= first_dense and index % step == 0 for index in range(count)]


def window_of(config: ConfigReader, kind: object, window_field: str = "sliding_window") -> int | None:
    """Return the window of a layer type of `layer_types` (None: full attention)."""
    if kind is None or kind in ("full_attention", "global", "global_attention"):
        return None  # None stands for a list that was refused
    if kind in ("sliding_attention", "local", "local_attention"):
        return config.integer(window_field)
    if kind == "chunked_attention":
        return config.integer("attention_chunk_size")
    config.refuse("layer_types", repr(kind), "full_attention, sliding_attention, chunked_attention")
    return None
