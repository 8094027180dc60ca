"""Fit efficiencies of single kernels per accelerator: the prior of the end-to-end calibration.

    python -m benchmarks.kernel_fit KERNEL_FOLDER [-o planner/performance/calibration/kernels.yaml]

``KERNEL_FOLDER`` holds ``gemm.csv``, ``attention_prefill.csv``, ``attention_decode.csv``,
``moe.csv``, ``comm.csv``, ``moe_alltoall.csv``: measured kernels of NVIDIA AIConfigurator 0.12,
Copyright (c) 2025-2026 NVIDIA CORPORATION & AFFILIATES, Apache-2.0. Each family has the form the
time model uses: smooth maximum of compute and memory, plus a constant.
"""

from __future__ import annotations

import argparse
import datetime
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import least_squares

from planner.catalog import load_catalog
from planner.performance.experts import active_share, active_share_curve, rank_imbalance
from planner.performance.precision import WEIGHT_BYTES

DEFAULT_OUTPUT = Path("planner/performance/calibration/kernels.yaml")
SYSTEMS = {
    "a100_sxm": "a100-80-sxm",
    "h100_sxm": "h100-sxm",
    "h200_sxm": "h200-sxm",
    "b200_sxm": "b200-sxm",
    "b300_sxm": "b300-sxm",
    "gb200": "gb200",
    "gb300": "gb300",
    "l40s": "l40s",
    "rtx_pro_6000_server": "rtx-pro-6000-bw-server",
}
# Kernel precision -> (weights, arithmetic). Block-scaled fp8 of the tables at small sizes is
# dominated by host time on some systems, so plain fp8 speaks for fp8 products.
GEMM_KINDS = {"bfloat16": "bf16", "fp8": "fp8", "nvfp4": "fp4"}
EXPERT_KINDS = {"bfloat16": "bf16", "fp8_block": "fp8", "nvfp4": "fp4"}
OVERLAP = 3.0
PAD_TOKENS = 30.0
HALF_TOKENS = 20.0
# What NVLink systems reach (this file); the host link's share is a factor on it.
TYPICAL_REDUCE_BANDWIDTH = 0.55
ROBUST_SCALE = 0.2
SMALLEST_TABLE = 20
# Tables of expert dispatch and combine print nanoseconds in a column named latency_us.
EXCHANGE_UNIT_MS = 1e-6


def main() -> None:
    """Fit every family for every system and write the result."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("kernels", type=Path)
    arguments.add_argument("-o", "--output", type=Path, default=DEFAULT_OUTPUT)
    chosen = arguments.parse_args()
    accelerators = load_catalog().accelerators
    found: dict[str, dict[str, Any]] = {}
    for system, name in SYSTEMS.items():
        chip = accelerators[name]
        values: dict[str, Any] = {}
        quality: dict[str, Any] = {}
        for family in (products, prefill, decode, experts, reduces, exchanges):
            family(chosen.kernels, system, chip, values, quality)
        found[name] = {"values": {k: float(f"{v:.4g}") for k, v in values.items()}, "fits": quality}
        print(name, found[name]["values"])
    write(found, chosen.output)


def fit(
    predict: Callable[[np.ndarray], np.ndarray], truth: np.ndarray, start: list[float]
) -> tuple[np.ndarray, float]:
    """Return parameters (logs) and the median relative error."""
    solved = least_squares(
        lambda p: np.log(predict(p) / truth),
        np.log(start),
        loss="soft_l1",
        f_scale=ROBUST_SCALE,
        bounds=(np.log(start) - 3.5, np.log(start) + 3.5),
    )
    return solved.x, float(np.median(np.abs(predict(solved.x) / truth - 1.0)))


def smooth(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the smooth maximum of the time model."""
    larger, smaller = np.maximum(first, second), np.minimum(first, second)
    return np.asarray(larger * (1 + (smaller / larger) ** OVERLAP) ** (1 / OVERLAP))


def read(folder: Path, name: str, system: str) -> pd.DataFrame:
    """Return the rows of one system."""
    table = pd.read_csv(folder / f"{name}.csv", low_memory=False)
    return table[table["system"] == system]


def note(quality: dict[str, Any], name: str, rows: int, error: float) -> None:
    """Keep what a value rests on."""
    quality[name] = {"rows": rows, "median_error": round(error, 3)}


