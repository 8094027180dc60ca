"""Grouped attention with experts: Mixtral, Qwen, gpt-oss, GLM-4.5, MiniMax M2 and M3, MiMo, Phi."""

from planner.catalog.architectures.blocks import dense, experts, grouped_attention
from planner.catalog.architectures.body import (
    Body,
    Layer,
    body,
    heads_of,
    moe_layers,
    window_of,
)
from planner.catalog.config_reader import ConfigReader
from planner.catalog.llm import Attention


def read_mixtral(config: ConfigReader) -> Body:
    """Read Mixtral: every layer has experts."""
    hidden = config.integer("hidden_size")
    query, kv, head_dim = heads_of(config)
    window = config.integer("sliding_window") if config.has("sliding_window") else None
    layer = Layer(
        grouped_attention(hidden, query, kv, head_dim, window=window),
        experts(
            hidden,
            config.integer("intermediate_size"),
            config.integer("num_local_experts"),
            config.integer("num_experts_per_tok"),
        ),
        2 * hidden,
    )
    return body(config, [layer] * config.integer("num_hidden_layers"))


def read_phi_moe(config: ConfigReader) -> Body:
    """Read Phi-3.5-MoE: Mixtral's layers with biases and layer norms."""
    hidden = config.integer("hidden_size")
    query, kv, head_dim = heads_of(config)
    bias = config.flag("attention_bias", False)
    layer = Layer(
        grouped_attention(hidden, query, kv, head_dim, qkv_bias=bias, output_bias=bias),
        experts(
            hidden,
            config.integer("intermediate_size"),
            config.integer("num_local_experts"),
            config.integer("num_experts_per_tok"),
        ),
        4 * hidden,
    )
    head_bias = config.integer("vocab_size") if config.flag("lm_head_bias", False) else 0
    count = config.integer("num_hidden_layers")
    return body(config, [layer] * count, final_norm=2 * hidden + head_bias)


def qwen_sparse_layers(config: ConfigReader, count: int) -> list[bool]:
    """Return, layer by layer, whether a Qwen MoE layer has experts."""
    dense_only = set(config.data.get("mlp_only_layers") or [])
    step = config.integer("decoder_sparse_step", default=1)
    return [index not in dense_only and (index + 1) % step == 0 for index in range(count)]


