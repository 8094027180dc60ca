"""Measured rows, made ready for fitting: one prepared row per measured configuration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.recipes import wait_steps
from planner.performance.calibration_file import Calibration, software_of
from planner.performance.closed_loop import Latency, Load, closed_loop, saturated, static_batch
from planner.performance.coefficients import CEILINGS, NAMES, from_logs
from planner.performance.configuration import (
    Configuration,
    Stacked,
    build_configuration,
    chosen_kv_cache,
    stack_configurations,
)
from planner.performance.engine_limits import engine_limits, limits_on, raised_fraction
from planner.performance.measured import MEASURED, read_measured
from planner.performance.memory import EngineLimits
from planner.performance.shape import Shape

# A published result comes with its own software age and harness. Rows of the two current
# collections and of TensorRT-LLM's own tables are the engine as shipped; each other source is a
# variant with offsets of its own, which are fitted and not shipped.
VARIANTS = {
    "aic_silicon_sample": "",
    "inferencex_fixture": "",
    "trtllm_docs_ifb": "",
    "inferencex_git": "slurm-sweep",
    "splitwise": "splitwise-2023",
    "argonne_llm_inference_bench": "argonne-2024",
    "trtllm_docs_static": "docs-static-2023",
    "mlenergy_v3": "mlenergy-v3",
    "lmdeploy_docs": "docs-2023",
}
# Argonne ran a different software stack on each machine: its offsets are per accelerator.
UNEVEN_SOURCES = ("argonne_llm_inference_bench",)
# 52 ms per token whatever the batch, and rows of 235 GB of weights on one 141 GB accelerator: an
# eager or mislabelled run.
DOUBTFUL_SWEEPS = {("aic_silicon_sample", "Qwen/Qwen3-235B-A22B", "h200-sxm", "vllm")}
KEY = [
    "source",
    "llm",
    "accelerator",
    "engine",
    "weights",
    "kv_cache",
    "tp",
    "pp",
    "dp",
    "ep",
    "input_tokens",
    "output_tokens",
    "concurrency",
    "load",
    "ttft_statistic",
    "length_spread",
    "wait_steps",
    "software_year",
]
# ML.ENERGY prints no prompt lengths; its chat task has short ones (LMArena prompts, about 100-300
# tokens), its reasoning task runs under a harness that throttles the engine and is left out.
CHAT_PROMPT_TOKENS = 200.0
TRUSTED_TIERS = ("A", "B")
# Rows that beat the datasheet by more than this are not what they say: failed requests (2,048 + 2,048
# tokens beyond a context of 2,048), prompts out of the prefix cache, unmarked speculation.
FASTEST = 1.2
NOTHING = 1e-9  # instead of zero, where a logarithm is taken


@dataclass(frozen=True)
class Rows:
    """Prepared rows; arrays share their first axis."""

    table: pd.DataFrame
    stacked: Stacked
    load: Load
    kinds: np.ndarray
    measured: dict[str, np.ndarray]
    weight: np.ndarray

    def __len__(self) -> int:
        return len(self.table)

    def subset(self, chosen: np.ndarray) -> Rows:
        """Select rows by index or mask."""
        from dataclasses import fields

        from planner.performance.links import Links
        from planner.performance.steps import Chip
        from planner.performance.work import Work

        index = np.arange(len(self))[chosen]
        work = Work(**{f.name: getattr(self.stacked.work, f.name)[index] for f in fields(Work)})
        chip = self.stacked.chip
        links = Links(**{f.name: getattr(chip.links, f.name)[index] for f in fields(Links)})
        parts = {f.name: getattr(chip, f.name)[index] for f in fields(Chip) if f.name != "links"}
        return Rows(
            table=self.table.iloc[index].reset_index(drop=True),
            stacked=Stacked(work, Chip(**parts, links=links), self.stacked.logs[index]),
            load=Load(**{k: v[index] for k, v in vars(self.load).items()}),
            kinds=self.kinds[index],
            measured={k: v[index] for k, v in self.measured.items()},
            weight=self.weight[index],
        )

    def predict(self, logs: np.ndarray) -> Latency:
        """Time all rows with coefficient logarithms of shape (rows, names)."""
        names = list(Latency.__dataclass_fields__)
        answer = {name: np.full(len(self), np.nan) for name in names}
        for chosen, part, solve in self._parts:
            timed = solve(part.stacked.work, part.stacked.chip, from_logs(logs[chosen].T), part.load)
            for name in names:
                answer[name][chosen] = getattr(timed, name)
        return Latency(**answer)

    def measured_rate(self) -> np.ndarray:
        """Return measured output tokens/s, by Little's law from the latencies where it was not printed."""
        printed = self.measured["measured_output_tokens_per_s"]
        steps_ms = (self.load.output_tokens - 1.0) * self.measured["measured_tpot_ms"]
        cycle_ms = self.measured["measured_ttft_ms"] + steps_ms
        worked_out = self.load.concurrency * self.load.output_tokens / cycle_ms * 1e3
        return np.where(np.isfinite(printed), printed, worked_out)

    @cached_property
    def _parts(self) -> list[tuple[np.ndarray, Rows, Callable[..., Latency]]]:
        """Rows of each kind of load, with the function that times them."""
        solvers = (("closed", closed_loop), ("static", static_batch), ("max", saturated))
        found = [(np.flatnonzero(self.kinds == kind), solve) for kind, solve in solvers]
        return [(chosen, self.subset(chosen), solve) for chosen, solve in found if len(chosen)]


