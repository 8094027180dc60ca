"""Fit coefficients as sums of levels, each pulled toward the coarser one.

log coefficient = global + generation + accelerator + engine + variant. Every level has a Gaussian
prior; residuals are logarithms of predicted over measured under a robust loss. One Gauss-Newton
step costs one prediction per coefficient, because all levels share the derivative of the row.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from benchmarks.calibration_rows import Rows
from planner.performance.calibration_file import SHARED_KERNELS, SHARED_KERNELS_ON, software_of
from planner.performance.coefficients import NAMES, UNCALIBRATED

# Standard deviations of the measurements' own scatter (log units): software drift of 5-10 % in
# TPOT between versions; TTFT also depends on how a load generator starts.
NOISE = {"tpot": 0.10, "ttft": 0.25, "throughput": 0.12, "e2e": 0.15}
ROBUST_AT = 1.5  # residuals beyond this many deviations count linearly
SMALLEST_DAMPING, LARGEST_DAMPING = 0.03, 2.0
SMALLEST_GAIN = 0.05  # of the objective, which counts squared deviations: nothing below matters
LEAVE_OUT_STEPS = 8  # of the fit without a pair, from the full solution
STEP_LIMIT = 0.5  # largest change of a log coefficient in one step


@dataclass(frozen=True)
class Prior:
    """Deviations of one coefficient at each level (log units); 0 means the level has no say."""

    overall: float
    generation: float
    accelerator: float
    engine: float
    variant: float

    @property
    def software(self) -> float:
        """An older software generation differs as much as any source does."""
        return self.variant


EFFICIENCY = Prior(0.15, 0.072, 0.03, 0.072, 0.15)
OVERHEAD = Prior(0.4, 0.15, 0.03, 0.4, 0.5)
SOFTWARE = Prior(0.5, 0.0, 0.0, 0.6, 0.8)
WIRE = Prior(0.2, 0.09, 0.03, 0.09, 0.15)
FIXED = Prior(0.0, 0.0, 0.0, 0.0, 0.0)
PRIORS: dict[str, Prior] = {
    "compute": EFFICIENCY,
    "narrow_compute": Prior(0.15, 0.06, 0.03, 0.09, 0.15),
    "half_tokens": Prior(0.3, 0.0, 0.0, 0.0, 0.0),
    "memory": Prior(0.08, 0.036, 0.018, 0.048, 0.1),
    "attention_compute": EFFICIENCY,
    "cache_memory": Prior(0.1, 0.06, 0.03, 0.06, 0.15),
    "latent_attention": Prior(0.3, 0.12, 0.03, 0.12, 0.2),
    "expert_compute": Prior(0.2, 0.09, 0.03, 0.12, 0.2),
    "expert_memory": Prior(0.15, 0.072, 0.03, 0.09, 0.2),
    "expert_pad_tokens": Prior(0.5, 0.12, 0.03, 0.18, 0.0),
    "traffic": Prior(0.4, 0.12, 0.03, 0.18, 0.2),
    "weight_only_compute": Prior(0.2, 0.06, 0.0, 0.12, 0.1),
    "weight_only_experts": Prior(0.2, 0.06, 0.0, 0.12, 0.1),
    "kernel_gap_us": OVERHEAD,
    "eager_launch_us": OVERHEAD,
    "host_step_ms": SOFTWARE,
    "host_sequence_us": SOFTWARE,
    "prefill_step_ms": SOFTWARE,
    "request_ms": Prior(0.5, 0.0, 0.0, 0.4, 0.8),
    "request_token_us": SOFTWARE,
    "admission_steps": SOFTWARE,
    "wave": Prior(0.3, 0.0, 0.0, 0.3, 0.6),
    "reduce_latency_us": WIRE,
    "reduce_hop_us": WIRE,
    "reduce_bandwidth": WIRE,
    "host_link_latency_us": WIRE,
    "host_link_bandwidth": WIRE,
    "host_link_contention": Prior(0.3, 0.0, 0.0, 0.0, 0.0),
    "network_latency_us": FIXED,
    "network_bandwidth": FIXED,
    "exchange_latency_us": Prior(0.2, 0.09, 0.0, 0.12, 0.2),
    "exchange_bandwidth": Prior(0.2, 0.09, 0.0, 0.12, 0.2),
    "overlap": Prior(0.2, 0.0, 0.0, 0.0, 0.0),
}
LEVELS = ("overall", "generation", "accelerator", "engine", "software", "variant")
CURRENT = "current"  # label of rows without an older software generation


@dataclass
class Design:
    """Which parameter of each level every row uses."""

    codes: dict[str, np.ndarray]
    labels: dict[str, list[str]]
    columns: dict[tuple[str, str, str], int] = field(default_factory=dict)
    deviations: np.ndarray = field(default_factory=lambda: np.zeros(0))
    centers: np.ndarray = field(default_factory=lambda: np.zeros(0))

    @classmethod
    def of(
        cls,
        rows: Rows,
        generation_of: dict[str, str],
        kernels: dict[str, dict[str, float]] | None = None,
    ) -> Design:
        """Lay out levels for a set of rows; ``kernels`` (values by accelerator) center the priors."""
        table = rows.table
        text = {
            "overall": ["all"] * len(table),
            "generation": [generation(a, generation_of) for a in table["accelerator"]],
            "accelerator": table["accelerator"].tolist(),
            "engine": table["engine"].tolist(),
            "software": [
                software_of(engine, year) or CURRENT
                for engine, year in zip(table["engine"], table["software_year"], strict=True)
            ],
            "variant": (table["engine"] + "@" + table["variant"]).tolist(),
        }
        design = cls({}, {})
        deviations = []
        for level in LEVELS:
            labels = sorted(set(text[level]))
            design.labels[level] = labels
            code = {label: i for i, label in enumerate(labels)}
            design.codes[level] = np.array([code[label] for label in text[level]])
            for name in NAMES:
                width = getattr(PRIORS[name], level)
                if width <= 0:
                    continue
                for label in labels:
                    if label.endswith("@") or label == CURRENT:
                        continue  # the main sources are the shipped engine itself
                    design.columns[(level, label, name)] = len(deviations)
                    deviations.append(width)
        design.deviations = np.array(deviations)
        design.centers = np.zeros(len(deviations))
        design._center(kernels or {}, generation_of)
        return design

    def _center(self, kernels: dict[str, dict[str, float]], generation_of: dict[str, str]) -> None:
        """Put the priors where single-kernel measurements are: mean, generation, accelerator."""
        for name in NAMES:
            logs = {a: np.log(v[name]) for a, v in kernels.items() if name in v}
            if not logs or PRIORS[name].overall <= 0:
                continue
            families: dict[str, list[float]] = {}
            for accelerator, value in logs.items():
                families.setdefault(generation(accelerator, generation_of), []).append(value)
            means = {family: float(np.mean(values)) for family, values in families.items()}
            overall = float(np.mean(list(means.values())))
            self._set(("overall", "all", name), overall - np.log(UNCALIBRATED[name]))
            for family, mean in means.items():
                self._set(("generation", family, name), mean - overall)
            for accelerator, value in logs.items():
                family = generation(accelerator, generation_of)
                self._set(("accelerator", accelerator, name), value - means[family])

    def _set(self, key: tuple[str, str, str], center: float) -> None:
        if key in self.columns:
            self.centers[self.columns[key]] = center

    def logs(self, parameters: np.ndarray, without_variants: bool = False) -> np.ndarray:
        """Return log coefficients of every row, shape (rows, names)."""
        count = len(self.codes["overall"])
        base = np.log([UNCALIBRATED[name] for name in NAMES])
        logs = np.tile(base, (count, 1))
        padded = np.append(parameters, 0.0)
        for level in LEVELS:
            if without_variants and level == "variant":
                continue
            for position, name in enumerate(NAMES):
                if getattr(PRIORS[name], level) <= 0:
                    continue
                logs[:, position] += padded[self.column_of_rows(level, name)]
        return logs

    def column_of_rows(self, level: str, name: str) -> np.ndarray:
        """Return the parameter each row uses at a level, one past the last where none."""
        none = len(self.deviations)
        columns = np.array([self.columns.get((level, label, name), none) for label in self.labels[level]])
        used = columns[self.codes[level]]
        if level == "engine" and name in SHARED_KERNELS:
            generations = np.array(self.labels["generation"])[self.codes["generation"]]
            used = np.where(np.isin(generations, sorted(SHARED_KERNELS_ON)), none, used)
        return used


def generation(accelerator: str, generation_of: dict[str, str]) -> str:
    """Return the generation whose prefix matches longest, or the accelerator itself."""
    best = max((p for p in generation_of if accelerator.startswith(p)), key=len, default="")
    return generation_of.get(best, accelerator)


def residuals(rows: Rows, logs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return scaled residuals, the row of each, and its channel number."""
    timed = rows.predict(logs)
    measured = rows.measured
    median = (rows.table["ttft_statistic"] == "median").to_numpy()
    ttft = np.where(median, timed.settled_ttft_ms, timed.ttft_ms)
    has_latency = np.isfinite(measured["measured_tpot_ms"])
    channels = (
        ("tpot", timed.tpot_ms, measured["measured_tpot_ms"], np.isfinite(timed.tpot_ms)),
        ("ttft", ttft, measured["measured_ttft_ms"], np.isfinite(ttft)),
        (
            "throughput",
            timed.output_tokens_per_s,
            measured["measured_output_tokens_per_s"],
            ~has_latency & (rows.load.output_tokens > 1),
        ),
    )
    found, owner, kind = [], [], []
    everything = np.arange(len(rows))
    for number, (name, predicted, truth, wanted) in enumerate(channels):
        usable = everything[wanted & np.isfinite(truth) & (truth > 0) & np.isfinite(predicted)]
        found.append(np.log(predicted[usable] / truth[usable]) / NOISE[name])
        owner.append(usable)
        kind.append(np.full(len(usable), number))
    return np.concatenate(found), np.concatenate(owner), np.concatenate(kind)


