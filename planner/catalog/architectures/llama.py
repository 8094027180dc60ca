"""The Llama family: one kind of layer, grouped attention and a dense feed-forward part."""

from collections.abc import Callable

from planner.catalog.architectures.blocks import dense, grouped_attention
from planner.catalog.architectures.body import (
    Body,
    Layer,
    body,
    context_of,
    grouped_heads,
    heads_of,
    layers_of,
    shared_width,
    vocabulary_of,
    window_of,
)
from planner.catalog.config_reader import LARGEST_COUNT, LARGEST_DEPTH, ConfigReader

Heads = tuple[int, int, int]
"""Query heads, key-value heads, width of a head."""

_GROUPED_SINCE = (4, 31)
"""The release of transformers from which every Llama config states its key-value heads."""


Windows = list[int | None]
"""The window of each layer, None where attention is full."""


def _no_windows(config: ConfigReader, layers: int) -> Windows:
    """Return full attention everywhere."""
    if config.has("layer_types"):
        return _listed_windows(config, layers)
    return [None] * layers


def _listed_windows(config: ConfigReader, layers: int) -> Windows:
    config.knows("sliding_window", "use_sliding_window", "max_window_layers")
    return [window_of(config, kind) for kind in config.sequence("layer_types", layers)]


def _one_window(config: ConfigReader, layers: int) -> Windows:
    """Return the window of all layers: Mistral and Phi-3, whose configs say so, if only with null."""
    if config.has("layer_types"):
        return _listed_windows(config, layers)
    return [sliding_window(config)] * layers


def sliding_window(config: ConfigReader) -> int | None:
    """Return the window of a config that must state it; one as long as the context is none."""
    if "sliding_window" not in config.data:
        config.knows("sliding_window")
        allowed = "a number of tokens, or null: full attention"
        config.refuse("sliding_window", "nothing", allowed, "its absence says neither")
        return None
    if not config.has("sliding_window"):
        return None
    window = config.integer("sliding_window", at_most=LARGEST_COUNT)
    return None if window >= context_of(config) else window


def _late_windows(config: ConfigReader, layers: int) -> Windows:
    """Return Qwen's windows: off unless `use_sliding_window`, and not in the first layers."""
    config.knows("sliding_window", "max_window_layers", "layer_types")
    if not config.flag("use_sliding_window", False):
        return _no_windows(config, layers)
    if config.has("layer_types"):
        return _listed_windows(config, layers)
    full = config.integer("max_window_layers", at_least=0, at_most=LARGEST_DEPTH)
    window = sliding_window(config)
    return [None if index < full else window for index in range(layers)]


def _llama_heads(config: ConfigReader) -> Heads:
    """Return the heads of a Llama: every query head has its own keys where old configs say nothing."""
    if config.has("num_key_value_heads"):
        return heads_of(config, derived_width=True)
    query = config.integer("num_attention_heads")
    version = config.text("transformers_version").split(".")
    if all(part.isdigit() for part in version[:2]) and tuple(map(int, version[:2])) >= _GROUPED_SINCE:
        grouped_heads(config, query)  # says that it is missing
    width = config.integer("head_dim") if config.has("head_dim") else shared_width(config, query)
    return query, query, width


def _dense_decoder(
    config: ConfigReader,
    heads: Heads,
    windows: Callable[[ConfigReader, int], Windows] = _no_windows,
    *,
    qkv_bias: bool = False,
    output_bias: bool = False,
    qk_norm: bool = False,
    gated: bool = True,
    mlp_bias: bool = False,
    norms: int = 2,
    norm_width: int = 1,
    tied: bool = False,
    head_bias: bool = False,
) -> Body:
    """Read a decoder of equal layers.

    `norms` are counted per layer, each `norm_width` x hidden (2 with a bias); `tied` is the default
    of the family; `head_bias` adds a bias to the LM head (counted with the norms).
    """
    hidden = config.integer("hidden_size")
    query, kv, head_dim = heads
    feed = dense(hidden, config.integer("intermediate_size"), gated=gated, bias=mlp_bias)
    count = layers_of(config)
    layer_norms = norms * norm_width * hidden + (2 * head_dim if qk_norm else 0)
    layers = [
        Layer(
            grouped_attention(
                hidden, query, kv, head_dim, window=window, qkv_bias=qkv_bias, output_bias=output_bias
            ),
            feed,
            layer_norms,
        )
        for window in windows(config, count)
    ]
    beside = vocabulary_of(config) if head_bias else 0
    return body(config, layers, tied=tied, final_norm=norm_width * hidden + beside)


def read_llama(config: ConfigReader) -> Body:
    """Read Llama 1 to 3, Yi and others that share Llama's layers."""
    bias = config.flag("attention_bias", False)
    mlp_bias = config.flag("mlp_bias", False)
    heads = _llama_heads(config)
    return _dense_decoder(config, heads, qkv_bias=bias, output_bias=bias, mlp_bias=mlp_bias)


def read_mistral(config: ConfigReader) -> Body:
    """Read Mistral: Llama's layers, with a window in the first release."""
    return _dense_decoder(config, heads_of(config, derived_width=True), _one_window)


def read_qwen2(config: ConfigReader) -> Body:
    """Read Qwen2 and Qwen2.5 (and MiMo-7B): biases on query, key and value."""
    config.knows("attention_bias", "qkv_bias")  # there always is one
    return _dense_decoder(config, heads_of(config, derived_width=True), _late_windows, qkv_bias=True)


def read_qwen3(config: ConfigReader) -> Body:
    """Read Qwen3: a norm on queries and keys instead of biases."""
    bias = config.flag("attention_bias", False)
    return _dense_decoder(
        config, heads_of(config), _late_windows, qkv_bias=bias, output_bias=bias, qk_norm=True
    )


def read_phi3(config: ConfigReader) -> Body:
    """Read Phi-3 and Phi-4: Llama's layers with fused projections."""
    return _dense_decoder(config, heads_of(config, derived_width=True), _one_window)


def read_phi(config: ConfigReader) -> Body:
    """Read Phi-1 and Phi-2: one norm per layer, plain feed-forward, biases everywhere."""
    return _dense_decoder(
        config,
        heads_of(config, derived_width=True),
        qkv_bias=True,
        output_bias=True,
        gated=False,
        mlp_bias=True,
        norms=1,
        norm_width=2,
        head_bias=True,
    )


def read_glm4(config: ConfigReader) -> Body:
    """Read GLM-4 (dense): four norms per layer from the 0414 release on, two before."""
    bias = config.flag("attention_bias", False)
    norms = 4 if config.text("model_type") == "glm4" else 2
    return _dense_decoder(config, heads_of(config), qkv_bias=bias, norms=norms)


def read_nemotron(config: ConfigReader) -> Body:
    """Read Nemotron-4 and Minitron: plain squared-ReLU feed-forward, layer norms with bias."""
    bias = config.flag("attention_bias", False)
    return _dense_decoder(
        config,
        heads_of(config, derived_width=True),
        qkv_bias=bias,
        output_bias=bias,
        gated=False,
        mlp_bias=config.flag("mlp_bias", False),
        norm_width=2,
    )
