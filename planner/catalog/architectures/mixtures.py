"""Grouped attention with experts: Mixtral, Qwen, gpt-oss, GLM-4.5, MiniMax M2 and M3, MiMo, Phi."""

from planner.catalog.architectures.blocks import dense, experts, grouped_attention
from planner.catalog.architectures.body import (
    Body,
    Layer,
    body,
    experts_of,
    grouped_heads,
    heads_of,
    layers_of,
    listed_moe_layers,
    moe_layers,
    vocabulary_of,
    window_of,
)
from planner.catalog.architectures.llama import sliding_window
from planner.catalog.config_reader import LARGEST_COUNT, ConfigReader, known
from planner.catalog.llm import Attention


def read_mixtral(config: ConfigReader) -> Body:
    """Read Mixtral: every layer has experts."""
    hidden = config.integer("hidden_size")
    query, kv, head_dim = heads_of(config, derived_width=True)
    window = sliding_window(config) if config.has("sliding_window") else None
    layer = Layer(
        grouped_attention(hidden, query, kv, head_dim, window=window),
        experts(
            hidden,
            config.integer("intermediate_size"),
            *experts_of(config, "num_local_experts"),
        ),
        2 * hidden,
    )
    return body(config, [layer] * layers_of(config))


def read_phi_moe(config: ConfigReader) -> Body:
    """Read Phi-3.5-MoE: Mixtral's layers with biases and layer norms."""
    hidden = config.integer("hidden_size")
    query, kv, head_dim = heads_of(config, derived_width=True)
    bias = config.flag("attention_bias")
    window = sliding_window(config)
    layer = Layer(
        grouped_attention(hidden, query, kv, head_dim, window=window, qkv_bias=bias, output_bias=bias),
        experts(
            hidden,
            config.integer("intermediate_size"),
            *experts_of(config, "num_local_experts"),
        ),
        4 * hidden,
    )
    head_bias = vocabulary_of(config) if config.flag("lm_head_bias") else 0
    count = layers_of(config)
    return body(config, [layer] * count, final_norm=2 * hidden + head_bias)


def qwen_sparse_layers(config: ConfigReader, count: int) -> list[bool]:
    """Return, layer by layer, whether a Qwen MoE layer has experts."""
    dense_only = set(config.numbers("mlp_only_layers"))
    beyond = sorted(index for index in dense_only if index >= count)
    if beyond and known(count):
        config.refuse("mlp_only_layers", str(beyond[0]), f"layer numbers below {count}")
    step = config.integer("decoder_sparse_step", default=1)
    return [index not in dense_only and (index + 1) % step == 0 for index in range(count)]


def _qwen_moe(config: ConfigReader, *, qkv_bias: bool, qk_norm: bool, shared: bool) -> Body:
    hidden = config.integer("hidden_size")
    query, kv, head_dim = heads_of(config, derived_width=not qk_norm)
    config.unsupported("use_sliding_window", "windows are not understood here")
    config.knows("sliding_window", "max_window_layers")
    if qkv_bias:
        config.knows("qkv_bias", "attention_bias")  # there always is one
    else:
        config.unsupported("attention_bias", "biases are not understood here")
    count = layers_of(config)
    mixer = grouped_attention(hidden, query, kv, head_dim, qkv_bias=qkv_bias)
    mixture = experts(
        hidden,
        config.integer("moe_intermediate_size"),
        *experts_of(config, "num_experts"),
        shared_width=config.integer("shared_expert_intermediate_size") if shared else 0,
        shared_gate=shared,
    )
    sparse = qwen_sparse_layers(config, count)
    plain = None if all(sparse) else dense(hidden, config.integer("intermediate_size"))
    norms = 2 * hidden + (2 * head_dim if qk_norm else 0)
    layers = [Layer(mixer, mixture if moe or plain is None else plain, norms) for moe in sparse]
    return body(config, layers)


