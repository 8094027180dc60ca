"""In which precision the published weights are, and which parts were left in bf16."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from planner.catalog.config_reader import ConfigReader
from planner.catalog.llm import LayerGroup

ALWAYS_WIDE = frozenset({"embedding", "lm_head", "router", "norms"})
"""Parts that inference engines do not quantize, whatever the config says."""

_ALGORITHMS = {
    "fp8": "fp8",
    "fp8_pb_wo": "fp8",
    "fp8_per_channel_per_token": "fp8",
    "mxfp8": "fp8",
    "fbgemm_fp8": "fp8",
    "nvfp4": "fp4",
    "nvfp4_awq": "fp4",
    "mxfp4": "fp4",
    "w4a8_mxfp4_fp8": "fp4",
    "awq": "int4",
    "gptq": "int4",
    "w4a16": "int4",
    "w4a16_awq": "int4",
    "w4a8_awq": "int4",
    "int8": "int8",
    "w8a16": "int8",
    "w8a8_sq_per_channel": "int8",
}
_BY_BITS = {("float", 8): "fp8", ("float", 4): "fp4", ("int", 8): "int8", ("int", 4): "int4"}

# Modules that stand for a part in lists of layers left out; N is a layer number.
_PROBES: dict[str, tuple[str, ...]] = {
    "dense_ffn": ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"),
    "routed_experts": ("mlp.experts.0.up_proj", "block_sparse_moe.experts.0.w1", "ffn.experts.0"),
    "shared_experts": (
        "mlp.shared_experts.up_proj",
        "mlp.shared_expert.up_proj",
        "block_sparse_moe.shared_experts.up_proj",
    ),
}
_MIXER_PROBES = {
    "full": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"),
    "mla": (
        "self_attn.q_a_proj",
        "self_attn.q_b_proj",
        "self_attn.kv_a_proj_with_mqa",
        "self_attn.kv_b_proj",
        "self_attn.o_proj",
    ),
    "linear": ("linear_attn.in_proj_qkv", "linear_attn.out_proj", "mixer.in_proj"),
}
_PREFIXES = ("model.layers", "model.language_model.layers", "language_model.model.layers")
_QUARTERS = (0.25, 0.5, 0.75)
"""Where in the depth of the model the parts are probed."""


@dataclass(frozen=True)
class Precision:
    """Precision of the weights (bf16, fp8, fp4, int8, int4) and cache, and what stays in bf16."""

    weights: str
    unquantized: frozenset[str]
    kv_cache: str
    remarks: tuple[str, ...] = ()


def read_precision(
    config: ConfigReader, top: ConfigReader, side: Mapping[str, Any], groups: Sequence[LayerGroup]
) -> Precision:
    """Return the precision from `quantization_config` and from `hf_quant_config.json` (`side`).

    A quantization that is not known becomes a fault of `top`.
    """
    section = config.data.get("quantization_config") or top.data.get("quantization_config") or {}
    beside = side.get("quantization") or {}
    layers = sum(group.count for group in groups)
    mixed = section.get("quantized_layers") or beside.get("quantized_layers")
    if isinstance(mixed, Mapping) and mixed:
        weights, wide, remarks = _mixed(mixed, groups, layers)
    else:
        weights, remarks = _weights(section, beside, top), ()
        wide = _left_out(_excluded(section, beside), groups, layers) if weights != "bf16" else set()
    return Precision(weights, ALWAYS_WIDE | wide, _kv_cache(section, beside), remarks)


def _weights(section: Mapping[str, Any], beside: Mapping[str, Any], top: ConfigReader) -> str:
    """Return the precision of quantized weights, bf16 when nothing is quantized."""
    if not section and not beside.get("quant_algo"):
        return "bf16"
    for name in (section.get("quant_algo"), beside.get("quant_algo"), section.get("quant_method")):
        found = _ALGORITHMS.get(str(name).lower()) if name else None
        bits = section.get("bits")
        if found == "int4" and bits in (4, 8):
            return f"int{bits}"
        if found is not None:
            return found
    for group in (section.get("config_groups") or {}).values():
        scheme = group.get("weights") or {}
        found = _BY_BITS.get((str(scheme.get("type")), int(scheme.get("num_bits") or 0)))
        if found is not None:
            return found
    if section.get("load_in_4bit"):
        return "int4"
    if section.get("load_in_8bit"):
        return "int8"
    top.refuse(
        "quantization_config",
        f"quantization '{section.get('quant_algo') or section.get('quant_method')}'",
        "one of " + ", ".join(sorted(_ALGORITHMS)),
    )
    return "bf16"


def _excluded(section: Mapping[str, Any], beside: Mapping[str, Any]) -> list[str]:
    """Return the patterns of modules that were left out of quantization."""
    found: list[str] = []
    for source, field in (
        (section, "modules_to_not_convert"),
        (section, "ignore"),
        (section, "ignored_layers"),
        (section, "exclude_modules"),
        (beside, "exclude_modules"),
    ):
        found += [str(pattern) for pattern in source.get(field) or []]
    return list(dict.fromkeys(found))


def _kv_cache(section: Mapping[str, Any], beside: Mapping[str, Any]) -> str:
    """Return the precision of the cache the weights were calibrated for."""
    scheme = section.get("kv_cache_scheme")
    named = beside.get("kv_cache_quant_algo") or section.get("kv_cache_quant_algo")
    if isinstance(scheme, Mapping):
        return _BY_BITS.get((str(scheme.get("type")), int(scheme.get("num_bits") or 0)), "bf16")
    return "fp8" if str(named or scheme).lower() == "fp8" else "bf16"


def _probes(groups: Sequence[LayerGroup]) -> dict[str, list[tuple[str, ...]]]:
    """Return, for every quantizable part of the model, alternatives for the names of its modules."""
    kinds = {group.attention.kind for group in groups if group.attention.parameters}
    mixers = {"full" if kind == "sliding" else kind for kind in kinds}
    probes: dict[str, list[tuple[str, ...]]] = {
        "attention": [(name,) for kind in sorted(mixers) for name in _MIXER_PROBES[kind]]
    }
    feeds = [group.feed_forward for group in groups]
    if any(feed.kind == "dense" for feed in feeds):
        probes["dense_ffn"] = [(name,) for name in _PROBES["dense_ffn"]]
    if any(feed.kind == "moe" for feed in feeds):
        probes["routed_experts"] = [_PROBES["routed_experts"]]
    if any(feed.shared_parameters for feed in feeds):
        probes["shared_experts"] = [_PROBES["shared_experts"]]
    return probes


def _names(module: str, layer: int) -> list[str]:
    return [f"{prefix}.{layer}.{module}" for prefix in _PREFIXES]


def _left_out(patterns: Iterable[str], groups: Sequence[LayerGroup], layers: int) -> set[str]:
    """Return the parts most of whose modules match `patterns`."""
    tests = [_matcher(pattern) for pattern in patterns]
    depths = sorted({int(layers * quarter) for quarter in _QUARTERS})
    wide = set()
    for part, modules in _probes(groups).items():
        votes = [
            any(test(name) for module in names for name in _names(module, layer) for test in tests)
            for names in modules
            for layer in depths
        ]
        if votes and sum(votes) * 2 > len(votes):
            wide.add(part)
    return wide


def _matcher(pattern: str) -> Any:
    """Return a test for module names: `re:` expressions, shell patterns, or module prefixes."""
    if pattern.startswith("re:"):
        expression = re.compile(pattern[3:])
        return lambda name: expression.match(name) is not None
    if "*" in pattern:
        return lambda name: fnmatchcase(name, pattern) or fnmatchcase(name, pattern + ".*")
    return lambda name: name == pattern or name.startswith(pattern + ".")


def _mixed(
    quantized: Mapping[str, Any], groups: Sequence[LayerGroup], layers: int
) -> tuple[str, set[str], tuple[str, ...]]:
    """Return the precision of the largest part, the parts left wide, and what else is narrow."""
    by_name = {
        name: _ALGORITHMS.get(str(entry.get("quant_algo", "")).lower(), "bf16")
        for name, entry in quantized.items()
    }
    depths = sorted({int(layers * quarter) for quarter in _QUARTERS})
    found: dict[str, str] = {}
    for part, modules in _probes(groups).items():
        hits = [
            precision
            for names in modules
            for module in names
            for layer in depths
            for full in _names(module, layer)
            for name, precision in by_name.items()
            if full == name or full.startswith(name + ".")
        ]
        found[part] = max(set(hits), key=hits.count) if hits else "bf16"
    sizes = {
        "attention": sum(g.count * g.attention.parameters for g in groups),
        "dense_ffn": sum(g.count * g.feed_forward.parameters for g in groups if not _moe(g)),
        "routed_experts": sum(g.count * g.feed_forward.routed_parameters for g in groups),
        "shared_experts": sum(g.count * g.feed_forward.shared_parameters for g in groups),
    }
    largest = max(found, key=lambda part: sizes[part])
    main = found[largest]
    wide = {part for part, precision in found.items() if precision == "bf16"}
    others = tuple(
        f"{part} is published in {precision}, counted as {main}"
        for part, precision in found.items()
        if precision not in (main, "bf16")
    )
    return main, wide, others


def _moe(group: LayerGroup) -> bool:
    return group.feed_forward.kind == "moe"
