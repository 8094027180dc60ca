"""Layers as counts of weights, cache elements and state, from the widths of a configuration."""

from planner.catalog.llm import Attention, FeedForward

STATE_BYTES = 4
"""Recurrent states are kept in float32."""

CONVOLUTION_BYTES = 2
"""The tail of a short convolution is kept in bf16."""


def grouped_attention(
    hidden: int,
    query_heads: int,
    kv_heads: int,
    head_dim: int,
    *,
    value_head_dim: int | None = None,
    window: int | None = None,
    qkv_bias: bool = False,
    output_bias: bool = False,
    output_gate: bool = False,
    shared_key_value: bool = False,
    sinks: bool = False,
) -> Attention:
    """Return softmax attention with grouped keys and values (GQA, MQA, MHA).

    `output_gate` doubles the query projection; `shared_key_value` has no value projection; `sinks`
    adds one learned logit per head.
    """
    value_dim = head_dim if value_head_dim is None else value_head_dim
    query = query_heads * head_dim * (2 if output_gate else 1)
    key_value = kv_heads * (head_dim if shared_key_value else head_dim + value_dim)
    weights = hidden * (query + key_value) + query_heads * value_dim * hidden
    weights += (query + key_value) if qkv_bias else 0
    weights += hidden if output_bias else 0
    weights += query_heads if sinks else 0
    return Attention(
        "full" if window is None else "sliding",
        query_heads=query_heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        value_head_dim=value_dim,
        window=window,
        shared_key_value=shared_key_value,
        parameters=weights,
    )


def latent_attention(
    hidden: int,
    heads: int,
    *,
    q_lora_rank: int | None,
    kv_lora_rank: int,
    nope: int,
    rope: int,
    value_head_dim: int,
    index_heads: int = 0,
    index_head_dim: int = 0,
    sparse_top_k: int | None = None,
    bias: bool = False,
) -> Attention:
    """Return multi-head latent attention (DeepSeek-V2/V3), sparse with an indexer (V3.2).

    Source: the DeepSeek-V2 paper (arXiv:2405.04434) and the DeepSeek-V3.2 inference code.
    """
    query_width = heads * (nope + rope)
    if q_lora_rank is None:
        weights = hidden * query_width
    else:
        weights = hidden * q_lora_rank + q_lora_rank * query_width + q_lora_rank
    weights += hidden * (kv_lora_rank + rope) + kv_lora_rank
    weights += kv_lora_rank * heads * (nope + value_head_dim) + heads * value_head_dim * hidden
    if bias:
        weights += (q_lora_rank or query_width) + kv_lora_rank + rope + hidden
    if index_heads:
        weights += (q_lora_rank or hidden) * index_heads * index_head_dim
        weights += hidden * index_head_dim + 2 * index_head_dim + hidden * index_heads
    return Attention(
        "mla",
        query_heads=heads,
        kv_heads=1,
        head_dim=nope + rope,
        value_head_dim=value_head_dim,
        q_lora_rank=q_lora_rank,
        kv_lora_rank=kv_lora_rank,
        qk_rope_head_dim=rope,
        qk_nope_head_dim=nope,
        sparse_top_k=sparse_top_k,
        index_heads=index_heads,
        index_head_dim=index_head_dim,
        parameters=weights,
    )


def gated_delta_net(
    hidden: int,
    *,
    key_heads: int,
    value_heads: int,
    key_head_dim: int,
    value_head_dim: int,
    kernel: int,
    state_bytes_per_element: int = STATE_BYTES,
) -> Attention:
    """Return the gated delta net of Qwen3-Next and Qwen3.5: a matrix state per value head."""
    keys, values = key_heads * key_head_dim, value_heads * value_head_dim
    convolved = 2 * keys + values
    weights = hidden * (convolved + values + 2 * value_heads)  # q, k, v; gate; beta and decay
    weights += convolved * kernel + 2 * value_heads + value_head_dim  # convolution, A, dt, norm
    weights += values * hidden
    state = value_heads * key_head_dim * value_head_dim * state_bytes_per_element
    return Attention(
        "linear",
        query_heads=value_heads,
        kv_heads=key_heads,
        head_dim=key_head_dim,
        value_head_dim=value_head_dim,
        state_bytes=state + convolved * (kernel - 1) * CONVOLUTION_BYTES,
        parameters=weights,
    )


def mamba2(
    hidden: int,
    *,
    heads: int,
    head_dim: int,
    groups: int,
    state_size: int,
    kernel: int,
    bias: bool,
    convolution_bias: bool,
    state_bytes_per_element: int = STATE_BYTES,
) -> Attention:
    """Return a Mamba-2 mixer (arXiv:2405.21060): a `head_dim x state_size` state per head."""
    inner = heads * head_dim
    convolved = inner + 2 * groups * state_size
    projected = inner + convolved + heads
    weights = hidden * projected + inner * hidden + inner + 3 * heads  # in, out, norm, A D dt
    weights += convolved * (kernel + (1 if convolution_bias else 0))
    weights += (projected + hidden) if bias else 0
    return Attention(
        "linear",
        query_heads=heads,
        kv_heads=groups,
        head_dim=state_size,
        value_head_dim=head_dim,
        state_bytes=inner * state_size * state_bytes_per_element
        + convolved * (kernel - 1) * CONVOLUTION_BYTES,
        parameters=weights,
    )


def lightning_attention(hidden: int, heads: int, head_dim: int) -> Attention:
    """Return MiniMax's lightning attention: q, k, v, output gate, norm, output; a state per head."""
    width = heads * head_dim
    return Attention(
        "linear",
        query_heads=heads,
        kv_heads=heads,
        head_dim=head_dim,
        value_head_dim=head_dim,
        state_bytes=heads * head_dim * head_dim * STATE_BYTES,
        parameters=hidden * 3 * width + hidden * width + width + width * hidden,
    )


def dense(hidden: int, width: int, *, gated: bool = True, bias: bool = False) -> FeedForward:
    """Return a dense feed-forward part: gated (SwiGLU, GeGLU) or plain."""
    matrices = 3 if gated else 2
    weights = matrices * hidden * width
    weights += ((matrices - 1) * width + hidden) if bias else 0
    return FeedForward("dense", width, matrices, parameters=weights, active_parameters=weights)


def experts(
    hidden: int,
    width: int,
    count: int,
    per_token: int,
    *,
    shared_width: int = 0,
    gated: bool = True,
    bias: bool = False,
    router_bias: bool = False,
    shared_gate: bool = False,
    latent: int = 0,
    extra_shared: int = 0,
) -> FeedForward:
    """Return a mixture of experts with optional shared experts that every token visits.

    `shared_gate` adds one gate vector for the shared expert (Qwen); `latent` makes routed experts
    work on a narrower width between two shared projections (Nemotron 3); `extra_shared` adds a
    dense part of that many weights beside the experts (Gemma 4).
    """
    matrices = 3 if gated else 2
    inner = latent or hidden
    one = matrices * inner * width + (((matrices - 1) * width + inner) if bias else 0)
    router = hidden * count + (count if router_bias else 0)
    shared = matrices * hidden * shared_width + (hidden if shared_gate else 0) + extra_shared
    shared += 2 * hidden * latent
    return FeedForward(
        "moe",
        width,
        matrices,
        experts=count,
        experts_per_token=per_token,
        shared_intermediate_size=shared_width,
        parameters=count * one + router + shared,
        active_parameters=per_token * one + router + shared,
        shared_parameters=shared,
        router_parameters=router,
        latent_size=latent,
    )
