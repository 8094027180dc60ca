"""Precisions: bytes per weight, and the arithmetic an accelerator really uses for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

WEIGHT_BYTES: Mapping[str, float] = {
    "bf16": 2.0,
    # 128 x 128 blocks share one fp32 scale (DeepSeek-V3 report, section 3.3).
    "fp8": 1.0 + 4.0 / (128 * 128),
    # NVFP4: 16 values share one fp8 scale (NVIDIA NVFP4 format description).
    "fp4": 0.5 + 1.0 / 16,
    "int8": 1.0 + 2.0 / 4096,
    # Group of 128 values shares one fp16 scale and one 4-bit zero point (AWQ, GPTQ defaults).
    "int4": 0.5 + 2.5 / 128,
}
KV_BYTES: Mapping[str, float] = {"bf16": 2.0, "fp8": 1.0, "int8": 1.0}

ALIASES: Mapping[str, str] = {
    "fp16": "bf16",
    "float16": "bf16",
    "bfloat16": "bf16",
    "auto": "bf16",
    "nvfp4": "fp4",
    "mxfp4": "fp4",
    "fp8_e4m3": "fp8",
    "w4a16": "int4",
    "awq": "int4",
    "gptq": "int4",
}

# When a datasheet prints only one rate, the others follow from the width of the operands:
# every vendor in the catalog doubles the dense rate when the operand halves.
_DERIVED_BF16 = (("fp16", 1.0), ("fp8", 0.5), ("int8", 0.5), ("fp4", 0.25), ("fp32", 1.0))


def canonical(name: str) -> str:
    """Return the planner's word for a precision (``nvfp4`` -> ``fp4``, ``fp16`` -> ``bf16``)."""
    lowered = name.strip().lower()
    return ALIASES.get(lowered, lowered)


def arithmetic(weights: str, tflops: Mapping[Any, float]) -> tuple[str, float]:
    """Return the arithmetic used for ``weights`` on a chip and its dense peak in TFLOP/s.

    A precision the chip cannot multiply is expanded to bf16 inside the kernel (weight-only
    quantisation): it saves bytes, never FLOPs. int4 is always weight-only here (AWQ, GPTQ).
    """
    if weights in ("fp8", "fp4", "int8") and tflops.get(weights):
        # INT8 units of some chips are vestigial (B300): bf16 is then faster.
        plain = _bf16(tflops)
        if tflops[weights] >= plain:
            return weights, float(tflops[weights])
    return "bf16", _bf16(tflops)


def _bf16(tflops: Mapping[Any, float]) -> float:
    if tflops.get("bf16"):
        return float(tflops["bf16"])
    for name, factor in _DERIVED_BF16:
        if tflops.get(name):
            return float(tflops[name]) * factor
    return 0.0
