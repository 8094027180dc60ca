"""In which precision the published weights are, and which parts were left in bf16."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from planner.catalog.architectures.quantized_parts import (
    left_out,
    named_precision,
    precision_by_part,
)
from planner.catalog.config_reader import ConfigReader
from planner.catalog.llm import LayerGroup
from planner.files import Document

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
    "w4a16_nvfp4": "fp4",
    "w4a8_nvfp4_fp8": "fp4",
    "w4a16_mxfp4": "fp4",
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
_BY_ITS_BITS = ("awq", "gptq")
"""Methods of several widths: the section says how many bits."""

_BY_GROUP = ("compressed-tensors", "modelopt")
"""Methods that describe groups of weights."""

_CACHES = {"fp8": "fp8", "nvfp4": "fp4", "int8": "int8", "auto": "bf16", "none": "bf16"}
_BY_BITS = {("float", 8): "fp8", ("float", 4): "fp4", ("int", 8): "int8", ("int", 4): "int4"}


@dataclass(frozen=True)
class Precision:
    """Precision of the weights (bf16, fp8, fp4, int8, int4) and cache, and what stays in bf16."""

    weights: str
    unquantized: frozenset[str]
    kv_cache: str
    remarks: tuple[str, ...] = ()


def read_precision(
    config: ConfigReader, top: ConfigReader, side: Document | None, groups: Sequence[LayerGroup]
) -> Precision:
    """Return the precision from `quantization_config` and from `hf_quant_config.json` (`side`).

    A quantization that is not known becomes a fault of the section that names it.
    """
    home = config if config.has("quantization_config") else top
    section = home.child("quantization_config") if home.has("quantization_config") else _nothing(top)
    beside = _beside(side, top)
    before = len(top.faults)
    family = config.text("model_type") or top.text("model_type")
    mixed = section.readers("quantized_layers") or beside.readers("quantized_layers")
    patterns = _excluded(section, beside)
    cache = _kv_cache(section, beside)
    remarks = _published_in(config, top)
    weights, wide = "bf16", set[str]()
    if mixed:
        weights, wide, others = _mixed(mixed, groups, family)
        remarks += others
    elif section.data or beside.has("quant_algo"):
        weights = _weights(section, beside)
        if weights != "bf16" and len(top.faults) == before:
            parts = precision_by_part(left_out(patterns), weights, groups, family)
            wide = {part for part, (precision, _) in parts.items() if precision == "bf16"}
    return Precision(weights, ALWAYS_WIDE | wide, cache, remarks)


def _nothing(top: ConfigReader) -> ConfigReader:
    return ConfigReader(Document({}, name=top.document.name), (), top.faults)


def _beside(side: Document | None, top: ConfigReader) -> ConfigReader:
    """Return the `quantization` section of an `hf_quant_config.json`, empty when there is no file."""
    if side is None:
        return _nothing(top)
    whole = ConfigReader(side, (), top.faults)
    return whole.child("quantization") if whole.has("quantization") else _nothing(top)


_SIXTEEN_BITS = (None, "bfloat16", "float16", "auto")


def _published_in(config: ConfigReader, top: ConfigReader) -> tuple[str, ...]:
    """Return a remark on weights that are published wider than engines hold them (bf16)."""
    for reader in (config, top):
        for name in ("dtype", "torch_dtype"):
            value = reader.get(name)
            if value == "float32":
                return ("published in float32, counted in bf16",)
            if isinstance(value, str) and value not in _SIXTEEN_BITS:
                reader.refuse(name, f"'{value}'", "bfloat16, float16 or float32")
    return ()


def _weights(section: ConfigReader, beside: ConfigReader) -> str:
    """Return the precision of quantized weights, bf16 when nothing is quantized."""
    named = [
        reader.text(field)
        for reader, field in ((section, "quant_algo"), (beside, "quant_algo"), (section, "quant_method"))
    ]
    for name in named:
        found = _ALGORITHMS.get(name.lower())
        if found is not None:
            return _with_bits(section, found) if name.lower() in _BY_ITS_BITS else found
    groups = [group for _, group in section.readers("config_groups")]
    for group in groups:
        found = _scheme(group.child("weights")) if group.has("weights") else None
        if found is not None:
            return found
    if groups:
        if not any(group.has("weights") for group in groups):
            groups[0].refuse("weights", "nothing", "their type and num_bits")
        return "bf16"
    if section.get("load_in_4bit") is True:
        return "int4"
    if section.get("load_in_8bit") is True:
        return "int8"
    field = next((n for n in ("quant_algo", "quant_method") if section.has(n)), "quant_method")
    words = ", ".join(sorted(_ALGORITHMS))
    if not section.data:
        beside.refuse("quant_algo", f"'{named[1]}'", f"one of {words}")
    elif not section.has(field):
        section.refuse(field, "nothing", f"one of {words}")
    elif named[2].lower() in _BY_GROUP and not section.get("config_groups"):
        section.refuse("config_groups", "nothing", "the groups of weights with their type and num_bits")
    else:
        section.refuse(field, f"'{section.get(field)}'", f"one of {words}")
    return "bf16"


def _with_bits(section: ConfigReader, found: str) -> str:
    """Return int4 or int8 as the section says; AWQ is 4 bits where it says nothing."""
    field = "w_bit" if section.has("w_bit") else "bits"
    if not section.has(field) and section.text("quant_method").lower() == "awq":
        return found
    bits = section.integer(field)
    if section.has(field) and bits not in (4, 8):
        section.refuse(field, str(bits), "4 or 8")
    return f"int{bits}" if bits in (4, 8) else found


def _scheme(scheme: ConfigReader) -> str | None:
    """Return the precision of a `{type, num_bits}` of compressed-tensors."""
    kind, bits = scheme.text("type"), scheme.integer("num_bits")
    found = _BY_BITS.get((kind, bits))
    if found is None and scheme.has("num_bits"):
        found_words = f"'{kind}'" if kind else "nothing"
        scheme.refuse("type", f"{found_words} of {bits} bits", "float or int of 4 or 8 bits")
    return found


def _excluded(section: ConfigReader, beside: ConfigReader) -> list[str]:
    """Return the patterns of modules that were left out of quantization."""
    found: list[str] = []
    for reader, field in (
        (section, "modules_to_not_convert"),
        (section, "ignore"),
        (section, "ignored_layers"),
        (section, "exclude_modules"),
        (beside, "exclude_modules"),
    ):
        for pattern in reader.sequence(field) if reader.has(field) else ():
            if not isinstance(pattern, str) or not _compiles(pattern):
                reader.refuse(field, repr(pattern), "names or patterns of modules")
            else:
                found.append(pattern)
    return list(dict.fromkeys(found))


def _compiles(pattern: str) -> bool:
    """Return whether a `re:` pattern is a regular expression (any other pattern is fine)."""
    try:
        re.compile(pattern.removeprefix("re:") if pattern.startswith("re:") else "")
    except re.error:
        return False
    return True


def _kv_cache(section: ConfigReader, beside: ConfigReader) -> str:
    """Return the precision of the cache the weights were calibrated for."""
    if isinstance(section.get("kv_cache_scheme"), Mapping):
        return _scheme(section.child("kv_cache_scheme")) or "bf16"
    for reader, field in (
        (beside, "kv_cache_quant_algo"),
        (section, "kv_cache_quant_algo"),
        (section, "kv_cache_scheme"),
    ):
        name = reader.text(field).lower()
        if name and name not in _CACHES:
            reader.refuse(field, f"'{name}'", "one of " + ", ".join(_CACHES))
        if name:
            return _CACHES.get(name, "bf16")
    return "bf16"


def _mixed(
    listed: Sequence[tuple[str, ConfigReader]], groups: Sequence[LayerGroup], family: str
) -> tuple[str, set[str], tuple[str, ...]]:
    """Return the precision of the largest part, the parts left wide, and what else is narrow."""
    by_name: dict[str, str] = {}
    unknown: dict[str, ConfigReader] = {}
    for name, entry in listed:
        word = entry.text("quant_algo")
        found = _ALGORITHMS.get(word.lower())
        if found is None:
            unknown.setdefault(word, entry)
        else:
            by_name[name] = found
    for word, entry in unknown.items():
        words = ", ".join(sorted(_ALGORITHMS))
        entry.refuse("quant_algo", f"'{word}'" if word else "nothing", f"one of {words}")
    parts = precision_by_part(named_precision(by_name), "bf16", groups, family)
    main, _ = max(parts.values(), key=lambda found: found[1])
    wide = {part for part, (precision, _) in parts.items() if precision == "bf16"}
    others = tuple(
        f"{part} is published in {precision}, counted as {main}"
        for part, (precision, _) in parts.items()
        if precision not in (main, "bf16")
    )
    return main, wide, others
