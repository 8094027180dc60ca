"""Nemotron-H and Nemotron 3 (Mamba hybrids), and the pruned Llama-Nemotron models."""

from planner.catalog.architectures.blocks import dense, experts, grouped_attention, mamba2
from planner.catalog.architectures.body import (
    Body,
    Layer,
    body,
    experts_of,
    grouped_heads,
    layers_of,
    shared_width,
)
from planner.catalog.architectures.qwen_hybrid import STATE_BYTES
from planner.catalog.config_reader import LARGEST_DEPTH, ConfigReader, known
from planner.catalog.llm import NO_ATTENTION, NO_FEED_FORWARD, FeedForward

_PATTERN = {"M": "mamba", "*": "attention", "-": "mlp", "E": "moe"}
_MULTIPLE = 256
"""Llama-Nemotron rounds the width of a feed-forward part up to a multiple of this."""


_SOMETIMES_UNUSED = (
    "n_routed_experts",
    "n_shared_experts",
    "num_experts_per_tok",
    "moe_intermediate_size",
    "moe_shared_expert_intermediate_size",
    "moe_latent_size",
    "ssm_state_size",
    "mamba_num_heads",
)
"""Fields that every config of the class carries, whether or not a layer of that kind is there."""


def _block_kinds(config: ConfigReader) -> list[str]:
    """Return mamba, attention, mlp or moe for every layer."""
    if config.has("layers_block_type"):
        kinds = [str(kind) for kind in config.sequence("layers_block_type")]
    elif config.has("hybrid_override_pattern"):
        letters = config.text("hybrid_override_pattern")
        kinds = [_PATTERN.get(letter, letter) for letter in letters]
    else:
        allowed = "the kind of every layer (or layers_block_type)"
        config.refuse("hybrid_override_pattern", "nothing", allowed)
        return []
    field = "layers_block_type" if config.has("layers_block_type") else "hybrid_override_pattern"
    if not 0 < len(kinds) <= LARGEST_DEPTH:
        config.refuse(field, f"{len(kinds):,} layers", f"1 to {LARGEST_DEPTH:,} layers")
        return []
    for kind in sorted({kind for kind in kinds if kind not in _PATTERN.values()}):
        config.refuse(field, repr(kind), "M (mamba), * (attention), - (mlp), E (moe)")
    count = config.integer("num_hidden_layers", default=len(kinds), at_most=LARGEST_DEPTH)
    if count != len(kinds):
        config.refuse("num_hidden_layers", str(count), f"{len(kinds)}, the layers of the pattern")
    return kinds


def _latent_experts(config: ConfigReader, hidden: int) -> FeedForward:
    shared = config.integer("n_shared_experts", at_least=0)
    shared_width = config.integer("moe_shared_expert_intermediate_size") if shared else 0
    return experts(
        hidden,
        config.integer("moe_intermediate_size"),
        *experts_of(config, "n_routed_experts"),
        shared_width=shared * shared_width,
        gated=False,
        router_bias=True,
        latent=_latent_width(config),
    )


def _latent_width(config: ConfigReader) -> int:
    """Return the width the routed experts work on, 0 for the hidden size.

    Nemotron 3 Nano's class knows no such field; that of its larger siblings does.
    """
    if config.has("moe_shared_expert_overlap"):
        return config.integer_or_null("moe_latent_size", "experts on the hidden size", at_least=0) or 0
    return config.integer("moe_latent_size", default=0, at_least=0)


def read_nemotron_h(config: ConfigReader) -> Body:
    """Read Nemotron-H and Nemotron 3: Mamba-2, attention and feed-forward as separate layers."""
    hidden = config.integer("hidden_size")
    kinds = _block_kinds(config)
    config.knows(*_SOMETIMES_UNUSED)
    bias = config.flag("attention_bias", False)
    makers = {
        "mamba": lambda: Layer(
            mamba2(
                hidden,
                heads=config.integer("mamba_num_heads"),
                head_dim=config.integer("mamba_head_dim"),
                groups=grouped_heads(config, config.integer("mamba_num_heads"), "n_groups"),
                state_size=config.integer("ssm_state_size"),
                kernel=config.integer("conv_kernel"),
                bias=config.flag("mamba_proj_bias", False),
                convolution_bias=config.flag("use_conv_bias", True),
                state_bytes_per_element=config.one_of("mamba_ssm_cache_dtype", STATE_BYTES, "float32"),
            ),
            NO_FEED_FORWARD,
            hidden,
        ),
        "attention": lambda: Layer(
            grouped_attention(
                hidden,
                config.integer("num_attention_heads"),
                grouped_heads(config, config.integer("num_attention_heads")),
                config.integer("head_dim", "attention_head_dim"),
                qkv_bias=bias,
                output_bias=bias,
            ),
            NO_FEED_FORWARD,
            hidden,
        ),
        "mlp": lambda: Layer(
            NO_ATTENTION,
            dense(
                hidden,
                config.integer("intermediate_size"),
                gated=False,
                bias=config.flag("mlp_bias", False),
            ),
            hidden,
        ),
        "moe": lambda: Layer(NO_ATTENTION, _latent_experts(config, hidden), hidden),
    }
    made = {kind: makers[kind]() for kind in dict.fromkeys(kinds) if kind in makers}
    mtp = config.integer("num_nextn_predict_layers", default=0, at_least=0)
    remarks = (f"{mtp} multi-token-prediction layer(s) not counted",) if mtp else ()
    return body(config, [made[kind] for kind in kinds if kind in made], remarks=remarks)


def read_nemotron_nas(config: ConfigReader) -> Body:
    """Read Llama-Nemotron (49B, 51B, 253B): Llama layers, each pruned on its own."""
    hidden = config.integer("hidden_size")
    heads = config.integer("num_attention_heads")
    head_dim = shared_width(config, heads)
    config.knows("num_key_value_heads", "intermediate_size")
    layers = []
    for block in config.children("block_configs", layers_of(config)):
        attention, feed = block.child("attention"), block.child("ffn")
        for part in (attention, feed):
            part.unsupported("replace_with_linear", "linear replacements are not understood")
        mixer = NO_ATTENTION
        if not attention.flag("no_op", False):
            group = attention.integer("n_heads_in_group")
            if known(heads, group) and heads % group:
                attention.refuse("n_heads_in_group", f"{group} of {heads} heads", f"a divisor of {heads}")
            mixer = grouped_attention(hidden, heads, heads // group, head_dim)
        plain = NO_FEED_FORWARD
        if not feed.flag("no_op", False):
            plain = dense(hidden, _width(feed.number("ffn_mult"), hidden))
        norms = hidden * ((mixer is not NO_ATTENTION) + (plain is not NO_FEED_FORWARD))
        layers.append(Layer(mixer, plain, norms))
    return body(config, layers)


def _width(multiple: float, hidden: int) -> int:
    """Return the width of a feed-forward part: two thirds of its multiple, rounded up."""
    width = int(2 * multiple * hidden / 3)
    return -(-width // _MULTIPLE) * _MULTIPLE