def select_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Keep the rows the model speaks about, one (median) row per configuration."""
    table = read_measured(table)
    chat = (table["source"] == "mlenergy_v3") & table["notes"].fillna("").str.contains("lm-arena")
    table.loc[chat, "input_tokens"] = table.loc[chat, "input_tokens"].fillna(CHAT_PROMPT_TOKENS)
    chosen = table[
        table["tier"].isin(TRUSTED_TIERS)
        & (table["disagg"] == "n")
        & table["spec_decode"].isin(["none", "unknown"])
        & table["load"].isin(["closed", "static", "max"])
        & table["input_tokens"].notna()
        & table["output_tokens"].notna()
        & ~table["accelerator"].str.contains("power-capped")
    ].copy()
    argonne = chosen["source"] == "argonne_llm_inference_bench"
    # Of Argonne's unstated-precision rows only the two engines modelled here are kept.
    chosen = chosen[~argonne | chosen["engine"].isin(["vllm", "trtllm"])]
    chosen.loc[chosen["weights"] == "", "weights"] = "native"
    chosen["wait_steps"] = wait_steps(chosen)
    chosen["length_spread"] = chosen["length_spread"].fillna(0.0)
    older = [bool(software_of(*pair)) for pair in zip(chosen["engine"], chosen["software_year"], strict=True)]
    chosen["software_year"] = chosen["software_year"].where(older)
    chosen["drift"] = 1
    values = [*MEASURED]
    grouped = chosen.groupby(KEY, dropna=False, sort=False)
    merged = grouped[values].median().reset_index()
    merged["repeats"] = grouped.size().to_numpy()
    merged["tier"] = grouped["tier"].first().to_numpy()
    return merged


def prepare(merged: pd.DataFrame, catalog: Any) -> tuple[Rows, pd.Series]:
    """Count work and loads for every row that runs; also return why the others were left out."""
    limits: dict[str, EngineLimits] = {}
    blank = Calibration()
    built: dict[tuple[Any, ...], Configuration | str] = {}
    keep, configurations, index, reasons = [], [], [], []
    at: dict[tuple[Any, ...], int] = {}
    for row, record in enumerate(merged.to_dict("records")):
        engine = record["engine"]
        if engine not in limits:
            limits[engine] = engine_limits(engine if engine in ("vllm", "sglang", "trtllm") else "vllm")
        key = tuple(
            record[name]
            for name in ("llm", "accelerator", "engine", "weights", "kv_cache", "tp", "pp", "dp", "ep")
        )
        if key not in built:
            built[key] = _build(key, catalog, blank, limits[engine])
        found = built[key]
        if isinstance(found, str):
            reasons.append(found)
            continue
        if key not in at:
            at[key] = len(configurations)
            configurations.append(found)
        keep.append(row)
        index.append(at[key])
    table = merged.iloc[keep].reset_index(drop=True)
    index_array = np.array(index)
    load, kinds = _loads(table, [configurations[i] for i in index])
    stacked = stack_configurations(configurations)
    work, chip, _ = stacked.rows(index_array)
    table["variant"] = [variant(record) for record in table.to_dict("records")]
    table["pair"] = table["llm"] + " @ " + table["accelerator"]
    table["weights"] = [configurations[i].shape.weights for i in index]
    group = table.groupby(["pair", "engine", "source"])["llm"].transform("size").to_numpy(float)
    rows = Rows(
        table=table,
        stacked=Stacked(work, chip, stacked.logs[index_array]),
        load=load,
        kinds=kinds,
        measured={name: table[name].to_numpy(float) for name in MEASURED},
        weight=np.minimum(1.0, np.sqrt(24.0 / group)),
    )
    runs = np.minimum(load.concurrency, load.held) >= 1.0
    impossible = rows.measured_rate() > FASTEST * fastest_rate(rows)
    reasons += [f"more than {FASTEST} times as fast as the datasheet allows"] * int((runs & impossible).sum())
    return rows.subset(runs & ~impossible), pd.Series(reasons, dtype=object).value_counts()


def fastest_rate(rows: Rows) -> np.ndarray:
    """Return output tokens/s of every row at datasheet rates, without overheads or limits of memory."""
    shares = {name: 1.0 if name in CEILINGS else NOTHING for name in NAMES}
    shares |= {"latent_attention": 1.0, "overlap": 50.0}
    logs = np.tile(np.log([shares[name] for name in NAMES]), (len(rows), 1))
    clients = np.nan_to_num(rows.load.concurrency)
    roomy = replace(rows, load=replace(rows.load, held=np.maximum(rows.load.held, clients)))
    return roomy.predict(logs).output_tokens_per_s


def variant(record: dict[str, Any]) -> str:
    """Return the label of a row's own offsets; empty for the engine as shipped."""
    source = record["source"]
    sweep = (source, record["llm"], record["accelerator"], record["engine"])
    if sweep in DOUBTFUL_SWEEPS:
        return "doubtful-sweep"
    label = VARIANTS.get(source, source)
    return f"{label}/{record['accelerator']}" if source in UNEVEN_SOURCES else label


