"""Qwen3-Next and Qwen3.5: three gated delta nets, then one gated attention layer."""

from planner.catalog.architectures.blocks import (
    dense,
    experts,
    gated_delta_net,
    grouped_attention,
)
from planner.catalog.architectures.body import Body, Layer, body, heads_of
from planner.catalog.architectures.mixtures import qwen_sparse_layers
from planner.catalog.config_reader import ConfigReader
from planner.catalog.llm import FeedForward

_STATE_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


def read_qwen_hybrid(config: ConfigReader) -> Body:
    """Read a hybrid of linear and full attention, with dense or expert feed-forward parts."""
    hidden = config.integer("hidden_size")
    query, kv, head_dim = heads_of(config)
    count = config.integer("num_hidden_layers")
    full = grouped_attention(hidden, query, kv, head_dim, output_gate=True)
    linear = gated_delta_net(
        hidden,
        key_heads=config.integer("linear_num_key_heads"),
        value_heads=config.integer("linear_num_value_heads"),
        key_head_dim=config.integer("linear_key_head_dim"),
        value_head_dim=config.integer("linear_value_head_dim"),
        kernel=config.integer("linear_conv_kernel_dim"),
        state_bytes_per_element=_STATE_BYTES.get(config.text("mamba_ssm_dtype", "float32"), 4),
    )
    feeds = _feeds(config, hidden, count)
    layers = []
    for kind, feed in zip(_kinds(config, count), feeds, strict=True):
        if kind == "full_attention":
            layers.append(Layer(full, feed, 2 * hidden + 2 * head_dim))
        elif kind == "linear_attention":
            layers.append(Layer(linear, feed, 2 * hidden))
        elif kind is not None:
            config.refuse("layer_types", repr(kind), "linear_attention or full_attention")
    mtp = config.integer("mtp_num_hidden_layers", default=0, at_least=0)
    remarks = (f"{mtp} multi-token-prediction layer(s) not counted",) if mtp else ()
    return body(config, layers, remarks=remarks)


def _kinds(config: ConfigReader, count: int) -> list[object]:
    """Return the kind of each layer; without a list every `full_attention_interval`-th is full."""
    if config.has("layer_types"):
        return config.sequence("layer_types", count)
    interval = config.integer("full_attention_interval")
    return ["full_attention" if (index + 1) % interval == 0 else "linear_attention" for index in range(count)]


def _feeds(config: ConfigReader, hidden: int, count: int) -> list[FeedForward]:
    if not config.has("num_experts"):
        return [dense(hidden, config.integer("intermediate_size"))] * count
    mixture = experts(
        hidden,
        config.integer("moe_intermediate_size"),
        config.integer("num_experts"),
        config.integer("num_experts_per_tok"),
        shared_width=config.integer("shared_expert_intermediate_size"),
        shared_gate=True,
    )
    sparse = qwen_sparse_layers(config, count)
    if all(sparse):
        return [mixture] * count
    plain = dense(hidden, config.integer("intermediate_size"))
    return [mixture if moe else plain for moe in sparse]
