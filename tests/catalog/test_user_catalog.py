"""A user's own facts: laid over the shipped ones, with their source, and checked with line numbers."""

from pathlib import Path

import pytest

from planner.catalog import catalog_entry, load_catalog
from planner.files import InputFaults

EXAMPLE = Path(__file__).parents[2] / "examples" / "catalog" / "my-catalog.yaml"


@pytest.fixture(scope="module")
def mine():
    return load_catalog(EXAMPLE)


def test_a_shipped_entry_is_changed_value_by_value(mine, catalog):
    """The new price has the user's source, the untouched bandwidth keeps its own."""
    ours, theirs = mine.accelerators["h200-sxm"], catalog.accelerators["h200-sxm"]
    assert (ours.price_usd, ours.idle_w) == (29_500, 90)
    assert ours.memory_bandwidth_gb_s == theirs.memory_bandwidth_gb_s
    assert ours.provenance("price_usd").source == "vendor-quote"
    assert ours.provenance("price_usd").confidence == "high"
    assert ours.provenance("idle_w").source == str(EXAMPLE)
    assert ours.provenance("memory_bandwidth_gb_s") == theirs.provenance("memory_bandwidth_gb_s")


def test_the_shipped_catalog_is_untouched(mine, catalog):
    """Overrides live in their own catalog object."""
    assert mine is not catalog
    assert catalog.accelerators["h200-sxm"].price_usd == 33_000
    assert "acme-x1" not in catalog.accelerators


def test_a_variant_takes_the_rest_from_its_base(mine):
    """based_on copies; cells of a table are replaced one by one."""
    variant = mine.accelerators["h200-sxm-500w"]
    assert variant.tdp_w == 500
    assert variant.tflops["fp8"] == 1700
    assert variant.tflops["fp32"] == 67
    assert variant.memory_bytes == 141 * 2**30
    assert variant.price_usd == 29_500


def test_a_new_accelerator_and_its_server(mine):
    """New entries stand beside the shipped ones; host power is worked out."""
    assert mine.accelerators["acme-x1"].memory_bytes == 128 * 2**30
    assert mine.accelerators["acme-x1"].price_usd == 13_500
    assert mine.accelerators["acme-x1"].provenance("idle_w").note == "engineering sample"
    assert mine.servers["acme-x1-8"].host_w == 7500 - 8 * 600
    assert mine.instances["acme.8x"].on_demand_usd_per_h == {"westeurope": 18.5}


def test_a_new_llm_by_id_and_hugging_face_id(mine):
    """The path is relative to the catalog file."""
    assert mine.llm("my-llm").id == "my-llm"
    assert mine.llm("our-team/My-LLM").total_parameters == 8_030_261_248
    assert "my-llm" in mine.llm_ids()


def test_a_tariff_and_a_place_of_ones_own(mine):
    """Own tariffs win; own round trips win over the extension by distance."""
    regions = mine.regions
    assert regions.electricity_usd_per_kwh("europe-west4") == pytest.approx(0.114)
    assert regions.resolve("our-dc-1") == "gothenburg"
    assert regions.rtt_ms("our-dc-1", "westeurope") == 17
    assert regions.rtt_ms("westeurope", "gothenburg") == 17
    further = regions.rtt_ms("gothenburg", "eastus")
    assert further == pytest.approx(regions.rtt_ms("swedencentral", "eastus"), abs=10)


def test_engine_defaults_can_be_changed(mine, catalog):
    """Only the named default changes."""
    assert mine.engines["vllm"].memory_fraction == 0.92
    assert mine.engines["vllm"].max_sequences == catalog.engines["vllm"].max_sequences


def test_everything_of_the_user_resolves_too(mine):
    """The user's own file is a source like any other."""
    entry = catalog_entry(mine, "accelerators", "h200-sxm")
    assert entry["provenance"]["idle_w"]["titles"] == [f"stated in {EXAMPLE}"]
    assert entry["provenance"]["price_usd"]["titles"] == ["quotation 2026-114 of our reseller"]


def test_inline_facts_win_over_the_file():
    """A scenario's inline catalog is the last word."""
    inline = {"accelerators": {"h200-sxm": {"price_usd": 1}}}
    catalog = load_catalog(EXAMPLE, inline=inline)
    assert catalog.accelerators["h200-sxm"].price_usd == 1
    assert catalog.accelerators["h200-sxm"].idle_w == 90


def test_a_precision_can_be_taken_away():
    """Null removes a value: this fleet's A100s must not run INT8."""
    catalog = load_catalog(inline={"accelerators": {"a100-80-sxm": {"tflops": {"int8": None}}}})
    assert not catalog.accelerators["a100-80-sxm"].supports("int8")
    assert catalog.accelerators["a100-80-sxm"].supports("bf16")


