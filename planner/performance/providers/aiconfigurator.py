"""Times from NVIDIA AIConfigurator: its measured kernels behind this planner's replicas.

The PyPI package ``aiconfigurator`` (an optional extra, imported only when this provider is chosen) holds
tables of kernels timed on NVIDIA accelerators and sums them to engine iterations. It runs on a CPU and
without a network, for the LLMs and accelerators it knows; it has neither prices, power, placement nor
queues. From it come the times of prompts and of iterations. Memory, limits, watts and the effect of a
power cap stay the analytic model's.

What it cannot time (no tables for the accelerator, the engine or the precision; an LLM it does not
know) is refused with its own words, as a replica that does not fit.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from planner.performance import draw
from planner.performance.calibration_file import Calibration, load_calibration
from planner.performance.engine_limits import engine_limits
from planner.performance.memory import EngineLimits
from planner.performance.replica import AnalyticReplica
from planner.performance.shape import Shape
from planner.performance.steps import Batch
from planner.performance.types import Array, ArrayInput, ErrorBand
from planner.shipped import shipped_folder

if TYPE_CHECKING:
    from planner.catalog.accelerators import Accelerator
    from planner.catalog.llm import LLM
    from planner.catalog.servers import Server

PACKAGE = "aiconfigurator"
SYSTEMS = {
    "a100-80-sxm": "a100_sxm",
    "h100-sxm": "h100_sxm",
    "h200-sxm": "h200_sxm",
    "b200-sxm": "b200_sxm",
    "b300-sxm": "b300_sxm",
    "gb200": "gb200",
    "gb300": "gb300",
    "l40s": "l40s",
    "rtx-pro-6000-bw-server": "rtx_pro_6000_server",
}
"""Catalog accelerators as the package names them, where its release 0.12 has tables."""
ENGINES = ("vllm", "sglang", "trtllm")
# Precisions as the package names them; the checkpoint's own is left for it to find out.
DENSE = {"bf16": "bfloat16", "fp8": "fp8", "int8": "int8_wo", "int4": "int4_wo", "fp4": "nvfp4"}
EXPERTS = {"bf16": "bfloat16", "fp8": "fp8", "int4": "int4_wo", "fp4": "nvfp4"}
CACHE = {"bf16": "bfloat16", "fp8": "fp8", "int8": "int8"}
BAND = ErrorBand(ttft=0.8, tpot=0.35)
"""Release 0.12 against public end-to-end results on H100, H200 and B200: median errors of 50 % for TTFT
and 17 % for TPOT; four fifths taken as twice the median for TPOT, and wider by half for TTFT."""
TIMES_KEPT = 65536
"""Distinct iterations remembered per replica."""


class ProviderMissing(ImportError):
    """The scenario asks for a provider whose package is not installed."""


class AiconfiguratorReplica(AnalyticReplica):
    """A ``ReplicaModel`` with the package's times; build it with ``aiconfigurator_replica``."""

    provider = PACKAGE

    def __init__(
        self,
        llm: LLM,
        accelerator: Accelerator,
        shape: Shape,
        *,
        server: Server | None,
        calibration: Calibration,
        limits: EngineLimits,
    ) -> None:
        super().__init__(llm, accelerator, shape, server=server, calibration=calibration, limits=limits)
        self.error_band = BAND
        self._times: _Times | None = None
        if not self.refusal:
            try:
                self._times = _Times(llm, shape)
            except ProviderMissing:
                raise
            except Exception as error:
                self.refusal = f"{PACKAGE} cannot time it: {error or type(error).__name__}"

    @property
    def request_overhead_ms(self) -> float:
        """Milliseconds added once to the time to first token; the package's times contain none."""
        return 0.0

    def prefill_ms(self, new_tokens: ArrayInput, cached_tokens: ArrayInput = 0) -> Array:
        """Return milliseconds for one prompt alone; ``cached_tokens`` are already in the cache."""
        new, cached = _broadcast(new_tokens, cached_tokens)
        alone = self._timed(lambda times: times.prompt_ms, new, cached)
        if self.shape.power_cap_w is not None:
            alone = draw.capped_ms(self.power, self.work, self.chip, draw.prompt_batch(new, cached), alone)
        return np.where(new > 0, alone, 0.0)

    def step_ms(
        self,
        decode_batch: ArrayInput,
        context_tokens: ArrayInput,
        prefill_tokens: ArrayInput = 0,
        prefill_context_tokens: ArrayInput = 0,
    ) -> Array:
        """Return milliseconds of one iteration; parameters as of ``AnalyticReplica.step_ms``."""
        arrays = _broadcast(decode_batch, context_tokens, prefill_tokens, prefill_context_tokens)
        time_ms = self._timed(lambda times: times.iteration_ms, *arrays)
        if self.shape.power_cap_w is not None:
            sequences, context, prefill, behind = arrays
            batch = Batch(sequences, context, prefill, behind, np.minimum(prefill, 1.0))
            time_ms = draw.capped_ms(self.power, self.work, self.chip, batch, time_ms)
        return time_ms

    def power_w(self, decode_batch: Any, prefill_fraction: Any = 0.0) -> Array:
        """Return expected watts of one accelerator, after the cap; see ``AnalyticReplica.power_w``."""
        sequences, share = _broadcast(decode_batch, prefill_fraction)
        context = np.full_like(sequences, draw.TYPICAL_CONTEXT_TOKENS)
        chunk = np.full_like(sequences, float(self.max_batched_tokens))
        decoding_ms = self._timed(lambda times: times.iteration_ms, sequences, context, 0.0, 0.0)
        prompt_ms = self._timed(lambda times: times.prompt_ms, chunk, 0.0)
        parts = (
            (draw.decode_batch(sequences, context), decoding_ms),
            (draw.prompt_batch(chunk, 0.0), prompt_ms),
        )
        decode_w, prompt_w = (draw.draw_w(self.power, self.work, self.chip, *part) for part in parts)
        return np.asarray(share * prompt_w + (1.0 - share) * np.where(sequences > 0, decode_w, self.idle_w))

    def _timed(self, choose: Callable[[_Times], Callable[..., float]], *arrays: ArrayInput) -> Array:
        """Return times of whole-number arguments, one call each (about 0.1 ms, remembered)."""
        if self._times is None:
            raise ValueError(self.refusal)
        time_of = choose(self._times)
        columns = [column.ravel() for column in _broadcast(*arrays)]
        flat = [time_of(*(round(float(value)) for value in row)) for row in zip(*columns, strict=True)]
        return np.reshape(np.asarray(flat, dtype=float), _broadcast(*arrays)[0].shape)


