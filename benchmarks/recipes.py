"""Engine flags of public results that change latency and that no column of the results tells."""

from __future__ import annotations

import numpy as np
import pandas as pd

# SemiAnalysis InferenceX, recipes of its repository (benchmarks/*.sh): SGLang looks at its queue every
# 10 iterations on Blackwell, every 30 from 16 clients on eight accelerators; a request waits half of it.
SGLANG_POLLS = (10.0, 30.0)
SGLANG_POLLS_SELDOM_FROM = 16
BLACKWELL = ("b200-sxm", "b300-sxm")
# Its TensorRT-LLM recipes for Llama-3.1-70B hold prompts of 1024/1024 back for up to 20 iterations below
# TP 8, that for DeepSeek-R1 in fp8 for up to 40 from 64 clients on (batch_wait_timeout_iters).
LLAMA_70B_WAIT = 20.0
DEEPSEEK_FP8_WAIT = 40.0


def wait_steps(table: pd.DataFrame) -> np.ndarray:
    """Return the iterations that flags hold a request back before it is admitted, per row."""
    clients = pd.to_numeric(table["concurrency"], errors="coerce").to_numpy(float)
    nominal = (table["length_spread"] > 0).to_numpy()  # only InferenceX draws lengths
    engine, llm = table["engine"].to_numpy(), table["llm"].astype(str).str.lower()
    eight = (table["tp"] * table["dp"] >= 8).to_numpy()
    seldom = eight & (clients >= SGLANG_POLLS_SELDOM_FROM)
    blackwell = table["accelerator"].isin(BLACKWELL).to_numpy()
    deepseek = llm.str.contains("deepseek-r1").to_numpy()
    waits = np.zeros(len(table))
    polled = nominal & (engine == "sglang") & blackwell & deepseek
    waits[polled] = np.where(seldom, SGLANG_POLLS[1], SGLANG_POLLS[0])[polled] / 2.0
    short = nominal & (table["input_tokens"] < 1024).to_numpy() & (table["output_tokens"] < 1024).to_numpy()
    held = short & (engine == "trtllm")
    llama = llm.str.contains("llama-3.1-70b").to_numpy() & (table["tp"] < 8).to_numpy()
    waits[held & llama] = LLAMA_70B_WAIT
    fp8 = (table["weights"] == "fp8").to_numpy()
    waits[held & deepseek & fp8 & (clients >= 64) & (clients < 256)] = DEEPSEEK_FP8_WAIT
    return waits
