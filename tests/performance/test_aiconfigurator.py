"""The adapter to the aiconfigurator package, against a fake one that records what it is asked."""

import dataclasses
import enum
import importlib
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from planner.catalog import load_catalog
from planner.performance.providers import aiconfigurator
from planner.performance.providers.aiconfigurator import ProviderMissing, aiconfigurator_replica
from planner.performance.providers.choose import replica_from
from planner.performance.replica import replica_model
from planner.performance.shape import Shape

CATALOG = load_catalog()


class FakeSession:
    """Times a person can check: prompts 0.05 ms a token, decoding 5 ms + 0.01 ms a sequence + context."""

    def __init__(self, model, tables, backend):
        self.model, self.tables, self.backend = model, tables, backend

    def run_static_latency_only(self, runtime, mode):
        if mode == "static_ctx":
            return 0.05 * (runtime.isl - runtime.prefix)
        return 5.0 + 0.01 * runtime.batch_size + 0.001 * runtime.isl

    def run_mixed(self, runtime, step):
        return SimpleNamespace(
            latency_ms=0.05 * step.context_tokens + 0.02 * step.num_decode_requests + 0.001 * runtime.isl
        )


def fake_package():
    """Return the modules of a package that knows h100_sxm under vLLM, bf16 and fp8."""
    modes = {
        "GEMMQuantMode": enum.Enum("GEMMQuantMode", ["bfloat16", "fp8", "nvfp4", "int8_wo", "int4_wo"]),
        "MoEQuantMode": enum.Enum("MoEQuantMode", ["bfloat16", "fp8", "nvfp4", "int4_wo"]),
        "KVCacheQuantMode": enum.Enum("KVCacheQuantMode", ["bfloat16", "fp8", "int8"]),
        "FMHAQuantMode": enum.Enum("FMHAQuantMode", ["bfloat16", "fp8"]),
    }

    def get_model(path, configuration, backend):
        if path.startswith("unknown/"):
            raise RuntimeError(f"Failed to download {path}")
        return SimpleNamespace(path=path, configuration=configuration, backend=backend)

    def runtime(isl=0, osl=1, batch_size=1, prefix=0):
        return SimpleNamespace(isl=isl, osl=osl, batch_size=batch_size, prefix=prefix)

    contents = {
        "sdk.common": modes,
        "sdk.config": {"ModelConfig": lambda **values: SimpleNamespace(**values), "RuntimeConfig": runtime},
        "sdk.models": {"get_model": get_model},
        "sdk.perf_database": {
            "get_latest_database_version": lambda system, backend: (
                "1.0" if (system, backend) == ("h100_sxm", "vllm") else None
            ),
            "get_database_view": lambda system, backend, release: (system, backend, release),
        },
        "sdk.inference_session": {"InferenceSession": FakeSession},
        "sdk.step_estimate": {
            "MixedStepInput": lambda tokens, requests: SimpleNamespace(
                context_tokens=tokens, num_decode_requests=requests
            )
        },
        "sdk.backends.factory": {"get_backend": lambda name: name},
    }
    modules = {"": ModuleType("aiconfigurator")}
    for name in ("sdk", "sdk.backends", *contents):
        module = ModuleType(f"aiconfigurator.{name}")
        for key, value in contents.get(name, {}).items():
            setattr(module, key, value)
        modules[name] = module
    return modules


@pytest.fixture
def package(monkeypatch):
    for name, module in fake_package().items():
        monkeypatch.setitem(sys.modules, f"aiconfigurator.{name}".rstrip("."), module)
    aiconfigurator._sdk.cache_clear()
    yield
    aiconfigurator._sdk.cache_clear()


@pytest.fixture
def no_package(monkeypatch):
    for name in fake_package():
        monkeypatch.setitem(sys.modules, f"aiconfigurator.{name}".rstrip("."), None)
    aiconfigurator._sdk.cache_clear()
    yield
    aiconfigurator._sdk.cache_clear()


def replica(llm="llama-3.1-8b", accelerator="h100-sxm", **shape):
    wanted = Shape(llm, accelerator, shape.pop("engine", "vllm"), **shape)
    return aiconfigurator_replica(CATALOG.llm(llm), CATALOG.accelerators[accelerator], wanted)


def test_importing_the_provider_needs_no_package(no_package):
    importlib.reload(importlib.import_module("planner.performance.providers.choose"))


def test_a_missing_package_says_how_to_get_it(no_package):
    with pytest.raises(
        ProviderMissing, match=r"pip install .*\[aiconfigurator\].* or set performance.provider: analytic"
    ):
        replica()


def test_prompts_are_timed_behind_their_cached_tokens(package):
    times = replica().prefill_ms(np.array([0, 1000, 1000]), np.array([0, 0, 500]))
    assert times.tolist() == pytest.approx([0.0, 50.0, 50.0])


def test_decode_steps_broadcast_and_are_timed_at_batch_and_context(package):
    times = replica().step_ms(np.array([[1], [100]]), np.array([[1000, 3000]]))
    assert times.tolist() == [pytest.approx([6.01, 8.01]), pytest.approx([7.0, 9.0])]


