"""How long things take: estimates by the thousand, and each example from file to verified plan."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd

import planner
from planner.catalog import load_catalog
from planner.performance.estimate import estimate

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
POINTS = 10_000


def random_points(count: int, seed: int = 0) -> pd.DataFrame:
    """Return points over four LLMs, four accelerators and every usual load."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "llm": rng.choice(["llama-3.1-8b", "llama-3.3-70b", "qwen3-32b", "deepseek-v3"], count),
            "accelerator": rng.choice(["h100-sxm", "h200-sxm", "b200-sxm", "mi300x"], count),
            "engine": "vllm",
            "weights": "fp8",
            "kv_cache": "",
            "tp": rng.choice([1, 2, 4, 8], count),
            "pp": 1,
            "dp": 1,
            "ep": 1,
            "input_tokens": rng.integers(100, 8000, count),
            "output_tokens": rng.integers(10, 1000, count),
            "concurrency": rng.choice([1, 4, 16, 64, 256], count),
        }
    )


def main() -> None:
    """Print seconds, and what was reached in them."""
    catalog = load_catalog()
    points = random_points(POINTS)
    estimate(points.head(10), catalog)
    started = time.process_time()
    answers = estimate(points, catalog)
    print(
        f"{POINTS:,} estimates: {time.process_time() - started:.2f} s of one core, "
        f"{int((answers['error'] == '').sum()):,} with numbers, the others with a reason"
    )
    print(f"{'example':<22}{'seconds':>9}{'USD/h':>10}{'gap':>9}{'servers':>9}{'violations':>12}")
    for path in sorted(EXAMPLES.glob("*.yaml")):
        started = time.perf_counter()
        plan = planner.solve(path)
        seconds = time.perf_counter() - started
        found = len(planner.verify(plan))
        print(
            f"{path.stem:<22}{seconds:>9.1f}{plan.cost.total:>10.2f}{plan.gap:>9.2%}"
            f"{len(plan.servers):>9}{found:>12}"
        )


if __name__ == "__main__":
    main()
