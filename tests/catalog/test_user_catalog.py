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
            "accelerators.h100-sxm.tdp_w.source",
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


MANY = """\
acelerators: {}
sources:
  quote: {title: a quote}
accelerators:
  h100-sxm:
    tdp_w: {value: -5, source: quote}
  l4:
    idle_w: 100
  acme: {based_on: h100-smx}
  other:
    based_on: t4
    memory_bandwidth_gb_s: {value: fast, source: nobody, as_of: yesterday, confidence: great}
servers:
  box:
    accelerator: h200-smx
    accelerators: 8
    rated_w: yes
    rack_units: 4
    weight_kg: 20
    cooling: air
    nic_gb_s: 50
  box2: {accelerator: acme, accelerators: 8, rated_w: 9000, rack_units: 4, weight_kg: 20, cooling: air}
  dgx-h100: {rated_w: 100}
instances:
  i: {provider: p, accelerator: l5, accelerators: 1, on_demand_usd_per_h: {any: -1}}
regions:
  westeurope: {rtt_ms: {atlantis: 3}, aliases: [us-east-1]}
  northeurope: {carbon: XYZ, rtt_via: lemuria}
llms:
  mine: {config: nowhere, as_of: garbage}
  yours: {hugging_face_id: a/b}
engines:
  vllm: {memory_fraction: 7}
"""


def test_no_kind_hides_the_faults_of_another(tmp_path):
    """Sections, sources, entries, references between them, regions, LLMs: all in one answer."""
    told = {(fault.line, fault.field) for fault in _faults(tmp_path, MANY)}
    assert {
        (1, "acelerators"),
        (3, "sources.quote.kind"),
        (3, "sources.quote.as_of"),
        (6, "accelerators.h100-sxm.tdp_w"),
        (8, "accelerators.l4.idle_w"),
        (9, "accelerators.acme.based_on"),
        (12, "accelerators.other.memory_bandwidth_gb_s"),
        (12, "accelerators.other.memory_bandwidth_gb_s.source"),
        (12, "accelerators.other.memory_bandwidth_gb_s.as_of"),
        (12, "accelerators.other.memory_bandwidth_gb_s.confidence"),
        (15, "servers.box.accelerator"),
        (17, "servers.box.rated_w"),
        (22, "servers.box2.nic_gb_s"),
        (25, "instances.i.accelerator"),
        (25, "instances.i.on_demand_usd_per_h.any"),
        (27, "regions.westeurope.rtt_ms.atlantis"),
        (27, "regions.westeurope.aliases"),
        (28, "regions.northeurope.carbon"),
        (28, "regions.northeurope.rtt_via"),
        (30, "llms.mine.as_of"),
        (31, "llms.yours.config"),
        (33, "engines.vllm.memory_fraction"),
    } - told == set()


def test_a_faulty_entry_is_not_missed_by_those_that_refer_to_it(tmp_path):
    """A server of an accelerator with a typo is not said to lead nowhere."""
    text = "accelerators:\n  l4: {tdp_w: -1}\nservers:\n  l4-8: {rated_w: 2100}\n"
    (fault,) = _faults(tmp_path, text)
    assert fault.field == "accelerators.l4.tdp_w"


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("accelerators: {l4: {tdp_w: true}}", "accelerators.l4.tdp_w"),
        ("accelerators: {l4: {tdp_w: {value: true}}}", "accelerators.l4.tdp_w"),
        ("accelerators: {l4: {tdp_w: 1.0e+30}}", "accelerators.l4.tdp_w"),
        ("accelerators: {l4: {tdp_w: .inf}}", "accelerators.l4.tdp_w"),
        ("accelerators: {l4: {tdp_w: .nan}}", "accelerators.l4.tdp_w"),
        ("accelerators: {l4: {tflops: {bf16: 0}}}", "accelerators.l4.tflops.bf16"),
        ("accelerators: {l4: {tflops: {bf16: yes}}}", "accelerators.l4.tflops.bf16"),
        ("accelerators: {l4: {memory_gib: 1.0e+12}}", "accelerators.l4.memory_gib"),
        ("accelerators: {l4: {price_usd: true}}", "accelerators.l4.price_usd"),
        ("accelerators: {l4: {idle_w: 73}}", "accelerators.l4.idle_w"),
        ("accelerators: {l4: {as_of: garbage}}", "accelerators.l4.as_of"),
        ("accelerators: {l4: {as_of: 2026-13}}", "accelerators.l4.as_of"),
        ('accelerators: {l4: {as_of: "2026-02-30"}}', "accelerators.l4.as_of"),
        ("accelerators: {l4: {confidence: sure}}", "accelerators.l4.confidence"),
        ("accelerators: {l4: {source: 5}}", "accelerators.l4.source"),
        ("accelerators: {l4: {stated: 5}}", "accelerators.l4.stated"),
        ("servers: {dgx-h200: {rated_w: 500, typical_w: null}}", "servers.dgx-h200.rated_w"),
        ("servers: {dgx-h100: {typical_w: 11000}}", "servers.dgx-h100.typical_w"),
        ("servers: {dgx-h100: {price_usd: 1.0e+20}}", "servers.dgx-h100.price_usd"),
        ("instances: {p5.48xlarge: {on_demand_usd_per_h: {a: 1.0e+9}}}", "on_demand_usd_per_h.a"),
        ("regions: {westeurope: {rtt_ms: {eastus: 1.0e+9}}}", "regions.westeurope.rtt_ms.eastus"),
        ("regions: {westeurope: {aliases: [northeurope]}}", "regions.westeurope.aliases"),
        ("regions: {westeurope: {aliases: [eu-west-1]}}", "regions.westeurope.aliases"),
        ("sources: {s: {title: t, kind: k, as_of: garbage}}", "sources.s.as_of"),
    ],
)
def test_senseless_values_are_refused(tmp_path, text, field):
    """Numbers beyond measure, watts that contradict each other, dates that are none, names of others."""
    (fault,) = _faults(tmp_path, text)
    assert fault.field.endswith(field)


@pytest.mark.parametrize("date", ["2026", "2026-10", "2026-Q3", "2026-10-02", '"2026"', "not stated"])
def test_dates_in_all_lengths(tmp_path, date):
    """Year, month, quarter or day, with or without quotes."""
    path = tmp_path / "mine.yaml"
    path.write_text(f"accelerators: {{l4: {{tdp_w: {{value: 60, as_of: {date}}}}}}}", encoding="utf-8")
    assert load_catalog(path).accelerators["l4"].provenance("tdp_w").as_of == date.strip('"')


def test_names_of_llms_are_their_own(tmp_path):
    """An alias of another model is refused; one's own copy of a shipped model answers to its name."""
    config = {"config": str(EXAMPLE.parent / "models" / "my-llm")}
    shared = {**config, "hugging_face_id": "meta-llama/Llama-3.1-8B"}
    assert load_catalog(inline={"llms": {"copy": shared}}).llm("meta-llama/Llama-3.1-8B").id == "copy"
    for entries in (
        {"a": {**config, "aliases": ["llama-3.1-8b"]}},
        {"a": {**config, "aliases": ["Qwen/Qwen3-8B"]}},
        {"a": {**config, "aliases": ["x"]}, "b": {**config, "aliases": ["X"]}},
        {"a": shared, "b": shared},
    ):
        with pytest.raises(InputFaults, match="which is a name of"):
            load_catalog(inline={"llms": entries})