def products(folder: Path, system: str, chip: Any, values: dict[str, Any], quality: dict[str, Any]) -> None:
    """Dense matrix products: compute, narrow_compute, memory."""
    table = read(folder, "gemm", system)
    narrow = []
    for kind, weights in GEMM_KINDS.items():
        part = table[(table["gemm_dtype"] == kind) & (table["backend"] == "vllm")]
        if len(part) < SMALLEST_TABLE or weights not in chip.tflops:
            continue
        rows, n, k = (part[c].to_numpy(float) for c in ("m", "n", "k"))
        peak, each = chip.tflops[weights], WEIGHT_BYTES[weights]
        operand = 2.0 if weights == "bf16" else each

        def predict(
            p: np.ndarray,
            rows: np.ndarray = rows,
            n: np.ndarray = n,
            k: np.ndarray = k,
            peak: float = peak,
            each: float = each,
            operand: float = operand,
        ) -> np.ndarray:
            share, memory, constant = np.exp(p)
            compute = 2 * n * k * (rows + HALF_TOKENS) / (peak * share) * 1e-6
            moved = n * k * each + rows * (k * operand + 2 * n)
            return np.asarray(
                smooth(compute, moved / (chip.memory_bandwidth_gb_s * memory) * 1e-3) + constant
            )

        solved, error = fit(predict, part["latency_us"].to_numpy(float), [0.7, 0.8, 4.0])
        share, memory, _ = np.exp(solved)
        note(quality, f"products_{weights}", len(part), error)
        if weights == "bf16":
            values["compute"], values["memory"] = share, min(memory, 0.97)
        elif "compute" in values:
            doublings = math.log2(peak / chip.tflops["bf16"])
            narrow.append((share / values["compute"]) ** (1 / doublings))
    if narrow:
        values["narrow_compute"] = math.exp(float(np.mean(np.log(narrow))))


def prefill(folder: Path, system: str, chip: Any, values: dict[str, Any], quality: dict[str, Any]) -> None:
    """Prefill attention: attention_compute."""
    part = read(folder, "attention_prefill", system)
    part = part[part["attn_dtype"] == "bfloat16"]
    if len(part) < SMALLEST_TABLE:
        return
    batch, length, heads, kv_heads, width = (
        part[c].to_numpy(float) for c in ("batch_size", "isl", "num_heads", "num_key_value_heads", "head_dim")
    )
    flops = 2.0 * batch * length**2 * heads * width
    moved = batch * length * (2 * heads + 2 * kv_heads) * width * 2.0

    def predict(p: np.ndarray) -> np.ndarray:
        share, constant, traffic = np.exp(p)
        return np.asarray(
            flops / (chip.tflops["bf16"] * share) * 1e-6
            + constant
            + traffic * moved / chip.memory_bandwidth_gb_s * 1e-3
        )

    solved, error = fit(predict, part["latency_us"].to_numpy(float), [0.5, 8.0, 2.0])
    values["attention_compute"] = float(np.exp(solved[0]))
    note(quality, "attention_prefill", len(part), error)


def decode(folder: Path, system: str, chip: Any, values: dict[str, Any], quality: dict[str, Any]) -> None:
    """Decode attention: cache_memory."""
    part = read(folder, "attention_decode", system)
    part = part[part["kv_cache_dtype"] == "bfloat16"]
    if len(part) < SMALLEST_TABLE:
        return
    read_bytes = 4.0 * np.prod(
        [part[c].to_numpy(float) for c in ("batch_size", "kv_len", "num_key_value_heads", "head_dim")],
        axis=0,
    )

    def predict(p: np.ndarray) -> np.ndarray:
        share, constant = np.exp(p)
        return np.asarray(read_bytes / (chip.memory_bandwidth_gb_s * share) * 1e-3 + constant)

    solved, error = fit(predict, part["latency_us"].to_numpy(float), [0.7, 8.0])
    values["cache_memory"] = min(float(np.exp(solved[0])), 0.97)
    note(quality, "attention_decode", len(part), error)


def experts(folder: Path, system: str, chip: Any, values: dict[str, Any], quality: dict[str, Any]) -> None:
    """Grouped expert products: expert_compute, expert_memory."""
    table = read(folder, "moe", system)
    shares, memories = [], []
    for kind, weights in EXPERT_KINDS.items():
        part = table[(table["moe_dtype"] == kind) & (table["distribution"] == "balanced")]
        if len(part) < SMALLEST_TABLE or weights not in chip.tflops:
            continue
        count, chosen, tokens, ranks = (
            part[c].to_numpy(float) for c in ("num_experts", "topk", "num_tokens", "moe_ep_size")
        )
        curves = np.stack(
            [active_share_curve(int(e), int(c), 0.0) for e, c in zip(count, chosen, strict=True)]
        )
        active = active_share(curves, tokens) * count / ranks
        worst = np.array([rank_imbalance(int(e), int(r), 0.0) for e, r in zip(count, ranks, strict=True)])
        one = 3.0 * part["hidden_size"].to_numpy(float) * part["inter_size"].to_numpy(float)
        one = one / part["moe_tp_size"].to_numpy(float)
        peak, each = chip.tflops[weights], WEIGHT_BYTES[weights]

        def predict(
            p: np.ndarray,
            one: np.ndarray = one,
            active: np.ndarray = active,
            load: np.ndarray = chosen * tokens / ranks * worst,
            peak: float = peak,
            each: float = each,
        ) -> np.ndarray:
            share, memory, constant = np.exp(p)
            compute = 2 * one * (load + PAD_TOKENS * active) / (peak * share) * 1e-6
            moved = one * each * active / (chip.memory_bandwidth_gb_s * memory) * 1e-3
            return np.asarray(smooth(compute, moved) + constant)

        solved, error = fit(predict, part["latency_us"].to_numpy(float), [0.4, 0.7, 30.0])
        doublings = math.log2(peak / chip.tflops["bf16"])
        shares.append(solved[0] - doublings * math.log(values.get("narrow_compute", 0.85)))
        memories.append(solved[1])
        note(quality, f"experts_{weights}", len(part), error)
    if shares:
        values["expert_compute"] = min(math.exp(float(np.mean(shares))), 0.9)
        values["expert_memory"] = min(math.exp(float(np.mean(memories))), 0.95)


