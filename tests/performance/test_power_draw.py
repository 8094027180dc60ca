"""What a replica draws: utilization of its iterations put into the power model of its accelerator."""

import numpy as np
import pytest

from planner.catalog import Catalog, load_catalog
from planner.performance import draw
from planner.performance.replica import AnalyticReplica, replica_model
from planner.performance.shape import Shape
from planner.performance.steps import Batch
from planner.performance.utilization import utilization
from planner.performance.work import count_work


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


def _replica(catalog: Catalog, **shape: object) -> AnalyticReplica:
    chosen = {"llm": "llama-3.3-70b", "accelerator": "h100-sxm", "engine": "vllm", "tp": 4, **shape}
    asked = Shape(**chosen)  # type: ignore[arg-type]
    return replica_model(catalog.llm(asked.llm), catalog.accelerators[asked.accelerator], asked)


def test_utilization_of_a_decode_step_by_hand(catalog: Catalog) -> None:
    """One sequence reads every weight once: bytes over the time at datasheet bandwidth, 2 FLOPs each."""
    replica = _replica(catalog, llm="llama-3.1-8b", tp=1)
    parameters = float(
        replica.work.plain_parameters + replica.work.narrow_parameters + replica.work.head_parameters
    )
    batch = draw.decode_batch(1, 0.0)
    step_ms = np.asarray(10.0)
    compute, memory = utilization(replica.work, replica.chip, batch, step_ms)
    assert memory == pytest.approx(parameters * 2.0 / 3350e9 / 0.010, rel=0.01)
    assert compute == pytest.approx(parameters * 2.0 / 989e12 / 0.010, rel=0.02)


def test_utilization_is_a_share(catalog: Catalog) -> None:
    """Between 0 and 1 for every kind of LLM, batch and cut; nothing to do is no utilization."""
    for llm, tp, dp, ep in (
        ("llama-3.3-70b", 4, 1, 1),
        ("deepseek-r1", 8, 1, 8),
        ("deepseek-r1", 1, 8, 8),
        ("qwen3-30b-a3b-2507", 1, 1, 1),
    ):
        replica = _replica(catalog, llm=llm, accelerator="h200-sxm", tp=tp, dp=dp, ep=ep, weights="fp8")
        sequences = np.array([0.0, 1.0, 16.0, 256.0])
        prefill = np.array([0.0, 512.0, 8192.0])[:, None]
        zero = np.zeros((3, 4))
        batch = Batch(sequences + zero, 2000.0 + zero, prefill + zero, zero, np.minimum(prefill, 1.0) + zero)
        time_ms = np.maximum(replica.step_ms(sequences, 2000.0, prefill), 1e-6)
        for share in utilization(replica.work, replica.chip, batch, time_ms):
            assert (share >= 0).all()
            assert (share <= 1).all()
            assert share[0, 0] == 0.0
            assert (share[1:] > 0).all()


def test_a_pipeline_stage_works_on_its_own_layers(catalog: Catalog) -> None:
    """Two stages: each reads half of the weights, twice per iteration (two micro-batches)."""
    llm = catalog.llm("llama-3.1-8b")
    one, two = (count_work(llm, Shape("llama-3.1-8b", "h100-sxm", "vllm", tp=1, pp=pp)) for pp in (1, 2))
    chip = _replica(catalog, llm="llama-3.1-8b", tp=1).chip
    batch, time_ms = draw.decode_batch(8, 0.0), np.asarray(20.0)
    compute_one, memory_one = utilization(one, chip, batch, time_ms)
    compute_two, memory_two = utilization(two, chip, batch, time_ms)
    assert memory_two == pytest.approx(float(memory_one), rel=0.01)
    assert compute_two == pytest.approx(float(compute_one) / 2.0, rel=0.01)


def test_idle_decode_and_prefill_are_in_order(catalog: Catalog) -> None:
    """No work draws idle power; a larger batch never draws less; prompts draw more than small batches."""
    replica = _replica(catalog)
    watts = replica.power_w([0, 1, 8, 64, 256])
    assert watts[0] == pytest.approx(replica.idle_w)
    assert (np.diff(watts) >= 0).all()
    assert replica.power_w(8, 1.0) > replica.power_w(8, 0.0)
    assert (watts <= 700.0).all()


def test_prefill_share_mixes_over_time(catalog: Catalog) -> None:
    """Half the time prompts, half decoding: the mean of both."""
    replica = _replica(catalog)
    none, half, full = (float(replica.power_w(32, share)) for share in (0.0, 0.5, 1.0))
    assert half == pytest.approx((none + full) / 2.0)


def test_a_cap_holds_and_costs_prompts_more_than_tokens(catalog: Catalog) -> None:
    """At half the design power prompts take far longer, decode steps hardly (Splitwise: 1.3 and 1.0)."""
    free, capped = _replica(catalog), _replica(catalog, power_cap_w=350.0)
    assert (capped.power_w([1, 8, 64, 256], 0.5) <= 350.0 + 1e-9).all()
    prefill = float(capped.prefill_ms(4096) / free.prefill_ms(4096))
    decode = float(capped.step_ms(8, 2000) / free.step_ms(8, 2000))
    assert 1.15 < prefill < 1.6
    assert 1.0 <= decode < 1.1
    assert decode < prefill


def test_tighter_caps_are_never_faster(catalog: Catalog) -> None:
    """Time rises as the cap falls; a cap at the design power changes nothing."""
    free = _replica(catalog)
    caps = [700.0, 600.0, 500.0, 400.0, 300.0, 200.0]
    replicas = [_replica(catalog, power_cap_w=cap) for cap in caps]
    prefill = [float(replica.prefill_ms(4096)) for replica in replicas]
    decode = [float(replica.step_ms(64, 2000)) for replica in replicas]
    mixed = [float(replica.step_ms(64, 2000, 512)) for replica in replicas]
    for times, uncapped in (
        (prefill, free.prefill_ms(4096)),
        (decode, free.step_ms(64, 2000)),
        (mixed, free.step_ms(64, 2000, 512)),
    ):
        assert times[0] == pytest.approx(float(uncapped))
        assert times == sorted(times)


def test_a_cap_below_idle_is_refused_with_advice(catalog: Catalog) -> None:
    """The replica says why it cannot run and between what to choose."""
    replica = _replica(catalog, power_cap_w=60.0)
    assert not replica.fits
    assert "60 W" in replica.refusal
    assert "700 W" in replica.refusal


def test_every_accelerator_of_the_catalog_draws_sane_power(catalog: Catalog) -> None:
    """GPU, TPU, CPU or ASIC: idle below decode, decode within the cap, and caps slow it."""
    tried = 0
    for accelerator in catalog.accelerators.values():
        free = _replica(catalog, llm="llama-3.2-1b", accelerator=accelerator.id, tp=1)
        if not free.fits:
            continue
        tried += 1
        watts = free.power_w([1, 32], 0.2)
        assert (watts > free.idle_w).all(), accelerator.id
        assert (watts <= accelerator.tdp_w).all(), accelerator.id
        cap = 0.6 * accelerator.tdp_w
        capped = _replica(catalog, llm="llama-3.2-1b", accelerator=accelerator.id, tp=1, power_cap_w=cap)
        assert (capped.power_w([1, 32], 0.2) <= cap + 1e-9).all(), accelerator.id
        assert float(capped.prefill_ms(1024)) >= float(free.prefill_ms(1024)), accelerator.id
    assert tried > 30
