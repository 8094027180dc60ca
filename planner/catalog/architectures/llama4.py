"""Llama 4: chunked attention with a global layer in four, experts in every or every second layer."""

from planner.catalog.architectures.blocks import dense, experts, grouped_attention
from planner.catalog.architectures.body import (
    Body,
    Layer,
    body,
    experts_of,
    heads_of,
    layers_of,
    window_of,
)
from planner.catalog.config_reader import ConfigReader

_GLOBAL_INTERVAL = 4
"""Every fourth layer attends without chunks (transformers' no_rope_layer_interval)."""


def read_llama4(config: ConfigReader) -> Body:
    """Read Llama 4 Scout and Maverick."""
    hidden = config.integer("hidden_size")
    query, kv, head_dim = heads_of(config)
    count = layers_of(config)
    bias = config.flag("attention_bias", False)
    width = config.integer("intermediate_size")
    mixture = experts(
        hidden,
        width,
        *experts_of(config, "num_local_experts"),
        shared_width=width,
    )
    plain = dense(hidden, config.integer("intermediate_size_mlp"))
    step = config.integer("interleave_moe_layer_step")
    layers = []
    for index, kind in enumerate(_kinds(config, count)):
        mixer = grouped_attention(
            hidden,
            query,
            kv,
            head_dim,
            window=window_of(config, kind),
            qkv_bias=bias,
            output_bias=bias,
        )
        layers.append(Layer(mixer, mixture if (index + 1) % step == 0 else plain, 2 * hidden))
    return body(config, layers)


def _kinds(config: ConfigReader, count: int) -> list[object]:
    config.knows("attention_chunk_size")
    if config.has("layer_types"):
        return config.sequence("layer_types", count)
    if config.integer_or_null("attention_chunk_size", "full attention in every layer") is None:
        return ["full_attention"] * count
    interval = config.integer("no_rope_layer_interval", default=_GLOBAL_INTERVAL)
    return [
        "full_attention" if (index + 1) % interval == 0 else "chunked_attention" for index in range(count)
    ]