def reduces(folder: Path, system: str, chip: Any, values: dict[str, Any], quality: dict[str, Any]) -> None:
    """All-reduce of captured graphs: latency, hop, bandwidth on the scale-up or the host link."""
    table = read(folder, "comm", system)
    table = table[table["op_name"].str.contains("all_reduce|allreduce")]
    graphs = table["mode"].isin(["vllm_graph", "sglang_graph", "trtllm"])
    part = table[graphs & (table["message_bytes"] < 2e8)]
    if len(part) < SMALLEST_TABLE:
        return
    ranks, size = part["num_gpus"].to_numpy(float), part["message_bytes"].to_numpy(float)
    joined = (chip.scale_up_domain or 1) > 1
    wire = chip.scale_up_gb_s if joined else max(chip.pcie_gb_s or 0.0, chip.scale_up_gb_s or 0.0)
    doublings = np.log2(ranks) - 1.0
    ring = 2.0 * (ranks - 1.0) / ranks

    pairs = np.maximum(ranks / 2.0, 1.0)

    def predict(p: np.ndarray) -> np.ndarray:
        latency, hop, share, contention = np.exp(p)
        if joined:
            return np.asarray(latency + hop * doublings + ring * size / (wire * share) * 1e-3)
        reached = wire * share * pairs**-contention
        return np.asarray(latency + hop * (pairs - 1.0) + ring * size / reached * 1e-3)

    solved, error = fit(predict, part["latency_us"].to_numpy(float), [5.0, 1.0, 0.5, 0.8])
    latency, hop, share, contention = np.exp(solved)
    note(quality, "all_reduce", len(part), error)
    if joined:
        values.update(reduce_latency_us=latency, reduce_hop_us=hop, reduce_bandwidth=min(share, 1.0))
    else:
        values.update(host_link_latency_us=hop, host_link_contention=contention)
        values["host_link_bandwidth"] = min(share / TYPICAL_REDUCE_BANDWIDTH, 1.0)


def exchanges(folder: Path, system: str, chip: Any, values: dict[str, Any], quality: dict[str, Any]) -> None:
    """Expert dispatch and combine in one box: exchange_latency_us, exchange_bandwidth."""
    table = read(folder, "moe_alltoall", system)
    part = table[
        (table["node_num"] == 1)
        & table["comm_backend"].isin(["deepep_ll", "trtllm_deepep_ll", "trtllm_deepep_ht", "deepep_ht"])
        & table["comm_dtype"].isin(["default", "bfloat16", "fp8"])
    ]
    if len(part) < SMALLEST_TABLE:
        return
    ranks, tokens = part["ep_size"].to_numpy(float), part["num_tokens"].to_numpy(float)
    chosen = ranks * (1.0 - (1.0 - 1.0 / ranks) ** part["topk"].to_numpy(float))
    each = np.where(part["phase"] == "combine", 2.0, np.where(part["comm_dtype"] == "bfloat16", 2.0, 1.0))
    sent = tokens * chosen * (ranks - 1) / ranks * part["hidden_size"].to_numpy(float) * each

    def predict(p: np.ndarray) -> np.ndarray:
        latency, share = np.exp(p)
        return np.asarray(latency + sent / (chip.scale_up_gb_s * share) * 1e-3)

    truth = part["latency_us"].to_numpy(float) * EXCHANGE_UNIT_MS * 1e3
    solved, error = fit(predict, truth, [40.0, 0.4])
    values["exchange_latency_us"] = float(np.exp(solved[0]))
    values["exchange_bandwidth"] = min(float(np.exp(solved[1])), 1.0)
    note(quality, "exchange", len(part), error)


def write(found: dict[str, dict[str, Any]], path: Path) -> None:
    """Write the kernel values with the notice their source asks for."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.default_flow_style = None
    yaml.width = 100
    document = {
        "written_by": "benchmarks/kernel_fit.py",
        "date": datetime.date.today().isoformat(),
        "source": "NVIDIA AIConfigurator 0.12 kernel tables, Apache-2.0",
        "accelerators": found,
    }
    with path.open("w", encoding="utf-8") as stream:
        stream.write(
            "# Kernel efficiencies fitted to measurements that are\n"
            "# Copyright (c) 2025-2026 NVIDIA CORPORATION & AFFILIATES, Apache-2.0.\n"
            "# Prior of benchmarks/calibrate.py; not read when estimating.\n"
        )
        yaml.dump(document, stream)


if __name__ == "__main__":
    main()
