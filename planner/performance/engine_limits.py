"""What each engine takes of an accelerator and of an iteration, before any flag is set."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from planner.performance.memory import GIB, LOGIT_BYTES, EngineLimits

if TYPE_CHECKING:
    from planner.catalog.accelerators import Accelerator

# TensorRT-LLM admits a request only when its longest answer has room (GUARANTEED_NO_EVICT, its
# default scheduler policy); vLLM and SGLang take blocks as the answer grows and preempt.
RESERVED_OUTPUT = {"trtllm": 1.0}
# `--mem-fraction-static` is weights plus cache over memory (SGLang documentation, hyperparameter tuning).
FRACTION_OF_STATIC = ("sglang",)
# vLLM reserves for its largest sample at start-up: fp32 logits, a sorted copy with 8-byte indices,
# probabilities and their sums. With 1,024 sequences that is what Llama-3.1-8B on L40S (158,656 cached
# tokens, pull request 17122) and Qwen3-235B on four H100 (178,880, issue 21348) lack.
LOGIT_BYTES_OF = {"vllm": 24.0}
# TensorRT-LLM's fp8 expert kernels gather and finalise in fp32, twice 4 bytes: 3.5 GiB for DeepSeek-R1
# at 8,192 tokens; an allocation of 3.47 GiB fails there in its pull request 13357.
ROUTED_BYTES_OF = {"trtllm": 8.0}
# vLLM starts smaller on devices below 70 GiB and on A100 (EngineArgs.get_batch_defaults).
SMALL_DEVICE_BYTES = 70.0 * GIB
SMALL_DEVICE_SEQUENCES = 256
SMALL_DEVICE_TOKENS = 2048
# Fractions operators go up to when weights are tight: vLLM keeps graphs and fragmentation outside of its
# share; SGLang recipes for DeepSeek-R1 in fp8 on four B200 use 0.95 (SemiAnalysis InferenceX).
HIGHEST_FRACTION = {"sglang": 0.95}
HIGHEST_MEMORY_FRACTION = 0.92


def engine_limits(
    engine: str, memory_fraction: float | None = None, accelerator: Accelerator | None = None
) -> EngineLimits:
    """Return an engine's limits from the catalog, on an accelerator, with another fraction if given."""
    from planner.catalog import load_catalog

    known = load_catalog().engines.get(engine)
    limits = EngineLimits()
    if known is not None:
        limits = EngineLimits(
            memory_fraction=known.memory_fraction,
            max_batched_tokens=known.max_batched_tokens,
            max_sequences=known.max_sequences,
            fraction_of_free=known.memory_fraction_of_free,
            reserved_output=RESERVED_OUTPUT.get(engine, 0.5),
            fraction_of_static=engine in FRACTION_OF_STATIC,
            logit_bytes=LOGIT_BYTES_OF.get(engine, LOGIT_BYTES),
            routed_bytes=ROUTED_BYTES_OF.get(engine, 0.0),
        )
    if accelerator is not None:
        limits = limits_on(limits, engine, accelerator)
    return limits if memory_fraction is None else replace(limits, memory_fraction=memory_fraction)


def unsupported(engine: str, accelerator: Accelerator, weights: str, kv_cache: str) -> str:
    """Return why an engine of the catalog does not run so on an accelerator; empty when it does.

    An engine that the catalog does not know is not judged, nor is a maker that is the user's own, but by an
    engine of one maker.
    """
    from planner.catalog import load_catalog

    catalog = load_catalog()
    known = catalog.engines.get(engine)
    if known is None:
        return ""
    judged = len(known.vendors) == 1 or accelerator.vendor in {
        a.vendor for a in catalog.accelerators.values()
    }
    if judged and accelerator.vendor not in known.vendors:
        makers = ", ".join(known.vendors)
        only = f"{makers} only" if len(known.vendors) == 1 else makers
        return f"{engine} runs on {only}, {accelerator.id} is made by {accelerator.vendor}"
    if accelerator.kind not in known.kinds:
        return f"{engine} runs on {', '.join(known.kinds)} only, {accelerator.id} is a {accelerator.kind}"
    loaded = [
        name
        for name in known.weights
        if not (accelerator.kind == "cpu" and name in known.weights_not_on_cpu)
        and (name not in known.weights_with_units or accelerator.tflops.get(name))  # type: ignore[call-overload]
    ]
    if weights not in loaded:
        return f"{engine} loads no {weights} weights on {accelerator.id}: use one of {', '.join(loaded)}"
    if kv_cache not in known.kv_cache:
        return f"{engine} keeps no {kv_cache} cache: use one of {', '.join(known.kv_cache)}"
    return ""


def limits_on(limits: EngineLimits, engine: str, accelerator: Accelerator) -> EngineLimits:
    """Return an engine's limits as it sets them on an accelerator when nothing is asked for."""
    small = accelerator.memory_bytes < SMALL_DEVICE_BYTES or accelerator.id.startswith("a100")
    if engine != "vllm" or not small:
        return limits
    return replace(
        limits,
        max_sequences=min(limits.max_sequences, SMALL_DEVICE_SEQUENCES),
        max_batched_tokens=min(limits.max_batched_tokens, SMALL_DEVICE_TOKENS),
    )


def raised_fraction(limits: EngineLimits, engine: str) -> EngineLimits | None:
    """Return limits with the fraction an operator raises to when weights need it; None: no higher one."""
    highest = HIGHEST_FRACTION.get(engine, HIGHEST_MEMORY_FRACTION)
    if limits.fraction_of_free or limits.memory_fraction >= highest:
        return None
    return replace(limits, memory_fraction=highest)