def read_qwen2_moe(config: ConfigReader) -> Body:
    """Read Qwen1.5-MoE and Qwen2-57B-A14B: a gated shared expert, biases on q, k and v."""
    return _qwen_moe(config, qkv_bias=True, qk_norm=False, shared=True)


def read_qwen3_moe(config: ConfigReader) -> Body:
    """Read Qwen3-30B-A3B, 235B-A22B, Coder and their VL siblings: no shared expert."""
    return _qwen_moe(config, qkv_bias=False, qk_norm=True, shared=False)


def read_gpt_oss(config: ConfigReader) -> Body:
    """Read gpt-oss: alternating windows, attention sinks, biases on experts and router."""
    hidden = config.integer("hidden_size")
    query, kv, head_dim = heads_of(config)
    count = layers_of(config)
    bias = config.flag("attention_bias", True)
    mixture = experts(
        hidden,
        config.integer("intermediate_size"),
        *experts_of(config, "num_local_experts", per_token=("num_experts_per_tok", "experts_per_token")),
        bias=True,
        router_bias=True,
    )
    layers = []
    for kind in config.sequence("layer_types", count):
        mixer = grouped_attention(
            hidden,
            query,
            kv,
            head_dim,
            window=window_of(config, kind),
            qkv_bias=bias,
            output_bias=bias,
            sinks=True,
        )
        layers.append(Layer(mixer, mixture, 2 * hidden))
    return body(config, layers)


def read_glm4_moe(config: ConfigReader) -> Body:
    """Read GLM-4.5 to 4.7: grouped attention, shared experts and leading dense layers."""
    hidden = config.integer("hidden_size")
    query, kv, head_dim = heads_of(config)
    count = layers_of(config)
    qk_norm = config.flag("use_qk_norm")
    mixer = grouped_attention(hidden, query, kv, head_dim, qkv_bias=config.flag("attention_bias"))
    width = config.integer("moe_intermediate_size")
    mixture = experts(
        hidden,
        width,
        *experts_of(config, "n_routed_experts"),
        shared_width=config.integer("n_shared_experts", at_least=0) * width,
        router_bias=True,
    )
    plain = dense(hidden, config.integer("intermediate_size"))
    norms = 2 * hidden + (2 * head_dim if qk_norm else 0)
    layers = [Layer(mixer, mixture if moe else plain, norms) for moe in moe_layers(config, count)]
    return body(config, layers, remarks=("multi-token-prediction layers not counted",))


def read_minimax_m2(config: ConfigReader) -> Body:
    """Read MiniMax M2 to M2.7: full attention everywhere, norms over all query and key heads."""
    hidden = config.integer("hidden_size")
    query, kv, head_dim = heads_of(config)
    count = layers_of(config)
    kinds = config.sequence("attn_type_list", count) if config.has("attn_type_list") else [1] * count
    if any(kind not in (None, 1) for kind in kinds):
        config.refuse("attn_type_list", "linear layers", "1 (full attention) for every layer")
    layer = Layer(
        grouped_attention(hidden, query, kv, head_dim),
        experts(
            hidden,
            config.integer("intermediate_size"),
            *experts_of(config, "num_local_experts"),
            shared_width=config.integer("shared_intermediate_size", default=0, at_least=0),
            router_bias=config.flag("use_routing_bias"),
        ),
        2 * hidden + (query + kv) * head_dim,
    )
    return body(config, [layer] * count, remarks=("multi-token-prediction layers not counted",))


