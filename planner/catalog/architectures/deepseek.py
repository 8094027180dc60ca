"""The DeepSeek family: latent attention, fine-grained experts, leading dense layers."""

from collections.abc import Sequence

from planner.catalog.architectures.blocks import dense, experts, latent_attention
from planner.catalog.architectures.body import Body, Layer, body, experts_of, layers_of, moe_layers
from planner.catalog.config_reader import ConfigReader
from planner.catalog.llm import FeedForward

_SHARED_INDEXERS = ("index_topk_freq", "index_topk_pattern", "index_share_for_mtp_iteration")
"""Fields of configs whose layers may share an indexer: then `indexer_types` must say which."""

_LATENT_KINDS = {"full_attention", "deepseek_sparse_attention"}

_FULL_QUERY = "queries are projected without a low rank"

_ROUTED = ("n_routed_experts", "num_local_experts", "num_experts")


def _indexers(config: ConfigReader, layers: int) -> Sequence[bool]:
    """Return, layer by layer, whether a sparse layer has an indexer of its own.

    GLM-5.2 shares one indexer over several layers; the others only read its choice.
    """
    sharing = [name for name in _SHARED_INDEXERS if config.has(name)]
    if not config.has("indexer_types"):
        if sharing:
            allowed = "full or shared for every layer"
            advice = f"{sharing[0]} says that layers share indexers"
            config.refuse("indexer_types", "nothing", allowed, advice)
        return [True] * layers
    kinds = config.sequence("indexer_types", layers)
    for kind in sorted({str(kind) for kind in kinds if kind not in (None, "full", "shared")}):
        config.refuse("indexer_types", repr(kind), "full or shared")
    return [kind != "shared" for kind in kinds]


def _latent(config: ConfigReader, sparse: bool, correction: bool) -> list[Layer]:
    layers = layers_of(config)
    for kind in sorted({str(kind) for kind in config.get("layer_types") or ()} - _LATENT_KINDS):
        config.refuse("layer_types", repr(kind), " or ".join(sorted(_LATENT_KINDS)))
    hidden = config.integer("hidden_size")
    q_lora = config.integer_or_null("q_lora_rank", _FULL_QUERY)
    kv_lora = config.integer("kv_lora_rank")
    heads = config.integer("num_attention_heads")
    nope, rope = config.integer("qk_nope_head_dim"), config.integer("qk_rope_head_dim")
    value = config.integer("v_head_dim")
    index_heads = config.integer("index_n_heads") if sparse else 0
    index_head_dim = config.integer("index_head_dim") if sparse else 0
    top_k = config.integer("index_topk") if sparse else None
    feeds = _feeds(config, hidden, layers, correction)
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


def _feeds(config: ConfigReader, hidden: int, layers: int, correction: bool) -> list[FeedForward]:
    plain = dense(hidden, config.integer("intermediate_size"))
    width = config.integer("moe_intermediate_size")
    shared = config.integer_or_null("n_shared_experts", "no shared experts", at_least=0) or 0
    count, visited = experts_of(config, *_ROUTED)
    method = config.text("topk_method", "noaux_tc" if correction else "greedy")
    mixture = experts(
        hidden,
        width,
        count,
        visited,
        shared_width=shared * width,
        router_bias=method == "noaux_tc",
    )
    return [mixture if moe else plain for moe in moe_layers(config, layers)]


def read_deepseek_v2(config: ConfigReader) -> Body:
    """Read DeepSeek-V2 and V2-Lite: routers without the correction bias of V3."""
    return body(config, _latent(config, sparse=False, correction=False), remarks=_remarks(config))


def read_deepseek(config: ConfigReader) -> Body:
    """Read DeepSeek-V3, R1 and Kimi K2."""
    return body(config, _latent(config, sparse=False, correction=True), remarks=_remarks(config))


def read_deepseek_sparse(config: ConfigReader) -> Body:
    """Read DeepSeek-V3.2 and GLM-5: latent attention over the tokens an indexer picks."""
    return body(config, _latent(config, sparse=True, correction=True), remarks=_remarks(config))


def _remarks(config: ConfigReader) -> tuple[str, ...]:
    count = config.integer("num_nextn_predict_layers", default=0, at_least=0)
    return (f"{count} multi-token-prediction layer(s) not counted",) if count else ()