def test_gigabytes_displace_gibibytes():
    """Writing memory_gb for an entry that had memory_gib replaces it."""
    catalog = load_catalog(inline={"accelerators": {"h100-sxm": {"memory_gb": 80}}})
    assert catalog.accelerators["h100-sxm"].memory_bytes == 80_000_000_000


def test_the_base_catalog_is_read_once():
    """load_catalog() without facts of one's own is cached."""
    assert load_catalog() is load_catalog()
    assert load_catalog(inline={}) is load_catalog()


def _faults(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputFaults) as caught:
        load_catalog(path)
    return caught.value.faults


def test_all_mistakes_are_reported_together_with_lines(tmp_path):
    """Three entries, three mistakes, three lines."""
    faults = _faults(
        tmp_path,
        """\
accelerators:
  h100-sxm:
    tdp_w: -5
  acme:
    vendor: ACME
servers:
  box:
    accelerator: h100-smx
    accelerators: 8
    rated_w: 1000
    rack_units: 4
    weight_kg: 20
    cooling: air
    nic_gb_s: 50
regions:
  nowhere:
    place: Nowhere
    country: XX
    latitude: 100
    longitude: 0
    electricity_usd_per_kwh: 0.1
    carbon_g_per_kwh: 100
""",
    )
    lines = {(fault.line, fault.field) for fault in faults}
    assert (3, "accelerators.h100-sxm.tdp_w") in lines
    assert any(field == "accelerators.acme.memory_bandwidth_gb_s" for _, field in lines)
    assert (19, "regions.nowhere.latitude") in lines
    assert all(fault.file.endswith("mine.yaml") for fault in faults)


def test_a_dangling_reference_is_named(tmp_path):
    """A server of an accelerator that does not exist."""
    (fault,) = _faults(
        tmp_path,
        """\
servers:
  box: {accelerator: h100-smx, accelerators: 8, rated_w: 9000, rack_units: 4, weight_kg: 20,
        cooling: air, nic_gb_s: 50}
""",
    )
    assert (fault.field, fault.found) == ("servers.box.accelerator", "'h100-smx'")


@pytest.mark.parametrize(
    ("text", "field", "words"),
    [
        ("accelerator:\n  x: {}\n", "accelerator", "accelerators"),
        ("accelerators: [1, 2]\n", "accelerators", "no mapping"),
        ("accelerators:\n  h100-sxm: 7\n", "accelerators.h100-sxm", "no mapping"),
        ("accelerators:\n  h100-sxm: {tpd_w: 700}\n", "accelerators.h100-sxm.tpd_w", "tdp_w"),
        ("accelerators:\n  x: {based_on: h100-smx}\n", "accelerators.x.based_on", "h100-sxm"),
        (
            "accelerators:\n  h100-sxm: {tdp_w: {value: 700, source: nobody}}\n",
            "accelerators.h100-sxm.tdp_w",
            "unknown source 'nobody'",
        ),
        (
            "accelerators:\n  h100-sxm: {price_usd: {low: 9, high: 3}}\n",
            "accelerators.h100-sxm.price_usd",
            "above high",
        ),
        (
            "servers:\n  dgx-h100: {liquid_fraction: 0.5}\n",
            "servers.dgx-h100",
            "air with liquid_fraction",
        ),
        ("llms:\n  mine: {hugging_face_id: a/b}\n", "llms.mine.config", "config.json"),
        ("instances:\n  i: {provider: p, accelerator: l4, accelerators: 1}\n", "instances.i", "price"),
        ("sources:\n  s: {title: x}\n", "sources.s.kind", "kind"),
        ("- 1\n", "", "no mapping"),
    ],
)
def test_each_mistake_says_what_to_do(tmp_path, text, field, words):
    """File, field and a way out for the usual mistakes."""
    faults = _faults(tmp_path, text)
    found = [fault for fault in faults if fault.field == field or fault.field.endswith(field)]
    assert found, [str(fault) for fault in faults]
    assert words in str(found[0])


def test_a_missing_file_is_answered(tmp_path):
    """A path that does not exist is a fault, not a traceback."""
    with pytest.raises(InputFaults, match="no such file"):
        load_catalog(tmp_path / "nothing.yaml")


def test_an_empty_file_changes_nothing(tmp_path, catalog):
    """Comments only."""
    path = tmp_path / "mine.yaml"
    path.write_text("# nothing yet\n", encoding="utf-8")
    found = load_catalog(path)
    assert dict(found.accelerators) == dict(catalog.accelerators)
