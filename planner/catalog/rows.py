"""The catalog as plain rows and entries, for tables, JSON and pages."""

from collections.abc import Callable, Mapping
from typing import Any

from planner.catalog.catalog import Catalog
from planner.catalog.llm import LLM, Excluded
from planner.catalog.provenance import CatalogEntry, Provenance
from planner.catalog.unknown import UnknownEntry

BILLION = 1e9

KINDS = ("accelerators", "servers", "llms", "engines", "instances", "regions", "sources")
"""The kinds of facts a catalog holds."""

_HIDDEN = frozenset({"id", "source", "as_of", "confidence", "stated"})


def kind_of(name: str) -> str:
    """Return the kind a person means: singular, plural, any case; gpu(s) and model(s) too.

    Raises:
        UnknownEntry: there is no such kind.
    """
    word = name.strip().lower()
    synonyms = {"gpu": "accelerators", "gpus": "accelerators", "model": "llms", "models": "llms"}
    for candidate in (word, word + "s", synonyms.get(word, "")):
        if candidate in KINDS:
            return candidate
    raise UnknownEntry("kind of the catalog", name, KINDS)


def catalog_rows(catalog: Catalog, kind: str) -> list[dict[str, Any]]:
    """Return one row per entry of a kind, with the figures people compare; plain values only.

    Raises:
        UnknownEntry: there is no such kind.
        InputFaults: the user's own facts are wrong.
    """
    return _ROWS[kind_of(kind)](catalog)


def catalog_entry(catalog: Catalog, kind: str, name: str) -> dict[str, Any]:
    """Return everything about one entry: `id`, `kind`, `values`, and `provenance` by value.

    Each provenance has `source`, `as_of`, `confidence`, `note` and `titles` (the sources resolved);
    cells of a table that state their own have dotted names (`tflops.fp8`).
    For regions `name` may be any alias, for LLMs any name or a path.

    Raises:
        UnknownEntry: there is no such kind or entry.
        InputFaults: the entry cannot be read.
    """
    plural = kind_of(kind)
    if plural == "sources":
        found = catalog.sources[name]
        return _entry(catalog, name, plural, found.model_dump(mode="json"), {})
    if plural == "llms":
        return _llm_entry(catalog, name)
    if plural == "regions":
        return _region_entry(catalog, name)
    shelves: Mapping[str, Mapping[str, CatalogEntry]] = {
        "accelerators": catalog.accelerators,
        "servers": catalog.servers,
        "engines": catalog.engines,
        "instances": catalog.instances,
    }
    entry = shelves[plural][name]
    values = _values(entry)
    if "price_usd" in values:
        values["price_range_usd"] = values["price_usd"]
    for derived in ("memory_bytes", "host_w", "price_usd"):
        value = getattr(entry, derived, None)
        if value is not None:
            values[derived] = value
    names = [key for key in values if key != "notes"]
    names += [key for key in entry.stated if "." in key]
    return _entry(catalog, name, plural, values, {key: entry.provenance(key) for key in names})


def _values(entry: CatalogEntry) -> dict[str, Any]:
    """Return the written values of an entry, under the names of the file."""
    dumped = entry.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=set(_HIDDEN))
    return {key: value for key, value in dumped.items() if value not in ("", [], {})}


def _entry(
    catalog: Catalog,
    name: str,
    kind: str,
    values: Mapping[str, Any],
    provenance: Mapping[str, Provenance],
) -> dict[str, Any]:
    """Return the answer of `catalog_entry`."""
    return {
        "id": name,
        "kind": kind,
        "values": dict(values),
        "provenance": {key: _resolved(catalog, value) for key, value in provenance.items()},
    }


def _resolved(catalog: Catalog, provenance: Provenance) -> dict[str, Any]:
    titles = [catalog.sources[key].title for key in provenance.keys if key in catalog.sources]
    return {**provenance.model_dump(), "titles": titles}