def _qwen_moe(config: ConfigReader, *, qkv_bias: bool, qk_norm: bool, shared: bool) -> Body:
    hidden = config.integer("hidden_size")
    query, kv, head_dim = heads_of(config)
    count = config.integer("num_hidden_layers")
    mixer = grouped_attention(hidden, query, kv, head_dim, qkv_bias=qkv_bias)
    mixture = experts(
        hidden,
        config.integer("moe_intermediate_size"),
        config.integer("num_experts"),
        config.integer("num_experts_per_tok"),
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
    count = config.integer("num_hidden_layers")
    bias = config.flag("attention_bias", True)
    mixture = experts(
        hidden,
        config.integer("intermediate_size"),
        config.integer("num_local_experts"),
        config.integer("num_experts_per_tok", "experts_per_token"),
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
    count = config.integer("num_hidden_layers")
    qk_norm = config.flag("use_qk_norm", False)
    mixer = grouped_attention(hidden, query, kv, head_dim, qkv_bias=config.flag("attention_bias", False))
    width = config.integer("moe_intermediate_size")
    mixture = experts(
        hidden,
        width,
        config.integer("n_routed_experts"),
        config.integer("num_experts_per_tok"),
        shared_width=config.integer("n_shared_experts", at_least=0) * width,
        router_bias=True,
    )
    plain = dense(hidden, config.integer("intermediate_size"))
    first_dense = config.integer("first_k_dense_replace", at_least=0)
    norms = 2 * hidden + (2 * head_dim if qk_norm else 0)
    layers = [
        Layer(mixer, mixture if moe else plain, norms) for moe in moe_layers(config, count, first_dense)
    ]
    return body(config, layers, remarks=("multi-token-prediction layers not counted",))


def read_minimax_m2(config: ConfigReader) -> Body:
    """Read MiniMax M2 to M2.7: full attention everywhere, norms over all query and key heads."""
    hidden = config.integer("hidden_size")
    query, kv, head_dim = heads_of(config)
    count = config.integer("num_hidden_layers")
    kinds = config.sequence("attn_type_list", count) if config.has("attn_type_list") else [1] * count
    if any(kind != 1 for kind in kinds):
        config.refuse("attn_type_list", "linear layers", "1 (full attention) for every layer")
    layer = Layer(
        grouped_attention(hidden, query, kv, head_dim),
        experts(
            hidden,
            config.integer("intermediate_size"),
            config.integer("num_local_experts"),
            config.integer("num_experts_per_tok"),
            shared_width=config.integer("shared_intermediate_size", default=0, at_least=0),
            router_bias=config.flag("use_routing_bias", False),
        ),
        2 * hidden + (query + kv) * head_dim,
    )
    return body(config, [layer] * count, remarks=("multi-token-prediction layers not counted",))


def read_minimax_m3(config: ConfigReader) -> Body:
    """Read MiniMax M3: block-sparse grouped attention behind an indexer, a shared expert."""
    hidden = config.integer("hidden_size")
    query, kv, head_dim = heads_of(config)
    count = config.integer("num_hidden_layers")
    sparse = config.child("sparse_attention_config")
    picks = sparse.sequence("sparse_attention_freq", count)
    index_heads, index_dim = (
        sparse.integer("sparse_num_index_heads"),
        sparse.integer("sparse_index_dim"),
    )
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
        config.integer("num_local_experts"),
        config.integer("num_experts_per_tok"),
        shared_width=config.integer("shared_intermediate_size", default=0, at_least=0),
        router_bias=config.flag("use_routing_bias", False),
    )
    plain = dense(hidden, config.integer("dense_intermediate_size"))
    first_dense = config.integer("first_k_dense_replace", default=0, at_least=0)
    moe = moe_layers(config, count, first_dense)
    layers = [
        Layer(indexed if pick else full, mixture if has else plain, 2 * hidden + 2 * head_dim)
        for pick, has in zip(picks, moe, strict=True)
    ]
    remarks = (
        "multi-token-prediction layers not counted",
        "the indexer is counted as one query and one key projection",
    )
    return body(config, layers, remarks=remarks)


def read_mimo_v2(config: ConfigReader) -> Body:
    """Read MiMo-V2: sliding layers with more key-value heads, values narrower than keys."""
    hidden = config.integer("hidden_size")
    count = config.integer("num_hidden_layers")
    full = grouped_attention(
        hidden,
        config.integer("num_attention_heads"),
        config.integer("num_key_value_heads"),
        config.integer("head_dim"),
        value_head_dim=config.integer("v_head_dim"),
        sinks=config.flag("add_full_attention_sink_bias", False),
    )
    sliding = grouped_attention(
        hidden,
        config.integer("swa_num_attention_heads"),
        config.integer("swa_num_key_value_heads"),
        config.integer("swa_head_dim"),
        value_head_dim=config.integer("swa_v_head_dim"),
        window=config.integer("sliding_window"),
        sinks=config.flag("add_swa_attention_sink_bias", False),
    )
    width = config.integer("moe_intermediate_size")
    mixture = experts(
        hidden,
        width,
        config.integer("n_routed_experts"),
        config.integer("num_experts_per_tok"),
        shared_width=config.integer("n_shared_experts", default=0, at_least=0) * width,
        router_bias=True,
    )
    plain = dense(hidden, config.integer("intermediate_size"))
    windows = config.sequence("hybrid_layer_pattern", count)
    moe = moe_layers(config, count, first_dense=0)
    layers = [
        Layer(sliding if window else full, mixture if has else plain, 2 * hidden)
        for window, has in zip(windows, moe, strict=True)
    ]
    return body(config, layers, remarks=("multi-token-prediction layers not counted",))
