"""MiniMax-Text-01 and M1: seven lightning-attention layers, then one with softmax attention."""

from planner.catalog.architectures.blocks import experts, grouped_attention, lightning_attention
from planner.catalog.architectures.body import Body, Layer, body, experts_of, heads_of, layers_of
from planner.catalog.config_reader import ConfigReader


def read_minimax_text(config: ConfigReader) -> Body:
    """Read MiniMax-Text-01 and MiniMax-M1."""
    hidden = config.integer("hidden_size")
    query, kv, head_dim = heads_of(config)
    count = layers_of(config)
    config.unsupported("shared_intermediate_size", "shared experts are not understood here")
    mixture = experts(
        hidden,
        config.integer("intermediate_size"),
        *experts_of(config, "num_local_experts"),
    )
    full = Layer(grouped_attention(hidden, query, kv, head_dim), mixture, 2 * hidden)
    linear = Layer(lightning_attention(hidden, query, head_dim), mixture, 2 * hidden)
    layers = []
    for kind in _kinds(config, count):
        if kind not in (None, 0, 1):
            config.refuse("attn_type_list", repr(kind), "0 (lightning) or 1 (softmax)")
        layers.append(full if kind == 1 else linear)
    return body(config, layers)


def _kinds(config: ConfigReader, count: int) -> list[object]:
    """Return 0 (linear) or 1 (full) for every layer."""
    if config.has("layer_types"):
        kinds = config.sequence("layer_types", count)
        return [{"linear_attention": 0, "full_attention": 1}.get(str(kind), kind) for kind in kinds]
    return config.sequence("attn_type_list", count)