def jacobian(rows: Rows, logs: np.ndarray, size: int) -> np.ndarray:
    """Return d residual / d log coefficient, shape (residuals, names), by central differences."""
    step = 0.02
    result = np.zeros((size, len(NAMES)))
    for position, name in enumerate(NAMES):
        if PRIORS[name] is FIXED:
            continue
        up, down = logs.copy(), logs.copy()
        up[:, position] += step
        down[:, position] -= step
        result[:, position] = (residuals(rows, up)[0] - residuals(rows, down)[0]) / (2 * step)
    return result


def parameter_slopes(design: Design, owner: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """Return d residual / d parameter, shape (residuals, parameters).

    All levels of a name share the derivative of the row; a row uses one parameter of each level.
    """
    count = len(design.deviations)
    matrix = np.zeros((len(owner), count + 1))
    everything = np.arange(len(owner))
    for level in LEVELS:
        for position, name in enumerate(NAMES):
            if getattr(PRIORS[name], level) > 0:
                matrix[everything, design.column_of_rows(level, name)[owner]] = slopes[:, position]
    return matrix[:, :count]


def robust_weights(found: np.ndarray) -> np.ndarray:
    """Return the weight of each residual under the Huber loss."""
    scale = np.abs(found)
    return np.where(scale <= ROBUST_AT, 1.0, ROBUST_AT / np.maximum(scale, 1e-9))


def curvature(matrix: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the Gauss-Newton curvature of weighted residuals, shape (parameters, parameters)."""
    return (matrix * weight[:, None]).T @ matrix


def solve_step(
    design: Design,
    parameters: np.ndarray,
    found: np.ndarray,
    matrix: np.ndarray,
    bend: np.ndarray,
    weight: np.ndarray,
    damping: float = 0.0,
) -> np.ndarray:
    """Return the (damped) Gauss-Newton step under the priors.

    ``bend`` is the curvature of the residuals, at these or at nearby parameters; the gradient is exact.
    """
    precision = design.deviations**-2.0
    normal = bend + np.diag(precision)
    normal = normal + damping * np.diag(np.diag(normal))
    right = -(parameters - design.centers) * precision - matrix.T @ (weight * robust_weights(found) * found)
    return np.clip(cho_solve(cho_factor(normal), right), -STEP_LIMIT, STEP_LIMIT)


def cost(parameters: np.ndarray, design: Design, found: np.ndarray, weight: np.ndarray) -> float:
    """Return the robust objective with its priors."""
    scale = np.abs(found)
    loss = np.where(scale <= ROBUST_AT, scale**2 / 2, ROBUST_AT * (scale - ROBUST_AT / 2))
    return float((weight * loss).sum() + (((parameters - design.centers) / design.deviations) ** 2).sum() / 2)


def fit(
    rows: Rows,
    design: Design,
    start: np.ndarray | None = None,
    iterations: int = 12,
    report: bool = False,
) -> np.ndarray:
    """Return the parameters that explain the rows best under the priors."""
    parameters = design.centers.copy() if start is None else start.copy()
    found, owner, _ = residuals(rows, design.logs(parameters))
    best = cost(parameters, design, found, rows.weight[owner])
    for iteration in range(iterations):
        slopes = jacobian(rows, design.logs(parameters), len(found))
        matrix = parameter_slopes(design, owner, slopes)
        bend = curvature(matrix, rows.weight[owner] * robust_weights(found))
        parameters, found, value = descend(
            rows, design, parameters, found, matrix, bend, rows.weight[owner], best, steps=1
        )
        gain, best = best - value, value
        if report:
            print(f"  step {iteration + 1}: objective {best:.1f} (gain {gain:.2f})")
        if gain < 1e-4 * best:
            break
    return parameters


def descend(
    rows: Rows,
    design: Design,
    parameters: np.ndarray,
    found: np.ndarray,
    matrix: np.ndarray,
    bend: np.ndarray,
    weight: np.ndarray,
    best: float,
    steps: int,
) -> tuple[np.ndarray, np.ndarray, float]:
    """Take damped Gauss-Newton steps with given derivatives until ``steps`` or no gain.

    Returns parameters, residuals and objective.
    """
    damping = 0.0
    while steps > 0 and damping <= LARGEST_DAMPING:
        trial = parameters + solve_step(design, parameters, found, matrix, bend, weight, damping)
        trial_found, _, _ = residuals(rows, design.logs(trial))
        value = cost(trial, design, trial_found, weight)
        if value >= best:
            damping = max(4.0 * damping, SMALLEST_DAMPING)
            continue
        gain, steps, damping = best - value, steps - 1, damping / 4.0
        parameters, found, best = trial, trial_found, value
        if gain < SMALLEST_GAIN:
            break
    return parameters, found, best


def leave_pairs_out(rows: Rows, design: Design, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return log coefficients of every row from fits that never saw its (LLM, accelerator).

    For each pair the objective without its rows is minimised from the full solution by damped
    Gauss-Newton steps: exact gradients, and the curvature of the full solution less that of the rows
    left out. First what would be shipped, then the same with the offsets of the row's source (its
    software and harness), learned from that source's other pairs.
    """
    found_all, owner, _ = residuals(rows, design.logs(parameters))
    matrix = parameter_slopes(design, owner, jacobian(rows, design.logs(parameters), len(found_all)))
    bend = curvature(matrix, rows.weight[owner] * robust_weights(found_all))
    shipped, with_source = np.zeros((2, len(rows), len(NAMES)))
    pairs = rows.table["pair"].to_numpy()
    for pair in np.unique(pairs):
        held_out = pairs == pair
        gone = held_out[owner]
        weight = np.where(gone, 0.0, rows.weight[owner])
        left = curvature(matrix[gone], rows.weight[owner][gone] * robust_weights(found_all[gone]))
        best = cost(parameters, design, found_all, weight)
        current, _, _ = descend(
            rows, design, parameters, found_all, matrix, bend - left, weight, best, steps=LEAVE_OUT_STEPS
        )
        shipped[held_out] = design.logs(current, without_variants=True)[held_out]
        with_source[held_out] = design.logs(current)[held_out]
    return shipped, with_source
