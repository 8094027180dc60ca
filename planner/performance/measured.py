"""Read measured results into the columns of ``estimate``, whoever wrote them.

Two layouts are understood: the estimate's own input columns with ``ttft_ms``, ``tpot_ms`` and
``output_tokens_per_s`` beside them, and public collections with ``model``, ``gpu``, ``isl``,
``osl``, ``precision_weights`` ... . Columns named ``measured_*`` come out.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from planner.performance.precision import canonical

MEASURED = (
    "measured_ttft_ms",
    "measured_tpot_ms",
    "measured_output_tokens_per_s",
    "measured_e2e_ms",
)
_RENAMED: Mapping[str, str] = {
    "model": "llm",
    "gpu": "accelerator",
    "precision_weights": "weights",
    "precision_kv": "kv_cache",
    "isl": "input_tokens",
    "osl": "output_tokens",
    "load_kind": "load",
    "tokens_out_per_s_total": "measured_output_tokens_per_s",
    "e2el_ms": "measured_e2e_ms",
    "output_tokens_per_s": "measured_output_tokens_per_s",
    "e2e_ms": "measured_e2e_ms",
}
# Names that public benchmark collections print, as catalog ids.
ACCELERATOR_NAMES: Mapping[str, str] = {
    "a100-sxm-80gb": "a100-80-sxm",
    "a100 (memory size not in csv)": "a100-40-sxm",
    "h100-sxm-80gb": "h100-sxm",
    "h200-sxm-141gb": "h200-sxm",
    "b200-sxm-180gb": "b200-sxm",
    "b300-sxm-270gb": "b300-sxm",
    "gb200-nvl72": "gb200",
    "gb300-nvl72": "gb300",
    "gh200": "gh200-96",
    "l40s-48gb": "l40s",
    "mi300x": "mi300x",
    "mi355x": "mi355x",
    "gaudi2": "gaudi2",
}
ENGINE_NAMES: Mapping[str, str] = {
    "trt": "trtllm",
    "tensorrt-llm": "trtllm",
    "tensorrt-llm (pytorch)": "trtllm",
    "vllm (splitwise testbed)": "vllm",
    "lmdeploy-turbomind": "lmdeploy",
}


def read_measured(source: Path | pd.DataFrame) -> pd.DataFrame:
    """Return measured rows in the columns of ``estimate`` plus ``measured_*``.

    TTFT and TPOT are means where the source has them, else medians. Rows keep every other column
    of the source. Raises ``ValueError`` naming the missing columns when it is neither layout.
    """
    table = source if isinstance(source, pd.DataFrame) else pd.read_csv(source, low_memory=False)
    table = table.rename(columns=_RENAMED).copy()
    for name in ("ttft_ms", "tpot_ms"):
        target = f"measured_{name}"
        values = pd.Series(np.nan, index=table.index)
        for column in (name, f"{name}_mean", f"{name}_median"):
            if column in table:
                values = values.fillna(pd.to_numeric(table[column], errors="coerce"))
        table[target] = values
    mean_known = table["ttft_ms_mean"].notna() if "ttft_ms_mean" in table else True
    median = table["measured_ttft_ms"].notna() & ~(mean_known | ("ttft_ms" in table))
    table["ttft_statistic"] = np.where(median, "median", "mean")
    for name in MEASURED:
        if name not in table:
            table[name] = np.nan
        table[name] = pd.to_numeric(table[name], errors="coerce")
    needed = ("llm", "accelerator", "input_tokens", "output_tokens", "concurrency")
    missing = [name for name in needed if name not in table]
    if missing:
        raise ValueError(
            f"measured results lack the columns {', '.join(missing)}; "
            "write one row per measurement with the columns of `planner estimate` "
            "plus ttft_ms, tpot_ms or output_tokens_per_s"
        )
    for name, default in {"engine": "vllm", "weights": "", "kv_cache": ""}.items():
        if name not in table:
            table[name] = default
        table[name] = table[name].fillna(default).astype(str)
    table["accelerator"] = [_known(ACCELERATOR_NAMES, name) for name in table["accelerator"]]
    table["reported_engine"] = table["engine"]
    table["engine"] = [_known(ENGINE_NAMES, name) for name in table["engine"]]
    for name in ("weights", "kv_cache"):
        table[name] = [canonical(value) if value else "" for value in table[name]]
    for name in ("tp", "pp", "dp", "ep"):
        degree = pd.to_numeric(table[name], errors="coerce") if name in table else 1.0
        table[name] = np.maximum(pd.Series(degree, index=table.index).fillna(1.0), 1.0).astype(int)
    _spread_data_parallel_attention(table)
    _true_lengths(table)
    if "software_year" not in table:
        dates = table["date"].astype(str).str[:4] if "date" in table else pd.Series("", index=table.index)
        table["software_year"] = pd.to_numeric(dates, errors="coerce")
    return table


# SemiAnalysis InferenceX names its three workloads by the longest lengths and draws each request
# uniformly from 80 % of that on (``random-range-ratio`` 0.8).
NOMINAL_LENGTHS = ((1024, 1024), (1024, 8192), (8192, 1024))
NOMINAL_SOURCES = ("aic_silicon_sample", "inferencex")
SHORTEST_SHARE = 0.8


def _true_lengths(table: pd.DataFrame) -> None:
    """Replace nominal lengths by mean ones where a collection is known to publish nominal ones."""
    if "length_spread" not in table:
        table["length_spread"] = np.nan
    if "source" not in table:
        return
    public = table["source"].astype(str).str.startswith(NOMINAL_SOURCES)
    lengths = list(zip(table["input_tokens"], table["output_tokens"], strict=True))
    drawn = public & pd.Series([pair in NOMINAL_LENGTHS for pair in lengths], index=table.index)
    for name in ("input_tokens", "output_tokens"):
        lengthened = pd.to_numeric(table[name], errors="coerce").astype(float)
        table[name] = lengthened.where(~drawn, lengthened * (1.0 + SHORTEST_SHARE) / 2.0)
    fixed = table["length_spread"].fillna(0.0)
    table["length_spread"] = table["length_spread"].where(~public, fixed)
    table.loc[drawn, "length_spread"] = 1.0 - SHORTEST_SHARE


def _known(names: Mapping[str, str], written: object) -> str:
    text = str(written).strip()
    return names.get(text.lower(), text)


def _spread_data_parallel_attention(table: pd.DataFrame) -> None:
    """Rewrite rows that run attention data-parallel but print it as tensor parallelism.

    Public sweeps say ``tp 8 ep 8, dp-attention on``: attention is then replicated on 8 ranks
    (tp 1, dp 8) and experts are spread over them.
    """
    if "notes" not in table:
        return
    marked = table["notes"].astype(str).str.contains("dp-attention on")
    chosen = marked & (table["dp"] == 1) & (table["tp"] > 1)
    table.loc[chosen, "dp"] = table.loc[chosen, "tp"]
    table.loc[chosen, "tp"] = 1
