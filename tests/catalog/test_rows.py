"""The catalog as rows and entries, for tables and JSON."""

import json

import pytest

from planner.catalog import KINDS, UnknownEntry, catalog_entry, catalog_rows


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_plain_and_even(catalog, kind):
    """Every row of a kind has the same columns, and goes into JSON."""
    rows = catalog_rows(catalog, kind)
    assert rows
    assert len({tuple(row) for row in rows}) == 1
    assert len({row["id"] for row in rows}) == len(rows)
    json.dumps(rows, allow_nan=False)


@pytest.mark.parametrize("kind", KINDS)
def test_every_row_can_be_shown(catalog, kind):
    """The entry of every row has values, and provenance whose sources resolve."""
    for row in catalog_rows(catalog, kind):
        entry = catalog_entry(catalog, kind, row["id"])
        assert entry["values"]
        assert entry["kind"] == kind
        for name, provenance in entry["provenance"].items():
            assert provenance["titles"], (row["id"], name)
        json.dumps(entry, allow_nan=False)


@pytest.mark.parametrize("word", ["accelerator", "Accelerators", "gpu", "GPUs"])
def test_kinds_in_the_words_of_people(catalog, word):
    """Singular, plural, any case."""
    assert catalog_rows(catalog, word) == catalog_rows(catalog, "accelerators")


def test_an_unknown_kind_lists_the_known_ones(catalog):
    """A typo in the kind."""
    with pytest.raises(UnknownEntry, match="servers"):
        catalog_rows(catalog, "serverz")


def test_an_unknown_entry_offers_close_ones(catalog):
    """A typo in the id."""
    with pytest.raises(UnknownEntry, match="dgx-h100"):
        catalog_entry(catalog, "server", "dgx-h1000")


def test_an_accelerator_in_full(catalog):
    """Derived values stand beside the written ones, each with its provenance."""
    entry = catalog_entry(catalog, "accelerator", "h100-sxm")
    assert entry["values"]["memory_bytes"] == 80 * 2**30
    assert entry["values"]["price_usd"] == 31_000
    assert entry["values"]["price_range_usd"] == {"low": 22_000, "high": 40_000}
    assert entry["provenance"]["price_range_usd"] == entry["provenance"]["price_usd"]
    assert entry["provenance"]["tflops.fp32"]["confidence"] == "low"


def test_an_llm_by_any_name(catalog):
    """Computed counts next to published ones."""
    entry = catalog_entry(catalog, "llm", "OPENAI/gpt-oss-120b")
    assert entry["id"] == "gpt-oss-120b"
    values = entry["values"]
    assert values["total_parameters_b"] == pytest.approx(values["published_total_b"], abs=0.01)
    assert values["active_as_published_b"] == pytest.approx(values["published_active_b"], abs=0.01)
    assert values["active_excludes"] == "embedding"
    embedding = values["parameters_by_part"]["embedding"] / 1e9
    assert values["active_parameters_b"] == pytest.approx(
        values["active_as_published_b"] + embedding, abs=0.01
    )
    assert values["kv_bytes_per_token_bf16"] == 36_864
    assert entry["provenance"]["published_total_b"]["source"] == "model-card"


def test_the_cache_of_a_model_that_only_slides(catalog):
    """Mistral 7B's cache stops growing at its window, and is not nothing before."""
    row = next(row for row in catalog_rows(catalog, "llms") if row["id"] == "mistral-7b")
    assert row["kv_bytes_per_token_bf16"] == 0
    assert row["kv_bytes_at_8192_bf16"] == 4096 * 2 * 32 * 2 * 8 * 128


def test_an_llm_from_a_path(catalog, tmp_path):
    """A config of one's own shows where it was read."""
    from planner.shipped import shipped_folder

    path = tmp_path / "config.json"
    path.write_text(
        (shipped_folder("models") / "qwen3-8b" / "config.json").read_text(encoding="utf-8"),
        encoding="utf-8",
    )
    entry = catalog_entry(catalog, "llm", str(path))
    assert entry["values"]["layers"] == 36
    assert entry["provenance"]["layers"]["source"] == str(path)


def test_a_region_by_alias(catalog):
    """Round trips to all others, nearest first."""
    entry = catalog_entry(catalog, "region", "eu-west-1")
    assert entry["id"] == "northeurope"
    trips = list(entry["values"]["rtt_ms"].values())
    assert trips == sorted(trips)
    assert len(trips) == len(catalog.regions.names())
