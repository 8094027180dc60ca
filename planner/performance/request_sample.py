"""The latencies of a fixed set of quasi-random requests in a loaded pool.

Each point of the set is one request: the state it meets, its lengths and its luck. The formulas put
its latency together from

    TTFT = admission + line + rest of the iteration in progress + own iterations
    TPOT = decode iteration at the batch it lives in + prompts of others met on the way, per token

The same points serve all loads, so percentiles rise smoothly with the load.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from planner.performance.load_model import LoadModel, Pace
from planner.performance.profile import RequestProfile
from planner.performance.queueing import Occupancy
from planner.performance.remember import MOST_ARRAYS, remembering
from planner.performance.renewal import Counts, CountTable, Waits, WaitTable
from planner.performance.step_table import shared_prefix
from planner.scenario.distributions import TokenDistribution

FloatArray = npt.NDArray[np.float64]

POINTS = 1024
_STATE, _PROMPT, _LINE, _PHASE, _AFTER, _ANSWER, _SIZES, _BEFORE, _CAUGHT, _DRIFT = range(10)
_FULLEST = 0.98
_ROUNDING = 1e-6  # iterations: a prompt that just fills one does not begin another
_STEADIEST = 0.9  # share of prefill up to which a longer life meets proportionally more prompts
_PASSED_OVER = 1.0
"""Mean gaps after which the router passes over a replica that still works on one prompt: its load
no longer falls while that of the others does."""


LUCK = Path(__file__).with_name("luck.npy")
"""The fixed points as `drawn_points` drew them. Importing what draws them takes half a second."""


@lru_cache(maxsize=1)
def _luck() -> FloatArray:
    """The fixed points, shape [dimensions, points], inside the unit cube."""
    return np.asarray(np.load(LUCK), dtype=np.float64)


def drawn_points() -> FloatArray:
    """Draw the fixed points, shape [dimensions, points]: a scrambled Sobol sequence.

    `np.save(LUCK, drawn_points())` renews the file, and with it every predicted percentile.
    """
    from scipy.stats import qmc

    sequence = qmc.Sobol(_DRIFT + 1, scramble=True, rng=np.random.default_rng(20240601))
    return np.asarray(np.clip(sequence.random(POINTS).T, 1e-6, 1 - 1e-6))


@remembering(MOST_ARRAYS)
def _lengths(tokens: TokenDistribution, dimension: int) -> FloatArray:
    """The lengths of the sample, shape [points]."""
    return tokens.quantile(_luck()[dimension])


@remembering(MOST_ARRAYS)
def _counts_at(table: CountTable, dimension: int) -> Counts:
    """The counts at the luck of the sample."""
    return table.at(_luck()[dimension])


@remembering(MOST_ARRAYS)
def _waits_at(table: WaitTable, dimension: int) -> Waits:
    """The waits at the luck of the sample."""
    return table.at(_luck()[dimension])


@lru_cache(maxsize=_DRIFT + 1)
def _deviates(dimension: int) -> FloatArray:
    """The luck of the sample as normal deviates."""
    return np.asarray(ndtri(_luck()[dimension]))


@dataclass(frozen=True)
class Gaps:
    """What the times between the arrivals at one replica imply.

    Attributes:
        waits: the wait in a line of prompts.
        counts: arrivals after an arrival, over lives of requests.
        near: likewise over iterations: a router deals arrivals out evenly in the short run.
        calm: as `near`, at most as bursty as Poisson.
        common: share of the variance of the counts that all replicas of the pool see together.

    """

    waits: WaitTable
    counts: CountTable
    near: CountTable
    calm: CountTable
    common: float


class RequestSample:
    """Latencies (ms) of the sample at each arrival rate.

    Args:
        model: the replica under the workload.
        profile: the workload.
        rate: arrivals per ms and replica, shape [k].
        pace: iterations at these rates.
        state: requests decoding at these rates.
        restoring: elasticity of the departures in the level at the mean level, shape [k]: 1 when a
            larger batch is served proportionally faster, 0 when it is not served faster at all.
        gaps: tables of the times between arrivals.
        pool_size: replicas behind the router.

    Attributes:
        ttft_ms, tpot_ms, e2e_ms: shape [k, POINTS], engine and network overheads excluded.

    """

    def __init__(
        self,
        model: LoadModel,
        profile: RequestProfile,
        rate: FloatArray,
        pace: Pace,
        state: Occupancy,
        restoring: FloatArray,
        gaps: Gaps,
        pool_size: int,
    ) -> None:
        self._model, self._profile, self._pace = model, profile, pace
        self._rate = rate[:, None]
        self._gaps, self._pool_size, self._restoring = gaps, pool_size, restoring[:, None]
        self._uneven = 0.5 * (1.0 - 1.0 / pool_size)
        luck = _luck()
        if model.decodes:
            level, admission = state.quantile(luck[_STATE])
        else:
            level = np.zeros((len(rate), POINTS))
            admission = np.zeros_like(level)
        self._window = np.zeros_like(level)  # from arrival to first token, for arrivals of prompts
        self._shared = np.zeros_like(level)  # prompts behind it that ride in its own iteration
        self.ttft_ms = admission
        if model.prefills:
            # the least loaded replica has up to one request fewer than the average
            self.ttft_ms = admission + self._first_token_ms(np.maximum(level - self._uneven, 0.0))
        answer = np.maximum(np.round(_lengths(profile.output_tokens, _ANSWER)), 1.0)
        steps = np.maximum(answer - 1.0, 1.0)
        self.tpot_ms = np.zeros_like(self.ttft_ms)
        if model.decodes:
            self.tpot_ms = self._per_token_ms(level, state, steps)
            if not model.prefills:
                self.tpot_ms = self.tpot_ms + admission / steps
        self.e2e_ms = self.ttft_ms + np.where(answer >= 2, steps * self.tpot_ms, 0.0)

    def _cost_ms(self, level: FloatArray) -> FloatArray:
        """Mean cost of a prompt at each rate and level, shape [k, m]."""
        nodes = self._model.levels
        return np.stack([np.interp(x, nodes, y) for x, y in zip(level, self._pace.cost_ms, strict=True)])

    def _line_ms(self, level: FloatArray, bare: FloatArray) -> FloatArray:
        """Wait for the prompts ahead.

        One replica is a GI/GI/1 queue. In a pool the router avoids replicas where requests wait:
        the chance that a request waits behind more than the prompt in progress is that of a
        multi-server queue, rho^(sqrt(2 (n + 1)) - 1) (Sakasegawa) instead of rho; beyond it an
        arrival may be caught behind the rest of one prompt.
        """
        model, waits, luck = self._model, self._gaps.waits, _luck()
        lines = _waits_at(waits, _LINE)
        room = model.room(level)
        decoding = bare * model.typical_prompt / room  # its part of the decodes in full iterations
        cost = self._cost_ms(level)
        for _ in range(2):
            service = cost + decoding
            load = np.minimum(self._rate * service, waits.largest_load)
            crowded = load ** (np.sqrt(2.0 * (self._pool_size + 1.0)) - 1.0)
            line = lines.quantile(crowded) / np.maximum(crowded, 1e-9) * service
            # the longer the line, the fuller the iterations that work it off
            cost = np.maximum(cost, model.prompt_cost_ms(level, 1.0 + line / service))
        if self._pool_size == 1:
            return np.asarray(line)
        some, many = waits.chance(load), waits.chance(crowded)
        chance = (some - many) / np.maximum(1.0 - many, 1e-9)
        place = luck[_CAUGHT] / np.maximum(chance, 1e-9)
        rest = np.minimum(waits.residual(place) * service, _PASSED_OVER / self._rate)
        return np.asarray(line + np.where(place < 1.0, rest, 0.0))

    def _first_token_ms(self, level: FloatArray) -> FloatArray:
        model, table, luck = self._model, self._model.table, _luck()
        tokens = _lengths(self._profile.input_tokens, _PROMPT)
        prefix = np.floor(tokens * self._profile.prefix_hit_rate)
        prompt = np.maximum(tokens - prefix, 1.0)
        bare = table.step_ms(np.maximum(level, 1.0)) * (level > 0)
        room = model.room(level)
        line = self._line_ms(level, bare)
        cost = self._cost_ms(level)
        share = np.minimum(self._rate * cost, _FULLEST)
        iteration = bare / (1.0 - share)
        rest = luck[_PHASE] * iteration
        # the line is partly worked off in the iteration in progress, partly in its own; a line
        # longer than an iteration's budget takes whole iterations before its own
        whole = room * (cost + bare * model.typical_prompt / room) / model.typical_prompt
        gate = rest + np.maximum(line / (1.0 + share), line - whole)
        after = _counts_at(self._gaps.near, _AFTER).within(self._rate * gate)
        before = _counts_at(self._gaps.calm, _BEFORE).within(self._rate * (iteration - rest))
        chunks = np.ceil(prompt / room - _ROUNDING)
        last = prompt - (chunks - 1) * room
        left = np.maximum(room - last, 0.0)
        ahead = np.minimum(before * model.typical_prompt, left)
        behind = np.minimum(after * model.typical_prompt, left - ahead)
        pairs_per_token = float(
            (model.prompt * (model.prefix + model.prompt / 2)).mean() / model.typical_prompt
        )
        own_pairs = last * (prefix + (chunks - 1) * room + last / 2)
        together = last + ahead + behind
        pairs = own_pairs + (ahead + behind) * pairs_per_token
        final = table.step_ms(level, None, together, shared_prefix(together, pairs))
        own = final
        if np.any(chunks > 1):
            own = own + (chunks - 1) * table.step_ms(level, None, room, prefix + (chunks - 1) * room / 2)
        self._window = gate + own
        self._shared = behind / model.typical_prompt
        return np.asarray(line + rest + own)

    def _per_token_ms(self, level: FloatArray, state: Occupancy, steps: FloatArray) -> FloatArray:
        model, table = self._model, self._model.table
        # the batch drifts back to its mean while the request lives; the slower, the less a larger
        # batch is served faster
        ratio = steps * self._restoring / max(model.steps, 1.0)
        average = 2.0 * (ratio - 1.0 + np.exp(-ratio)) / ratio**2  # of an exponential correlation
        fade = -np.expm1(-ratio) / ratio
        mean = state.mean_level[:, None]
        kept = mean + fade * (level - mean) + state.shift[:, None] * fade
        drift = np.sqrt(np.maximum(average - fade**2, 0.0)) * level.std(axis=1, keepdims=True)
        itself = 1.0 - self._uneven  # it joins the least loaded replica
        if not model.prefills:
            return np.asarray(
                table.step_ms(np.clip(kept + drift * _deviates(_SIZES) + itself, 1.0, state.level[-1]))
            )
        counts = _counts_at(self._gaps.counts, _AFTER)
        spread = max(model.prompt_spread, 1e-6)
        arriving = (steps - 1.0) / steps  # prompts that arrive in its last iteration are not met
        lived = np.clip(kept + itself, 1.0, state.level[-1])
        share = np.minimum(self._rate * self._cost_ms(lived), _STEADIEST)
        duration = steps * table.step_ms(lived) / (1.0 - share)
        # in a pool the router deals the next prompts to others: what comes during its own wait and
        # prefill is met by a single replica only, and arrivals do not avoid each other afterwards
        window = self._window / self._pool_size
        shared = self._shared / self._pool_size
        free = max(1.0 - self._gaps.counts.cv**2, 0.0) / 2.0 * (1.0 - 1.0 / self._pool_size)
        # many arrivals in its life fill the batch: what drifts is what arrives, at a single replica
        expected = self._rate * (window + duration * arriving) + free
        surplus = (counts.within(expected) - self._gaps.counts.mean(expected)) / np.sqrt(
            np.maximum(self._gaps.counts.cv**2 * expected, 1.0)
        )
        own = np.sqrt(self._gaps.common)
        drifted = drift * (own * surplus + np.sqrt(1.0 - own**2) * _deviates(_DRIFT))
        lived = np.clip(kept + drifted + itself, 1.0, state.level[-1])
        bare = table.step_ms(lived)
        cost = self._cost_ms(lived)
        share = np.minimum(self._rate * cost, _STEADIEST)
        duration = steps * bare / (1.0 - share)
        # meeting more prompts than usual takes longer, in which more are met; unless it is only this
        # replica of a pool that meets more, then the router sends the next ones elsewhere
        alone = 1.0 / self._pool_size
        common = self._gaps.common / (1.0 - share) ** 2
        amplified = 1.0 / np.sqrt(common + (1.0 - self._gaps.common) / (1.0 - share * alone) ** 2)
        usual_cost = model.prompt_cost_ms(lived, np.maximum(alone + self._rate * duration / steps, 1.0))
        for _ in range(2):
            met = counts.within(self._rate * (window + duration * arriving) + free)
            met = np.maximum(met - shared, 0.0)
            each = cost * model.prompt_cost_ms(lived, np.maximum(alone + met / steps, 1.0)) / usual_cost
            added = met * each * _gamma_factor(_deviates(_SIZES), met / spread)
            final = duration + (steps * bare + added - duration) / amplified
            duration = np.maximum((duration + final) / 2, steps * bare)
        fullest = table.step_ms(lived, None, model.room(lived), float(model.prefix.mean()))
        return np.asarray(np.clip(final / steps, bare, np.maximum(fullest, bare)))


def _gamma_factor(deviate: FloatArray, shape: FloatArray) -> FloatArray:
    """Quantile of a gamma variable of mean 1 (Wilson and Hilferty), for shapes of about 0.3 up."""
    safe = np.maximum(shape, 0.3)
    cube = 1.0 - 1.0 / (9.0 * safe) + deviate / (3.0 * np.sqrt(safe))
    return np.asarray(np.maximum(cube, 0.0) ** 3)