def read_minimax_m3(config: ConfigReader) -> Body:
    """Read MiniMax M3: block-sparse grouped attention behind an indexer, a shared expert."""
    hidden = config.integer("hidden_size")
    query, kv, head_dim = heads_of(config)
    count = layers_of(config)
    if config.integer("n_shared_experts", default=1) != 1:
        config.refuse("n_shared_experts", str(config.get("n_shared_experts")), "1", "more are not understood")
    config.unsupported("attention_output_gate", "gated attention is not understood here")
    sparse = config.child("sparse_attention_config")
    picks = sparse.sequence("sparse_attention_freq", count)
    index_heads, index_dim = (
        sparse.integer("sparse_num_index_heads"),
        sparse.integer("sparse_index_dim"),
    )
    for pick in sorted({str(pick) for pick in picks if pick not in (None, 0, 1)}):
        sparse.refuse("sparse_attention_freq", pick, "0 (full) or 1 (sparse) for every layer")
    top_k = sparse.integer("sparse_topk_blocks") * sparse.integer("sparse_block_size")
    full = grouped_attention(hidden, query, kv, head_dim)
    indexed = Attention(
        "full",
        query_heads=query,
        kv_heads=kv,
        head_dim=head_dim,
        value_head_dim=head_dim,
        sparse_top_k=top_k,
        index_heads=index_heads,
        index_head_dim=index_dim,
        parameters=full.parameters + hidden * index_dim * (index_heads + 1),
    )
    mixture = experts(
        hidden,
        config.integer("moe_intermediate_size", "intermediate_size"),
        *experts_of(config, "num_local_experts"),
        shared_width=config.integer("shared_intermediate_size", at_least=0),
        router_bias=config.flag("use_routing_bias"),
    )
    plain = dense(hidden, config.integer("dense_intermediate_size"))
    moe = _m3_moe_layers(config, count)
    layers = [
        Layer(indexed if pick else full, mixture if has else plain, 2 * hidden + 2 * head_dim)
        for pick, has in zip(picks, moe, strict=True)
    ]
    remarks = (
        "multi-token-prediction layers not counted",
        "the indexer is counted as one query and one key projection",
    )
    return body(config, layers, remarks=remarks)


def _m3_moe_layers(config: ConfigReader, count: int) -> list[bool]:
    """Return, layer by layer, whether it has experts: one entry per layer in the published config."""
    if isinstance(config.get("moe_layer_freq"), list):
        config.knows("first_k_dense_replace")
        return listed_moe_layers(config, count)
    return moe_layers(config, count)


def read_mimo_v2(config: ConfigReader) -> Body:
    """Read MiMo-V2: sliding layers with more key-value heads, values narrower than keys."""
    hidden = config.integer("hidden_size")
    count = layers_of(config)
    full = grouped_attention(
        hidden,
        *heads_of(config),
        value_head_dim=config.integer("v_head_dim"),
        sinks=config.flag("add_full_attention_sink_bias"),
    )
    query = config.integer("swa_num_attention_heads")
    config.knows("attention_chunk_size")  # the window again
    sliding = grouped_attention(
        hidden,
        query,
        grouped_heads(config, query, "swa_num_key_value_heads"),
        config.integer("swa_head_dim"),
        value_head_dim=config.integer("swa_v_head_dim"),
        window=config.integer("sliding_window", at_most=LARGEST_COUNT),
        sinks=config.flag("add_swa_attention_sink_bias"),
    )
    width = config.integer("moe_intermediate_size")
    mixture = experts(
        hidden,
        width,
        *experts_of(config, "n_routed_experts"),
        shared_width=(config.integer_or_null("n_shared_experts", "none", at_least=0) or 0) * width,
        router_bias=True,
    )
    plain = dense(hidden, config.integer("intermediate_size"))
    windows = config.sequence("hybrid_layer_pattern", count)
    for pick in sorted({str(pick) for pick in windows if pick not in (None, 0, 1)}):
        config.refuse("hybrid_layer_pattern", pick, "0 (full) or 1 (sliding) for every layer")
    moe = listed_moe_layers(config, count)
    layers = [
        Layer(sliding if window else full, mixture if has else plain, 2 * hidden)
        for window, has in zip(windows, moe, strict=True)
    ]
    return body(config, layers, remarks=("multi-token-prediction layers not counted",))
