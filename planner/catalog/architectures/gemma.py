"""Gemma 1 to 4: wide heads, sliding windows between global layers, tied embeddings."""

from planner.catalog.architectures.blocks import dense, experts, grouped_attention
from planner.catalog.architectures.body import (
    Body,
    Layer,
    body,
    experts_of,
    grouped_heads,
    heads_of,
    layers_of,
    window_of,
)
from planner.catalog.config_reader import LARGEST_COUNT, ConfigReader

# Defaults of transformers' Gemma3TextConfig: Google's Gemma 3 configs leave such fields out.
_GEMMA3_VOCABULARY = 262208
_GEMMA3_CONTEXT = 131072
_GEMMA3_HEADS = (8, 4, 256)
"""Query heads, key-value heads and width of Gemma 3 4B, whose config leaves out all three."""

_GEMMA3_PATTERN = 6

_GEMMA2_PATTERN = 2
"""Gemma 2 alternates: every second layer is global."""


def read_gemma(config: ConfigReader) -> Body:
    """Read Gemma 1: full attention, two norms per layer."""
    hidden = config.integer("hidden_size")
    layer = Layer(
        grouped_attention(hidden, *heads_of(config)),
        dense(hidden, config.integer("intermediate_size")),
        2 * hidden,
    )
    return body(config, [layer] * layers_of(config), tied=True)


def _kinds(config: ConfigReader, count: int, pattern: int) -> list[object]:
    """Return the kind of each layer: listed, or every `pattern`-th global."""
    if config.has("layer_types"):
        return config.sequence("layer_types", count)
    step = config.integer("sliding_window_pattern", default=pattern)
    return ["full_attention" if (index + 1) % step == 0 else "sliding_attention" for index in range(count)]


def read_gemma2(config: ConfigReader) -> Body:
    """Read Gemma 2: alternating windows, four norms per layer."""
    return _windowed(config, heads_of(config), _GEMMA2_PATTERN, qk_norm=False)


def read_gemma3(config: ConfigReader) -> Body:
    """Read Gemma 3: five windows to one global layer, norms on queries and keys."""
    named = ("num_attention_heads", "num_key_value_heads", "head_dim")
    # The defaults belong to one size: they count together or not at all.
    heads = heads_of(config) if any(config.has(name) for name in named) else _GEMMA3_HEADS
    return _windowed(config, heads, _GEMMA3_PATTERN, qk_norm=True)


def _windowed(config: ConfigReader, heads: tuple[int, int, int], pattern: int, *, qk_norm: bool) -> Body:
    hidden = config.integer("hidden_size")
    query, kv, head_dim = heads
    feed = dense(hidden, config.integer("intermediate_size"))
    count = layers_of(config)
    norms = 4 * hidden + (2 * head_dim if qk_norm else 0)
    layers = [
        Layer(
            grouped_attention(hidden, query, kv, head_dim, window=window_of(config, kind)),
            feed,
            norms,
        )
        for kind in _kinds(config, count, pattern)
    ]
    return body(
        config,
        layers,
        tied=True,
        vocabulary=_GEMMA3_VOCABULARY if qk_norm else None,
        max_context=_GEMMA3_CONTEXT if qk_norm else None,
    )


def read_gemma4(config: ConfigReader) -> Body:
    """Read Gemma 4: global layers with wider heads and values that are the keys; experts beside a
    dense part in the MoE sizes.
    """
    config.unsupported("hidden_size_per_layer_input", "per-layer embeddings are not understood")
    config.unsupported("num_kv_shared_layers", "layers that share a cache are not understood")
    config.unsupported("use_double_wide_mlp", "feed-forward parts of two widths are not understood")
    hidden = config.integer("hidden_size")
    query, kv, head_dim = heads_of(config)
    window = config.integer("sliding_window", at_most=LARGEST_COUNT)
    local = grouped_attention(hidden, query, kv, head_dim, window=window)
    alike = config.flag("attention_k_eq_v")
    config.knows("num_global_key_value_heads")
    wide = grouped_attention(
        hidden,
        query,
        grouped_heads(config, query, "num_global_key_value_heads") if alike else kv,
        config.integer("global_head_dim"),
        shared_key_value=alike,
    )
    width = config.integer("intermediate_size")
    feed = dense(hidden, width)
    norms = 4 * hidden
    if config.flag("enable_moe_block"):
        feed = experts(
            hidden,
            config.integer("moe_intermediate_size", "expert_intermediate_size"),
            *experts_of(config, "num_experts", per_token=("top_k_experts",)),
            extra_shared=feed.parameters,
        )
        norms += 3 * hidden
    layers = []
    for kind in config.sequence("layer_types", layers_of(config)):
        windowed = window_of(config, kind) is not None
        mixer = local if windowed else wide
        layers.append(Layer(mixer, feed, norms + 2 * mixer.head_dim))
    return body(config, layers, tied=True)
