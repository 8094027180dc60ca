"""What engines run on, and with what."""

import pandas as pd
import pytest

from planner.catalog import load_catalog
from planner.performance.engine_limits import engine_limits, unsupported
from planner.performance.estimate import estimate
from planner.performance.memory import GIB

CATALOG = load_catalog()


@pytest.mark.parametrize(
    ("engine", "accelerator", "weights", "kv_cache", "reason"),
    [
        ("vllm", "tpu-v5p", "bf16", "bf16", ""),
        (
            "vllm",
            "a100-80-sxm",
            "fp8",
            "fp8",
            "",
        ),  # expanded in the kernel: fewer bytes, no faster arithmetic
        ("vllm", "xeon6-6980p", "int8", "bf16", ""),
        ("sglang", "mi300x", "fp8", "fp8", ""),
        ("trtllm", "h100-sxm", "fp4", "fp8", ""),  # gpt-oss in MXFP4
        ("an-engine-of-mine", "mi300x", "fp8", "bf16", ""),
        ("trtllm", "mi300x", "fp8", "bf16", "runs on NVIDIA only"),
        ("trtllm", "grace-cpu", "bf16", "bf16", "is a cpu"),
        ("trtllm", "a100-80-sxm", "fp8", "bf16", "no fp8 weights on a100-80-sxm"),
        ("vllm", "epyc-9965", "fp8", "bf16", "no fp8 weights"),
        ("vllm", "groq-lpu-v1", "int8", "bf16", "made by Groq"),
        ("sglang", "trainium2", "bf16", "bf16", "made by AWS"),
        ("vllm", "h100-sxm", "bf16", "int8", "no int8 cache"),
    ],
)
def test_engines_refuse_what_they_do_not_run(
    engine: str, accelerator: str, weights: str, kv_cache: str, reason: str
) -> None:
    """Vendor, kind, weights and cache, each with what is allowed."""
    found = unsupported(engine, CATALOG.accelerators[accelerator], weights, kv_cache)
    assert reason in found if reason else found == ""


def test_a_maker_of_the_users_own_is_trusted() -> None:
    """An accelerator that only the user's catalog knows may run engines of several makers."""
    own = CATALOG.accelerators["h100-sxm"].model_copy(update={"id": "acme-x1", "vendor": "ACME"})
    assert unsupported("vllm", own, "fp8", "bf16") == ""
    assert "NVIDIA only" in unsupported("trtllm", own, "fp8", "bf16")


def test_an_estimate_says_why_not() -> None:
    """The reason is in the row."""
    point = {"llm": "llama-3.1-8b", "input_tokens": 100, "output_tokens": 10, "concurrency": 1}
    rows = [
        {**point, "accelerator": "trainium2", "engine": "sglang"},
        {**point, "accelerator": "a100-80-sxm", "engine": "trtllm", "weights": "fp8"},
    ]
    errors = estimate(pd.DataFrame(rows), CATALOG)["error"]
    assert "made by AWS" in errors[0]
    assert "use one of bf16, fp4, int8, int4" in errors[1]


def test_vllm_starts_smaller_on_small_devices() -> None:
    """2,048 tokens and 256 sequences below 70 GiB and on A100; the rest is as the catalog says."""
    for name, tokens, sequences in (
        ("h100-sxm", 8192, 1024),
        ("l40s", 2048, 256),
        ("a100-80-sxm", 2048, 256),
    ):
        limits = engine_limits("vllm", accelerator=CATALOG.accelerators[name])
        assert (limits.max_batched_tokens, limits.max_sequences) == (tokens, sequences)
    assert engine_limits("sglang", accelerator=CATALOG.accelerators["l40s"]).max_sequences == 4096
    assert CATALOG.accelerators["l40s"].memory_bytes < 70 * GIB
