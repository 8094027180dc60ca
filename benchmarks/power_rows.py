"""Measured watts beside counted utilization: what ``calibrate_power.py`` fits.

Reads a folder of public measurements: ``measured/power.csv`` (watts per GPU by LLM, GPU and batch)
and ``silicon/kernel_power_b200.csv`` (watts of single kernels). Times are the measured ones, so the
fit sees the error of the power model alone.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from planner.catalog import Catalog, UnknownEntry
from planner.performance.measured import ACCELERATOR_NAMES
from planner.performance.precision import canonical
from planner.performance.replica import chip_of
from planner.performance.shape import Shape
from planner.performance.steps import Batch
from planner.performance.utilization import utilization
from planner.performance.work import count_work

TASK_INPUT_TOKENS = {"gpqa": 300.0, "lm-arena-chat": 150.0}
"""Mean prompt of the text tasks of ML.ENERGY, whose files do not print it: a GPQA question with its
choices, a single-turn arena prompt. Answers are 2 to 30 times as long, so little hangs on it."""

COLUMNS = ("source", "model", "accelerator", "accelerators", "batch", "watts", "tdp_w", "compute", "memory")
OTHER_NAMES = {"a100 (memory size not in csv)": "a100-40-sxm", "h100-sxm-80gb (power-capped)": ""}
ABOVE_TDP = 1.03
"""A mean of watts above the thermal design power cannot be one of that GPU: the row is left out."""


def serving_rows(folder: Path, catalog: Catalog) -> pd.DataFrame:
    """Return one row per usable serving measurement; columns COLUMNS.

    Left out: LLMs the catalog does not know, tasks with pictures (their tokens are not published),
    rows without a throughput, watts above the thermal design power, and the rows of Splitwise on
    H100 (which state no watts, and whose capped times are the uncapped ones times 1.3).
    """
    table = pd.read_csv(folder / "measured" / "power.csv", low_memory=False)
    found = [row for row in (_serving_row(item, catalog) for _, item in table.iterrows()) if row]
    return pd.DataFrame(found, columns=list(COLUMNS))


def _serving_row(item: pd.Series, catalog: Catalog) -> tuple[object, ...] | None:
    name = str(item.gpu).lower()
    accelerator_id = {**ACCELERATOR_NAMES, **OTHER_NAMES}.get(name, "")
    if accelerator_id not in catalog.accelerators:
        return None
    accelerator = catalog.accelerators[accelerator_id]
    try:
        llm = catalog.llm(str(item.model))
    except UnknownEntry:
        return None
    notes = str(item.notes)
    batch = float(item.avg_batch if item.avg_batch == item.avg_batch else item.concurrency)
    inputs, outputs = float(item.isl), float(item.osl)
    if item.source == "mlenergy_v3":
        task = notes.split("task=")[1].split(";")[0]
        if task not in TASK_INPUT_TOKENS:
            return None
        inputs = TASK_INPUT_TOKENS[task]
        degrees = {text[:2]: int(text[2:]) for text in notes.split("; ")[1].split()}
    else:
        degrees = {"TP": int(item.gpus), "EP": 1, "DP": 1}
    if item.source == "splitwise":
        if not item.frac_tdp > 0:
            return None
        watts = float(item.frac_tdp) * accelerator.tdp_w
        return None
    watts = float(item.watts_per_gpu)
    if not watts <= ABOVE_TDP * accelerator.tdp_w or not item.joules_per_out_token > 0:
        return None
    tokens_per_s = watts * item.gpus / item.joules_per_out_token
    weights = canonical(str(item.precision)) if isinstance(item.precision, str) else llm.native_weights
    dp = max(int(item.gpus) // degrees["TP"], 1)
    shape = Shape(
        llm=llm.id,
        accelerator=accelerator.id,
        engine="vllm",
        tp=degrees["TP"],
        dp=dp,
        ep=min(degrees["EP"], degrees["TP"] * dp),
        weights=weights,
        kv_cache="bf16",
    )
    prompts = batch / outputs
    work = Batch(
        sequences=np.asarray(batch),
        context=np.asarray(inputs + outputs / 2.0),
        prefill_tokens=np.asarray(prompts * inputs),
        prefill_context=np.asarray(0.0),
        prompts=np.asarray(prompts),
    )
    time_ms = np.asarray(1000.0 * batch / tokens_per_s)
    compute, memory = utilization(count_work(llm, shape), chip_of(accelerator, shape), work, time_ms)
    return (
        item.source, llm.id, accelerator.id, int(item.gpus), batch, watts, accelerator.tdp_w,
        float(compute), float(memory),
    )  # fmt: skip