def test_an_empty_iteration_takes_no_time(package):
    assert float(replica().step_ms(0, 0)) == 0.0


def test_a_mixed_iteration_is_the_chunk_and_what_decoding_adds(package):
    """2,048 prompt tokens at 0.05 ms, plus 0.02 ms for each of 64 decoding sequences."""
    assert float(replica().step_ms(64, 1000, 2048, 512)) == pytest.approx(102.4 + 1.28)


def test_data_parallel_ranks_share_batch_and_chunk(package):
    alone, shared = replica(), replica(dp=4)
    assert float(shared.step_ms(64, 1000)) == pytest.approx(float(alone.step_ms(16, 1000)))
    assert float(shared.step_ms(0, 0, 2048)) == pytest.approx(float(alone.step_ms(0, 0, 512)))


def test_parallelism_and_precision_reach_the_package(package):
    """Experts of a mixture: whole on 4 ranks of tp 4, ep 4; the checkpoint's own precision is left open."""
    model = replica("qwen3-30b-a3b", tp=4, ep=4, kv_cache="fp8")._times._session.model
    given = vars(model.configuration)
    assert (given["tp_size"], given["moe_tp_size"], given["moe_ep_size"]) == (4, 1, 4)
    assert given["kvcache_quant_mode"].name == "fp8"
    assert "gemm_quant_mode" not in given
    narrow = vars(replica(weights="fp8")._times._session.model.configuration)
    assert narrow["gemm_quant_mode"].name == "fp8"
    assert "moe_tp_size" not in narrow


def test_a_checkpoint_unknown_to_the_package_is_read_from_the_shipped_config(package):
    llm = dataclasses.replace(CATALOG.llm("llama-3.1-8b"), hugging_face_id="unknown/llama")
    shape = Shape(llm.id, "h100-sxm", "vllm")
    model = aiconfigurator_replica(llm, CATALOG.accelerators["h100-sxm"], shape)._times._session.model
    assert model.path.endswith("llama-3.1-8b")
    assert model.configuration.gemm_quant_mode.name == "bfloat16"


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ({"accelerator": "mi300x"}, "no tables for mi300x; it knows a100-80-sxm, h100-sxm"),
        ({"accelerator": "h200-sxm"}, "no tables for h200-sxm under vllm"),
        ({"engine": "lmdeploy"}, "knows the engines vllm, sglang, trtllm, not lmdeploy"),
    ],
)
def test_what_the_package_cannot_time_is_refused_in_words(package, shape, reason):
    refused = replica(**shape)
    assert not refused.fits
    assert reason in refused.refusal
    with pytest.raises(ValueError, match="cannot time it"):
        refused.step_ms(1, 100)


def test_what_does_not_fit_memory_is_refused_before_the_package_is_asked(no_package):
    refused = replica("llama-3.1-405b")
    assert not refused.fits
    assert "does not fit" in refused.refusal


def test_a_cap_stretches_prompts_and_spares_decoding(package):
    free, capped = replica(), replica(power_cap_w=400.0)
    assert float(capped.prefill_ms(4096)) > 1.05 * float(free.prefill_ms(4096))
    assert float(capped.step_ms(8, 1000)) == pytest.approx(float(free.step_ms(8, 1000)), rel=0.05)
    assert float(capped.power_w(64, 0.5)) <= 400.0


def test_watts_follow_the_packages_times(package):
    """More sequences, more bytes and FLOPs in nearly the same time: more watts, above idle."""
    model = replica()
    watts = model.power_w(np.array([0, 1, 64]))
    assert model.idle_w == watts[0] < watts[1] < watts[2]


def test_memory_and_limits_stay_those_of_the_analytic_model(package):
    shape = Shape("llama-3.1-8b", "h100-sxm", "vllm")
    known = replica_model(CATALOG.llm(shape.llm), CATALOG.accelerators[shape.accelerator], shape)
    model = replica()
    assert model.memory == known.memory
    assert model.max_batch(4000) == known.max_batch(4000)
    assert model.provider == "aiconfigurator"
    assert model.error_band == aiconfigurator.BAND


class TestChoice:
    """``replica_from``: one provider, or mixed by what each can time."""

    @staticmethod
    def of(provider, accelerator, **options):
        shape = Shape("llama-3.1-8b", accelerator, "vllm")
        llm, sku = CATALOG.llm(shape.llm), CATALOG.accelerators[accelerator]
        return replica_from(provider, llm, sku, shape, **options)

    def test_analytic_needs_no_package(self, no_package):
        assert self.of("analytic", "h100-sxm").provider == "analytic"

    def test_the_chosen_provider_times_what_it_knows(self, package):
        assert self.of("aiconfigurator", "h100-sxm").provider == "aiconfigurator"

    def test_what_it_does_not_know_is_refused_or_left_to_the_analytic_model(self, package):
        assert not self.of("aiconfigurator", "mi300x").fits
        mixed = self.of("aiconfigurator", "mi300x", analytic_where_unknown=True)
        assert (mixed.fits, mixed.provider) == (True, "analytic")