def _build(
    key: tuple[Any, ...], catalog: Any, blank: Calibration, limits: EngineLimits
) -> Configuration | str:
    name, chip, engine, weights, kv_cache, tp, pp, dp, ep = key
    try:
        llm, accelerator = catalog.llm(name), catalog.accelerators[chip]
    except LookupError as error:
        return str(error).split(";")[0][:80]
    if weights == "native":
        weights = llm.native_weights
    if not kv_cache:
        kv_cache = chosen_kv_cache(llm, engine, weights, accelerator)
    shape = Shape(llm.id, accelerator.id, engine, tp, pp, dp, ep, weights, kv_cache)
    if shape.faults():
        return "; ".join(shape.faults())
    limits = limits_on(limits, engine, accelerator)
    found = build_configuration(llm, accelerator, shape, blank, limits)
    raised = raised_fraction(limits, engine)
    if found.refusal.startswith("does not fit") and raised is not None:
        found = build_configuration(llm, accelerator, shape, blank, raised)
    return "does not fit" if found.refusal.startswith("does not fit") else found


def _loads(table: pd.DataFrame, own: list[Configuration]) -> tuple[Load, np.ndarray]:
    inputs = table["input_tokens"].to_numpy(float)
    outputs = table["output_tokens"].to_numpy(float)
    kinds = table["load"].to_numpy(object)
    asked = pd.to_numeric(table["concurrency"], errors="coerce").to_numpy(float)
    share = np.array([c.limits.reserved_output for c in own])
    budget = np.array([max(c.memory.kv_budget_bytes, 0.0) for c in own])
    each = np.array([c.memory.kv_bytes_per_token for c in own]) * (inputs + share * outputs)
    each = each + np.array([c.memory.kv_bytes_fixed for c in own])
    dp = np.array([float(c.shape.dp) for c in own])
    most = np.array([float(c.limits.max_sequences) for c in own]) * dp
    held = np.minimum(np.floor(budget / np.maximum(each, 1e-9) * dp + 1e-9), most)
    one = np.ones(len(table))
    load = Load(
        input_tokens=inputs,
        output_tokens=outputs,
        cached_tokens=0 * one,
        concurrency=np.where(np.isnan(asked), held, asked),
        held=held,
        chunk=np.array([float(c.limits.max_batched_tokens) for c in own]),
        tokens_each=one,
        accepted_each=one,
        draft_share=0 * one,
        scattered=np.where(table["length_spread"].to_numpy(float) > 0, 1.0, 0.0),
        wait_steps=table["wait_steps"].to_numpy(float),
    )
    return load, kinds
