"""The DeepSeek family: latent attention, fine-grained experts, leading dense layers."""

from collections.abc import Sequence

from planner.catalog.architectures.blocks import dense, experts, latent_attention
from planner.catalog.architectures.body import Body, Layer, body, moe_layers
from planner.catalog.config_reader import ConfigReader
from planner.catalog.llm import FeedForward


def _indexers(config: ConfigReader, layers: int) -> Sequence[bool]:
    """Return, layer by layer, whether a sparse layer has an indexer of its own.

    GLM-5.2 shares one indexer over several layers; the others only read its choice.
    """
    if not config.has("indexer_types"):
        return [True] * layers
    kinds = config.sequence("indexer_types", layers)
    for kind in {kind for kind in kinds if kind not in ("full", "shared")}:
        config.refuse("indexer_types", repr(kind), "full or shared")
    return [kind != "shared" for kind in kinds]


def _latent(config: ConfigReader, sparse: bool, layers: int) -> list[Layer]:
    hidden = config.integer("hidden_size")
    q_lora = config.integer("q_lora_rank") if config.has("q_lora_rank") else None
    kv_lora = config.integer("kv_lora_rank")
    heads = config.integer("num_attention_heads")
    nope, rope = config.integer("qk_nope_head_dim"), config.integer("qk_rope_head_dim")
    value = config.integer("v_head_dim")
    index_heads = config.integer("index_n_heads") if sparse else 0
    index_head_dim = config.integer("index_head_dim") if sparse else 0
    top_k = config.integer("index_topk") if sparse else None
    feeds = _feeds(config, hidden, layers)
    found = []
    for feed, indexed in zip(feeds, _indexers(config, layers), strict=True):
        mixer = latent_attention(
            hidden,
            heads,
            q_lora_rank=q_lora,
            kv_lora_rank=kv_lora,
            nope=nope,
            rope=rope,
            value_head_dim=value,
            index_heads=index_heads if indexed else 0,
            index_head_dim=index_head_dim if indexed else 0,
            sparse_top_k=top_k,
            bias=config.flag("attention_bias", False),
        )
        found.append(Layer(mixer, feed, 2 * hidden))
    return found


def _feeds(config: ConfigReader, hidden: int, layers: int) -> list[FeedForward]:
    plain = dense(hidden, config.integer("intermediate_size"))
    if not config.has("n_routed_experts"):
        config.refuse("n_routed_experts", "nothing", "the number of routed experts")
        return [plain] * layers
    width = config.integer("moe_intermediate_size")
    shared = config.integer("n_shared_experts", default=0, at_least=0)
    mixture = experts(
        hidden,
        width,
        config.integer("n_routed_experts"),
        config.integer("num_experts_per_tok"),
        shared_width=shared * width,
        router_bias=config.text("topk_method") == "noaux_tc",
    )
    first_dense = config.integer("first_k_dense_replace", default=0, at_least=0)
    return [mixture if moe else plain for moe in moe_layers(config, layers, first_dense)]


def read_deepseek(config: ConfigReader) -> Body:
    """Read DeepSeek-V2, V3, R1 and Kimi K2."""
    layers = _latent(config, sparse=False, layers=config.integer("num_hidden_layers"))
    return body(config, layers, remarks=_remarks(config))


def read_deepseek_sparse(config: ConfigReader) -> Body:
    """Read DeepSeek-V3.2 and GLM-5: latent attention over the tokens an indexer picks."""
    layers = _latent(config, sparse=True, layers=config.integer("num_hidden_layers"))
    return body(config, layers, remarks=_remarks(config))


def _remarks(config: ConfigReader) -> tuple[str, ...]:
    count = config.integer("num_nextn_predict_layers", default=0, at_least=0)
    return (f"{count} multi-token-prediction layer(s) not counted",) if count else ()
