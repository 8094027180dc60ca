"""Qwen3-Next and Qwen3.5: three gated delta nets, then one gated attention layer."""

from planner.catalog.architectures.blocks import (
    dense,
    experts,
    gated_delta_net,
    grouped_attention,
)
from planner.catalog.architectures.body import (
    Body,
    Layer,
    body,
    experts_of,
    grouped_heads,
    heads_of,
    layers_of,
)
from planner.catalog.architectures.mixtures import qwen_sparse_layers
from planner.catalog.config_reader import ConfigReader
from planner.catalog.llm import FeedForward

STATE_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
"""Bytes of one element of a recurrent state by the dtype a config names."""


def read_qwen_hybrid(config: ConfigReader) -> Body:
    """Read a hybrid of linear and full attention with dense feed-forward parts (Qwen3.5)."""
    plain = dense(config.integer("hidden_size"), config.integer("intermediate_size"))
    return _hybrid(config, [plain] * layers_of(config))


def read_qwen_hybrid_moe(config: ConfigReader) -> Body:
    """Read a hybrid of linear and full attention with experts (Qwen3-Next, Qwen3.5 MoE)."""
    return _hybrid(config, _mixtures(config, config.integer("hidden_size"), layers_of(config)))


def _hybrid(config: ConfigReader, feeds: list[FeedForward]) -> Body:
    hidden = config.integer("hidden_size")
    query, kv, head_dim = heads_of(config)
    count = layers_of(config)
    config.unsupported("attention_bias", "biases are not understood here")
    if not config.flag("attn_output_gate", True):
        config.refuse("attn_output_gate", "false", "true", "attention without its gate is not understood")
    full = grouped_attention(hidden, query, kv, head_dim, output_gate=True)
    value_heads = config.integer("linear_num_value_heads")
    linear = gated_delta_net(
        hidden,
        key_heads=grouped_heads(config, value_heads, "linear_num_key_heads"),
        value_heads=value_heads,
        key_head_dim=config.integer("linear_key_head_dim"),
        value_head_dim=config.integer("linear_value_head_dim"),
        kernel=config.integer("linear_conv_kernel_dim"),
        state_bytes_per_element=config.one_of("mamba_ssm_dtype", STATE_BYTES, "float32"),
    )
    layers = []
    for kind, feed in zip(_kinds(config, count), feeds, strict=True):
        if kind == "full_attention":
            layers.append(Layer(full, feed, 2 * hidden + 2 * head_dim))
        elif kind == "linear_attention":
            layers.append(Layer(linear, feed, 2 * hidden))
        elif kind is not None:
            config.refuse("layer_types", repr(kind), "linear_attention or full_attention")
    config.knows("full_attention_interval")
    mtp = config.integer("mtp_num_hidden_layers", default=0, at_least=0)
    remarks = (f"{mtp} multi-token-prediction layer(s) not counted",) if mtp else ()
    return body(config, layers, remarks=remarks)


def _kinds(config: ConfigReader, count: int) -> list[object]:
    """Return the kind of each layer; without a list every `full_attention_interval`-th is full."""
    if config.has("layer_types"):
        return config.sequence("layer_types", count)
    interval = config.integer("full_attention_interval")
    return ["full_attention" if (index + 1) % interval == 0 else "linear_attention" for index in range(count)]


def _mixtures(config: ConfigReader, hidden: int, count: int) -> list[FeedForward]:
    mixture = experts(
        hidden,
        config.integer("moe_intermediate_size"),
        *experts_of(config, "num_experts"),
        shared_width=config.integer("shared_expert_intermediate_size"),
        shared_gate=True,
    )
    sparse = qwen_sparse_layers(config, count)
    if all(sparse):
        return [mixture] * count
    plain = dense(hidden, config.integer("intermediate_size"))
    return [mixture if moe else plain for moe in sparse]
