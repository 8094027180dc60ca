"""What accelerators draw, what caps cost, and the three powers kept apart."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.catalog import load_catalog
from planner.performance import power
from planner.performance.power import PowerCoefficients, power_coefficients, power_model

CATALOG = load_catalog()
EVERY_ACCELERATOR = sorted(CATALOG.accelerators)
SHARE = st.floats(min_value=0.0, max_value=1.0)
BUSY_SHARE = st.floats(min_value=0.01, max_value=1.0)


def accelerator(name: str = "h100-sxm"):
    return CATALOG.accelerators[name]


def without_idle_figure(name: str = "h100-sxm"):
    return accelerator(name).model_copy(update={"idle_w": None})


def test_watts_add_up_by_hand():
    """Idle + awake + bytes + FLOPs: 105 + 70 + 100 pJ x 3,350 GB/s / 2 + 1.2 pJ x 989 TFLOPS / 10."""
    coefficients = PowerCoefficients(idle=0.15, busy=0.10, byte_pj=100.0, flop_pj=1.2)
    model = power_model(without_idle_figure(), coefficients=coefficients)
    expected_w = 105.0 + 70.0 + 0.5 * 335.0 + 0.1 * 1186.8
    assert float(model.draw_w(0.1, 0.5)) == pytest.approx(expected_w)


@pytest.mark.parametrize("name", EVERY_ACCELERATOR)
def test_every_accelerator_of_the_catalog_has_a_power_model(name):
    """Idle below decoding below a full prompt, never above the design power; caps cost, prompts most."""
    sku = accelerator(name)
    model = power_model(sku)
    idle, decode, prefill = (float(model.draw_w(*u)) for u in ((0.0, 0.0), (0.05, 0.4), (0.7, 0.3)))
    assert 0 < idle < decode <= prefill <= sku.tdp_w
    assert idle == model.idle_w
    assert model.slowdown("prefill") == model.slowdown("decode") == 1.0
    capped = power_model(sku, 0.6 * sku.tdp_w)
    assert 1.0 <= capped.slowdown("decode") < capped.slowdown("prefill") < 2.0


def test_decode_rows_of_the_h100_lie_near_the_measured_watts():
    """Llama 3.1 70B on 4 x H100, 64 sequences: 501 W measured at 0.14 of FLOPs and 0.44 of bandwidth.

    ML.ENERGY leaderboard v3, LM Arena chat.
    """
    assert float(power_model(accelerator()).draw_w(0.141, 0.44)) == pytest.approx(501, rel=0.15)


def test_h200_decode_of_small_batches_stays_below_300_w():
    """arXiv:2605.11999 measured 137 to 300 W while small batches decode on a 700 W H200."""
    watts = power_model(accelerator("h200-sxm")).draw_w(0.01, np.array([0.0, 0.05, 0.1, 0.15]))
    assert np.all((watts > 137) & (watts < 300))


def test_prompts_reach_the_design_power_of_an_a100():
    """Splitwise measured peaks of 1.00 to 1.09 of 400 W while prompts of 512 tokens and more ran."""
    sku = accelerator("a100-80-sxm")
    assert float(power_model(sku).draw_w(0.6, 0.3)) == sku.tdp_w


def test_half_power_costs_an_h100_three_tenths_of_prefill_and_nothing_of_decode():
    """Splitwise (ISCA 2024) plans with 1.3 and 1.0 for an H100 capped to 350 W."""
    assert power.slowdown(accelerator(), 350, "prefill") == pytest.approx(1.3, abs=0.05)
    assert power.slowdown(accelerator(), 350, "decode") == pytest.approx(1.0, abs=0.05)


@given(compute=SHARE, memory=SHARE, more=SHARE)
def test_more_work_never_draws_less(compute, memory, more):
    model = power_model(accelerator())
    base = float(model.draw_w(compute, memory))
    assert float(model.draw_w(min(1.0, compute + more), memory)) >= base
    assert float(model.draw_w(compute, min(1.0, memory + more))) >= base


@given(compute=BUSY_SHARE, memory=BUSY_SHARE, low=st.floats(200, 700), high=st.floats(200, 700))
def test_a_lower_cap_is_never_faster_and_never_exceeded(compute, memory, low, high):
    low, high = min(low, high), max(low, high)
    tight, loose = power_model(accelerator(), low), power_model(accelerator(), high)
    assert float(tight.stretch(compute, memory)) >= float(loose.stretch(compute, memory)) - 1e-5
    assert float(tight.draw_w(compute, memory)) <= low


@given(compute=BUSY_SHARE, memory=BUSY_SHARE)
def test_the_clock_a_cap_leaves_draws_what_the_cap_allows(compute, memory):
    """Where a 400 W cap binds, energy at the lower clock over the longer time is 400 W."""
    model = power_model(accelerator(), 400)
    clock = model.clock(compute, memory)
    if float(clock) < 1.0:
        drawn = model._draw_at(clock, np.asarray(compute), np.asarray(memory))
        assert float(drawn) == pytest.approx(400, rel=1e-3)


def test_a_cap_that_does_not_bind_costs_nothing():
    """A decode step that wants 300 W does not notice a cap of 400 W."""
    model = power_model(accelerator(), 400)
    assert float(model.wanted_w(0.01, 0.2)) < 400
    assert float(model.stretch(0.01, 0.2)) == 1.0


def test_utilizations_broadcast():
    model = power_model(accelerator(), 350)
    compute, memory = np.linspace(0, 1, 5)[:, None], np.linspace(0, 1, 3)[None, :]
    assert model.draw_w(compute, memory).shape == (5, 3)
    assert model.stretch(compute, memory).shape == (5, 3)


def test_a_cap_below_idle_is_refused_with_advice():
    with pytest.raises(ValueError, match=r"h100-sxm .* set a cap between"):
        power_model(accelerator(), 60)


def test_a_cap_above_the_design_power_changes_nothing():
    assert power_model(accelerator(), 900).limit_w == accelerator().tdp_w


def test_the_catalog_figure_for_idle_comes_before_the_default_share():
    known = accelerator().model_copy(update={"idle_w": 81.0})
    assert power.idle_w(known) == 81.0
    assert power.idle_w(without_idle_figure()) == pytest.approx(0.15 * 700)


def test_narrow_rates_stand_in_for_a_missing_16_bit_rate():
    """A card known only by 35,000 TFLOPS of fp4 computes like one of 8,750 at 16 bits."""
    card = accelerator().model_copy(update={"tflops": {"fp4": 35000.0}})
    assert power.half_rate_tflops(card) == 8750.0
    assert power.half_rate_tflops(card.model_copy(update={"tflops": {}})) == 0.0


def test_memory_power_stays_within_measured_shares():
    """On-chip memory of 80 TB/s would want kilowatts, GDDR next to nothing; both are bounded."""
    groq, rtx = power_model(accelerator("groq-lpu-v1")), power_model(accelerator("rtx-4090"))
    assert groq.memory_w == groq.tdp_w
    assert rtx.memory_w == pytest.approx(0.4 * rtx.tdp_w)


class TestServer:
    """Provisioned, expected and transient watts of a DGX H100."""

    server = CATALOG.servers["dgx-h100"]

    def test_provisioned_is_the_rating_less_what_caps_take_off(self):
        assert power.provisioned_w(self.server) == 10200
        assert power.provisioned_w(self.server, 400) == 10200 - 8 * 300
        assert power.provisioned_w(self.server, 5000) == 10200

    def test_full_load_meets_the_largest_measured_power(self):
        """8.4 kW measured in training on an HGX H100 node (IEEE Access 13, 2025)."""
        assert float(power.expected_w(self.server, 700, 1.0)) == pytest.approx(8400)

    def test_idle_server_draws_idle_accelerators_and_a_part_of_the_host(self):
        expected = 0.3 * self.server.host_w + 8 * power.idle_w(accelerator())
        assert power.server_idle_w(self.server, accelerator()) == pytest.approx(expected)

    def test_host_grows_with_load_within_its_rating(self):
        watts = power.host_w(self.server, np.array([-1.0, 0.0, 0.5, 1.0, 2.0]))
        assert watts[0] == watts[1] < watts[2] < watts[3] == watts[4] <= self.server.host_w

    def test_host_without_a_measured_figure_takes_the_default_share(self):
        unknown = self.server.model_copy(update={"typical_w": None})
        assert float(power.host_w(unknown, 1.0)) == pytest.approx(0.53 * unknown.host_w)

    @pytest.mark.parametrize("name", sorted(CATALOG.servers))
    def test_expected_stays_below_provisioned_on_every_server(self, name):
        server = CATALOG.servers[name]
        sku = accelerator(server.accelerator)
        assert power.server_idle_w(server, sku) < power.provisioned_w(server)
        assert float(power.host_w(server, 1.0)) <= server.host_w

    def test_transient_peaks_stand_above_the_accelerators_rating(self):
        """8 x 700 W x 1.09 and the host at full load; a cap does not enter."""
        assert power.transient_w(self.server, accelerator()) == pytest.approx(8 * 763 + 2800)


def test_shipped_coefficients_are_read_and_others_can_be(tmp_path):
    other = tmp_path / "power.yaml"
    other.write_text("coefficients:\n  busy: 0.25\n  memory_shares: [0.3, 1.2]\n")
    assert power_coefficients(other) == dataclasses.replace(
        PowerCoefficients(), busy=0.25, memory_shares=(0.3, 1.2)
    )
    assert power_coefficients(tmp_path / "none.yaml") == PowerCoefficients()
    assert power.CALIBRATION.exists()