def _llm_entry(catalog: Catalog, name: str) -> dict[str, Any]:
    llm = catalog.llm(name)
    try:
        facts = catalog.llm_facts(llm.id)
    except UnknownEntry:
        values = _llm_values(llm, "nothing")
        as_read = Provenance(source=llm.source, as_of="not stated", confidence="medium")
        return _entry(catalog, llm.id, "llms", values, dict.fromkeys(values, as_read))
    values = _llm_values(llm, facts.active_excludes)
    computed = Provenance(
        source=facts.source, as_of=facts.as_of, confidence="high", note="computed from config.json"
    )
    provenance = dict.fromkeys(values, computed)
    stated = _values(facts)
    published = {
        {"total_parameters_b": "published_total_b", "active_parameters_b": "published_active_b"}.get(
            key, key
        ): (value, facts.provenance(key))
        for key, value in stated.items()
    }
    values |= {key: value for key, (value, _) in published.items()}
    provenance |= {key: found for key, (_, found) in published.items()}
    return _entry(catalog, llm.id, "llms", values, provenance)


def _llm_values(llm: LLM, excluded: Excluded) -> dict[str, Any]:
    """Return the figures of an LLM.

    `active_parameters_b` counts all weights that one token uses, for every LLM alike;
    `active_as_published_b` leaves out what its publisher leaves out (`excluded`).
    """
    kinds = [group.attention.kind for group in llm.groups if group.attention.parameters]
    mixtures = [group.feed_forward for group in llm.groups if group.feed_forward.kind == "moe"]
    values: dict[str, Any] = {
        "family": llm.family,
        "total_parameters_b": round(llm.total_parameters / BILLION, 3),
        "active_parameters_b": round(llm.active_parameters / BILLION, 3),
        "active_as_published_b": round(llm.active_parameters_excluding(excluded) / BILLION, 3),
        "active_excludes": excluded,
        "layers": llm.layers,
        "hidden_size": llm.hidden_size,
        "vocab_size": llm.vocab_size,
        "attention": sorted(set(kinds)),
        "kv_bytes_per_token_bf16": int(llm.kv_bytes_per_token(2.0)),
        "kv_bytes_at_8192_bf16": int(llm.kv_bytes(8192, 2.0)),
        "state_bytes": llm.state_bytes,
        "index_bytes_per_token": llm.index_bytes_per_token,
        "experts": max((feed.experts for feed in mixtures), default=0),
        "experts_per_token": max((feed.experts_per_token for feed in mixtures), default=0),
        "max_context": llm.max_context,
        "tied_embeddings": llm.tied_embeddings,
        "native_weights": llm.native_weights,
        "native_kv_cache": llm.native_kv_cache,
        "unquantized": sorted(llm.unquantized),
        "parameters_by_part": llm.parameters_by_part(),
        "hugging_face_id": llm.hugging_face_id,
        "remarks": list(llm.remarks),
    }
    return {key: value for key, value in values.items() if value not in ("", [])}


def _region_entry(catalog: Catalog, name: str) -> dict[str, Any]:
    regions = catalog.regions
    region = regions.region(name)
    values = _values(region)
    provenance = {key: region.provenance(key) for key in values}
    values["electricity_usd_per_kwh"] = regions.electricity_usd_per_kwh(region.id)
    provenance["electricity_usd_per_kwh"] = regions.electricity_provenance(region.id)
    values["carbon_g_per_kwh"] = regions.carbon_g_per_kwh(region.id)
    provenance["carbon_g_per_kwh"] = regions.carbon_provenance(region.id)
    near = sorted((regions.rtt_ms(region.id, other), other) for other in regions.names())
    values["rtt_ms"] = {other: round(milliseconds, 1) for milliseconds, other in near}
    provenance["rtt_ms"] = regions.rtt_provenance(region.id, near[-1][1])
    return _entry(catalog, region.id, "regions", values, provenance)


