"""The Llama family: one kind of layer, grouped attention and a dense feed-forward part."""

from planner.catalog.architectures.blocks import dense, grouped_attention
from planner.catalog.architectures.body import Body, Layer, body, heads_of, window_of
from planner.catalog.config_reader import ConfigReader


def _windows(config: ConfigReader, layers: int) -> list[int | None]:
    """Return the window of each layer, None where attention is full."""
    if config.has("layer_types"):
        return [window_of(config, kind) for kind in config.sequence("layer_types", layers)]
    if not config.has("sliding_window") or not config.flag("use_sliding_window", True):
        return [None] * layers
    window = config.integer("sliding_window")
    # Qwen2: the first `max_window_layers` layers keep full attention.
    full = config.integer("max_window_layers", default=0, at_least=0)
    return [None if index < full else window for index in range(layers)]


def _dense_decoder(
    config: ConfigReader,
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
    query, kv, head_dim = heads_of(config)
    feed = dense(hidden, config.integer("intermediate_size"), gated=gated, bias=mlp_bias)
    count = config.integer("num_hidden_layers")
    layer_norms = norms * norm_width * hidden + (2 * head_dim if qk_norm else 0)
    layers = [
        Layer(
            grouped_attention(
                hidden, query, kv, head_dim, window=window, qkv_bias=qkv_bias, output_bias=output_bias
            ),
            feed,
            layer_norms,
        )
        for window in _windows(config, count)
    ]
    beside = config.integer("vocab_size") if head_bias else 0
    return body(config, layers, tied=tied, final_norm=norm_width * hidden + beside)


def read_llama(config: ConfigReader) -> Body:
    """Read Llama 1 to 3, Mistral, Yi and others that share Llama's layers."""
    bias = config.flag("attention_bias", False)
    return _dense_decoder(config, qkv_bias=bias, output_bias=bias, mlp_bias=config.flag("mlp_bias", False))


def read_qwen2(config: ConfigReader) -> Body:
    """Read Qwen2 and Qwen2.5 (and MiMo-7B): biases on query, key and value."""
    return _dense_decoder(config, qkv_bias=True)


def read_qwen3(config: ConfigReader) -> Body:
    """Read Qwen3: a norm on queries and keys instead of biases."""
    bias = config.flag("attention_bias", False)
    return _dense_decoder(config, qkv_bias=bias, output_bias=bias, qk_norm=True)


def read_phi3(config: ConfigReader) -> Body:
    """Read Phi-3 and Phi-4: Llama's layers with fused projections."""
    return _dense_decoder(config)


def read_phi(config: ConfigReader) -> Body:
    """Read Phi-1 and Phi-2: one norm per layer, plain feed-forward, biases everywhere."""
    return _dense_decoder(
        config,
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
    return _dense_decoder(config, qkv_bias=bias, norms=norms)


def read_nemotron(config: ConfigReader) -> Body:
    """Read Nemotron-4 and Minitron: plain squared-ReLU feed-forward, layer norms with bias."""
    bias = config.flag("attention_bias", False)
    return _dense_decoder(
        config,
        qkv_bias=bias,
        output_bias=bias,
        gated=False,
        mlp_bias=config.flag("mlp_bias", False),
        norm_width=2,
    )
