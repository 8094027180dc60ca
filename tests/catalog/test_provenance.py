"""Every value of the catalog resolves to a source, a date and a confidence."""

import re

import pytest

from planner.catalog import Accelerator, Source
from planner.catalog.provenance import is_stated, provenance_problems, unstated

DATE = re.compile(r"^\d{4}(-\d{2}(-\d{2})?|-Q[1-4])?$")


def _all_entries(catalog):
    for shelf in (catalog.accelerators, catalog.servers, catalog.engines, catalog.instances):
        yield from shelf.values()
    yield from catalog.regions.entries.values()
    for name in catalog.llm_ids():
        yield catalog.llm_facts(name)


def test_every_value_resolves_to_a_source(catalog):
    """Each field of each entry names sources that the catalog can show, with a date."""
    seen = 0
    for entry in _all_entries(catalog):
        fields = [*type(entry).model_fields, *entry.stated]
        for field in fields:
            provenance = entry.provenance(field)
            assert provenance.keys, (entry.id, field)
            assert DATE.match(provenance.as_of), (entry.id, field, provenance.as_of)
            for key in provenance.keys:
                assert catalog.sources[key].title, (entry.id, field)
            seen += 1
    assert seen > 5000


def test_every_rate_of_a_region_resolves(catalog):
    """Electricity, carbon and round trips have sources too."""
    regions = catalog.regions
    for name in regions.names():
        for provenance in (
            regions.electricity_provenance(name),
            regions.carbon_provenance(name),
            regions.rtt_provenance(name, "westeurope"),
        ):
            assert all(key in catalog.sources for key in provenance.keys)


def test_no_source_is_unused(catalog):
    """A source that nothing refers to is a leftover; the few background ones are known."""
    used = {
        key
        for entry in _all_entries(catalog)
        for field in (*type(entry).model_fields, *entry.stated)
        for key in entry.provenance(field).keys
    }
    for name in catalog.regions.names():
        used |= set(catalog.regions.electricity_provenance(name).keys)
        used |= set(catalog.regions.carbon_provenance(name).keys)
        used |= set(catalog.regions.rtt_provenance(name, "westeurope").keys)
    background = set(catalog.sources) - used
    assert len(background) < 20, sorted(background)


def test_stated_values_override_the_entry(catalog):
    """The price of an H100 has its own source, the bandwidth has the entry's."""
    h100 = catalog.accelerators["h100-sxm"]
    assert h100.provenance("price_usd").source == "price-runlocal;price-aiinframap"
    assert h100.provenance("price_usd").confidence == "medium"
    assert h100.provenance("memory_bandwidth_gb_s").confidence == "high"
    assert h100.provenance("tflops.bf16").confidence == "high"
    assert h100.provenance("tflops.fp32").confidence == "low"


def test_provenance_of_an_unknown_field_is_refused(catalog):
    """A misspelt field is not answered with the entry's default."""
    with pytest.raises(KeyError, match="tpd_w"):
        catalog.accelerators["h100-sxm"].provenance("tpd_w")


def test_stated_values_are_recognised_and_opened():
    """A mapping is a statement only when it has a value and nothing foreign."""
    assert is_stated({"value": 3, "source": "x"})
    assert not is_stated({"value": 3, "colour": "red"})
    assert not is_stated({"low": 1, "high": 2})
    nested = {"bf16": {"value": 989, "source": "x"}, "fp8": 1979}
    assert unstated(nested) == {"bf16": 989, "fp8": 1979}


def test_an_unknown_source_is_refused():
    """A source key must be declared; the fault names the nearest one."""
    known = {"my-quote": Source(title="a quote", kind="quote", as_of="2026")}
    data = {
        "id": "x",
        "source": "my-qote",
        "as_of": "2026",
        "vendor": "V",
        "kind": "gpu",
        "memory_gib": 8,
        "memory_bandwidth_gb_s": 100,
        "tflops": {"bf16": 1},
        "tdp_w": 75,
        "scale_up_domain": 1,
        "cooling": "air",
    }
    (problem,) = provenance_problems(data, known)
    assert (problem.at, problem.advice) == (("source",), "did you mean 'my-quote'?")
    data["source"] = "my-quote"
    assert provenance_problems(data, known) == []
    assert Accelerator.model_validate(data).provenance("tdp_w").source == "my-quote"


def test_weak_facts_are_marked(catalog):
    """A large share of public facts is weak, and says so."""
    confidences = [
        entry.provenance(field).confidence
        for entry in catalog.servers.values()
        for field in ("rated_w", "weight_kg", "price_usd")
    ]
    assert confidences.count("low") > len(confidences) / 3
    assert "medium" in confidences