def _accelerator_rows(catalog: Catalog) -> list[dict[str, Any]]:
    return [
        {
            "id": entry.id,
            "vendor": entry.vendor,
            "kind": entry.kind,
            "memory_gb": round(entry.memory_bytes / BILLION, 1),
            "memory_bandwidth_gb_s": entry.memory_bandwidth_gb_s,
            "half_precision": entry.half_precision,
            "half_tflops": entry.half_tflops,
            "fp8_tflops": entry.tflops.get("fp8"),
            "fp4_tflops": entry.tflops.get("fp4"),
            "int8_tops": entry.tflops.get("int8"),
            "tdp_w": entry.tdp_w,
            "scale_up_gb_s": entry.scale_up_gb_s,
            "scale_up_domain": entry.scale_up_domain,
            "cooling": entry.cooling,
            "price_usd": entry.price_usd,
            "rent_usd_per_h": entry.rent_usd_per_h,
            "confidence": entry.confidence,
        }
        for entry in catalog.accelerators.values()
    ]


def _server_rows(catalog: Catalog) -> list[dict[str, Any]]:
    return [
        {
            "id": entry.id,
            "accelerator": entry.accelerator,
            "accelerators": entry.accelerators,
            "rated_w": entry.rated_w,
            "host_w": entry.host_w,
            "rack_units": entry.rack_units or None,
            "weight_kg": entry.weight_kg or None,
            "cooling": entry.cooling,
            "liquid_fraction": entry.liquid_fraction,
            "nic_gb_s": entry.nic_gb_s,
            "price_usd": entry.price_usd,
            "cloud_only": entry.cloud_only,
            "confidence": entry.confidence,
        }
        for entry in catalog.servers.values()
    ]


def _llm_rows(catalog: Catalog) -> list[dict[str, Any]]:
    columns = (
        "family",
        "total_parameters_b",
        "active_parameters_b",
        "active_as_published_b",
        "active_excludes",
        "layers",
        "attention",
        "kv_bytes_per_token_bf16",
        "kv_bytes_at_8192_bf16",
        "experts",
        "max_context",
        "native_weights",
        "hugging_face_id",
    )
    rows = []
    for name in catalog.llm_ids():
        values = _llm_values(catalog.llm(name), catalog.llm_facts(name).active_excludes)
        row = {column: values.get(column) for column in columns}
        rows.append({"id": name, **row, "attention": "+".join(values.get("attention", []))})
    return rows


def _engine_rows(catalog: Catalog) -> list[dict[str, Any]]:
    return [
        {
            "id": entry.id,
            "title": entry.title,
            "memory_fraction": entry.memory_fraction,
            "max_batched_tokens": entry.max_batched_tokens,
            "max_sequences": entry.max_sequences,
            "vendors": ", ".join(entry.vendors),
            "weights": ", ".join(entry.weights),
            "kv_cache": ", ".join(entry.kv_cache),
        }
        for entry in catalog.engines.values()
    ]


def _instance_rows(catalog: Catalog) -> list[dict[str, Any]]:
    return [
        {
            "id": entry.id,
            "provider": entry.provider,
            "accelerator": entry.accelerator,
            "accelerators": entry.accelerators,
            "server": entry.server,
            "cheapest_on_demand_usd_per_h": min(entry.on_demand_usd_per_h.values(), default=None),
            "cheapest_spot_usd_per_h": min(entry.spot_usd_per_h.values(), default=None),
            "regions": len(entry.regions),
            "as_of": entry.as_of,
        }
        for entry in catalog.instances.values()
    ]


def _region_rows(catalog: Catalog) -> list[dict[str, Any]]:
    regions = catalog.regions
    return [
        {
            "id": name,
            "place": region.place,
            "country": region.country,
            "electricity_usd_per_kwh": regions.electricity_usd_per_kwh(name),
            "carbon_g_per_kwh": regions.carbon_g_per_kwh(name),
            "aliases": ", ".join(region.aliases),
        }
        for name, region in sorted(regions.entries.items())
    ]


def _source_rows(catalog: Catalog) -> list[dict[str, Any]]:
    return [{"id": key, **source.model_dump()} for key, source in catalog.sources.items()]


_ROWS: Mapping[str, Callable[[Catalog], list[dict[str, Any]]]] = {
    "accelerators": _accelerator_rows,
    "servers": _server_rows,
    "llms": _llm_rows,
    "engines": _engine_rows,
    "instances": _instance_rows,
    "regions": _region_rows,
    "sources": _source_rows,
}