class _Times:
    """One configured engine of the package, asked for single iterations."""

    def __init__(self, llm: LLM, shape: Shape) -> None:
        sdk = _sdk()
        self._sdk = sdk
        self._parts = shape.dp * shape.pp
        self._session = sdk.session(llm, shape)
        self.prompt_ms = lru_cache(TIMES_KEPT)(self._prompt_ms)
        self.iteration_ms = lru_cache(TIMES_KEPT)(self._iteration_ms)
        self.iteration_ms(1, 128, 0, 0)
        self.prompt_ms(128, 0)

    def _prompt_ms(self, new: int, cached: int) -> float:
        """One prompt through one attention-data-parallel rank."""
        if new <= 0:
            return 0.0
        return float(self._static("static_ctx", 1, cached + new, 1, cached))

    def _iteration_ms(self, sequences: int, context: int, prefill: int, behind: int) -> float:
        """One iteration: the chunk's own time, plus what the decoding sequences add to a mixed one.

        The package knows mixed iterations only of prompts as long as the decoding contexts, so the
        chunk is timed where it stands and the addition is taken from such a one; it is never more
        than the decode step alone. Data-parallel ranks and pipeline micro-batches share the work.
        """
        batch, chunk = -(-sequences // self._parts), -(-prefill // self._parts)
        context = max(context, 1)
        decode_ms = self._static("static_gen", batch, context, 2, 0) if batch else 0.0
        if not chunk or not batch:
            return self._prompt_ms(chunk, behind) + decode_ms
        added_ms = self._mixed(chunk, batch, context) - self._mixed(chunk, 0, context)
        return self._prompt_ms(chunk, behind) + min(max(added_ms, 0.0), decode_ms)

    def _static(self, mode: str, batch: int, inputs: int, outputs: int, cached: int) -> float:
        runtime = self._sdk.config.RuntimeConfig(batch_size=batch, isl=inputs, osl=outputs, prefix=cached)
        return float(self._session.run_static_latency_only(runtime, mode))

    def _mixed(self, prefill: int, batch: int, context: int) -> float:
        runtime = self._sdk.config.RuntimeConfig(isl=context, osl=1)
        step = self._sdk.step_estimate.MixedStepInput(prefill, batch)
        return float(self._session.run_mixed(runtime, step).latency_ms)


class _Sdk:
    """The parts of the package that are used."""

    def __init__(self) -> None:
        try:
            for name in ("common", "config", "models", "perf_database", "inference_session", "step_estimate"):
                setattr(self, name, importlib.import_module(f"{PACKAGE}.sdk.{name}"))
            self.factory = importlib.import_module(f"{PACKAGE}.sdk.backends.factory")
        except ModuleNotFoundError as error:
            missing = str(error.name).split(".")[0]
            raise ProviderMissing(
                f"performance.provider is {PACKAGE}, but the package {missing} is not installed: "
                f"pip install 'llm-deployment-planner[{PACKAGE}]' (about 0.8 GB with its tables and "
                "dependencies), or set performance.provider: analytic"
            ) from error
        # Each run prints pages of notes on the origin of single table rows.
        for name in (PACKAGE, f"{PACKAGE}_core"):
            logging.getLogger(name).setLevel(logging.ERROR)

    common: Any
    config: Any
    models: Any
    perf_database: Any
    inference_session: Any
    step_estimate: Any
    factory: Any

    def session(self, llm: LLM, shape: Shape) -> Any:
        """Return an engine of the package."""
        if shape.engine not in ENGINES:
            raise LookupError(f"it knows the engines {', '.join(ENGINES)}, not {shape.engine}")
        system = SYSTEMS.get(shape.accelerator)
        if system is None:
            known = ", ".join(SYSTEMS)
            raise LookupError(f"it has no tables for {shape.accelerator}; it knows {known}")
        release = self.perf_database.get_latest_database_version(system=system, backend=shape.engine)
        if release is None:
            raise LookupError(f"it has no tables for {shape.accelerator} under {shape.engine}")
        tables = self.perf_database.get_database_view(system, shape.engine, release)
        if tables is None:
            raise LookupError(f"its tables for {shape.accelerator} under {shape.engine} do not load")
        backend = self.factory.get_backend(shape.engine)
        return self.inference_session.InferenceSession(self._model(llm, shape), tables, backend)

    def _model(self, llm: LLM, shape: Shape) -> Any:
        """Return the package's model: the checkpoint it knows, else one from the shipped config.json."""
        folder = _shipped_config(llm)
        try:
            configuration = _configuration(self, llm, shape, given=shape.weights != llm.native_weights)
            return self.models.get_model(llm.hugging_face_id, configuration, shape.engine)
        except Exception:
            if folder is None:
                raise
            configuration = _configuration(self, llm, shape, given=True)
            return self.models.get_model(str(folder), configuration, shape.engine)


@lru_cache(maxsize=1)
def _sdk() -> _Sdk:
    return _Sdk()


def _shipped_config(llm: LLM) -> Path | None:
    """Return the folder of the LLM's config.json that ships with the planner, if it is one of those."""
    folder = shipped_folder("models") / llm.id
    return folder if (folder / "config.json").is_file() else None


def _configuration(sdk: _Sdk, llm: LLM, shape: Shape, given: bool) -> Any:
    """Return the package's description of parallelism and precision.

    Without ``given`` the precision of the weights is left for the package to read from the checkpoint.
    """
    common = sdk.common
    settings: dict[str, Any] = {
        "tp_size": shape.tp,
        "pp_size": shape.pp,
        "attention_dp_size": shape.dp,
        "kvcache_quant_mode": _mode(common.KVCacheQuantMode, CACHE, shape.kv_cache),
        "fmha_quant_mode": common.FMHAQuantMode["bfloat16"],
    }
    mixture = any(group.feed_forward.kind == "moe" for group in llm.groups)
    if mixture:
        settings |= {"moe_tp_size": shape.tp * shape.dp // shape.ep, "moe_ep_size": shape.ep}
    if given:
        settings["gemm_quant_mode"] = _mode(common.GEMMQuantMode, DENSE, shape.weights)
        if mixture:
            settings["moe_quant_mode"] = _mode(common.MoEQuantMode, EXPERTS, shape.weights)
    return sdk.config.ModelConfig(**settings)


def _mode(modes: Any, names: dict[str, str], precision: str) -> Any:
    if precision not in names:
        raise LookupError(f"it has no tables for {precision} here; it knows {', '.join(names)}")
    return modes[names[precision]]


def _broadcast(*arrays: ArrayInput) -> tuple[Array, ...]:
    return tuple(np.broadcast_arrays(*(np.asarray(value, dtype=float) for value in arrays)))


def aiconfigurator_replica(
    llm: LLM,
    accelerator: Accelerator,
    shape: Shape,
    *,
    server: Server | None = None,
    calibration: Calibration | None = None,
    memory_fraction: float | None = None,
    limits: EngineLimits | None = None,
) -> AiconfiguratorReplica:
    """Return one replica timed by the package; parameters as of ``replica_model``.

    Raises
    ------
    ProviderMissing
        The package is not installed; the message says how to get it or do without.
    """
    return AiconfiguratorReplica(
        llm,
        accelerator,
        shape,
        server=server,
        calibration=calibration or load_calibration(),
        limits=limits or engine_limits(shape.engine, memory_fraction, accelerator),
    )
