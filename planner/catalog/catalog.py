"""All facts in one place: what is shipped, with the user's own laid over it."""

from collections.abc import Mapping, Sequence
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from planner.catalog.accelerators import Accelerator
from planner.catalog.consistency import catalog_faults
from planner.catalog.engines import Engine
from planner.catalog.instances import Instance
from planner.catalog.layers import Entry, Layer, Reading, entries_of, shape_faults, sources_of
from planner.catalog.llm import LLM
from planner.catalog.llm_library import Library, LLMFacts
from planner.catalog.provenance import Provenance, Source
from planner.catalog.regions import Region, Regions, read_rates, read_rtt
from planner.catalog.servers import Server
from planner.catalog.unknown import Shelf
from planner.files import Document, InputFault, InputFaults, content_hash, read_document

DATA = Path(__file__).resolve().parent / "data"
"""The shipped facts."""

_INLINE = "inline catalog"
_RTT_SOURCE = Provenance(source="azure-rtt", as_of="2026-08", confidence="high", note="median of a month")


class Catalog:
    """Accelerators, servers, LLMs, engines, instances and regions, each value with its source.

    Kinds are read on first use. Mappings raise `UnknownEntry` with close matches.
    """

    def __init__(self, user_layers: Sequence[Layer] = ()):
        self._user_layers = tuple(user_layers)

    def layers(self, section: str) -> list[Layer]:
        """Return the shipped facts of a section and the user's, in the order in which they count."""
        return [_shipped(section), *self._user_layers]

    @cached_property
    def source_reading(self) -> Reading[Source]:
        """Sources, with what is wrong with the user's."""
        return sources_of(self.layers("sources"))

    @cached_property
    def accelerator_reading(self) -> Reading[Accelerator]:
        """Accelerators, with what is wrong with the user's."""
        return self._reading(Accelerator, "accelerators")

    @cached_property
    def server_reading(self) -> Reading[Server]:
        """Servers, with what is wrong with the user's."""
        return self._reading(Server, "servers")

    @cached_property
    def engine_reading(self) -> Reading[Engine]:
        """Engines, with what is wrong with the user's."""
        return self._reading(Engine, "engines")

    @cached_property
    def instance_reading(self) -> Reading[Instance]:
        """Instances, with what is wrong with the user's."""
        return self._reading(Instance, "instances")

    @cached_property
    def region_reading(self) -> Reading[Region]:
        """Regions, with what is wrong with the user's."""
        return self._reading(Region, "regions")

    def _reading(self, model: type[Entry], section: str) -> Reading[Entry]:
        return entries_of(model, section, self.layers(section), self.source_reading.entries)

    @cached_property
    def sources(self) -> Mapping[str, Source]:
        """Every document that values come from, by key."""
        return Shelf("source", self.source_reading.sound())

    @cached_property
    def accelerators(self) -> Mapping[str, Accelerator]:
        """Accelerators by id."""
        return Shelf("accelerator", self.accelerator_reading.sound())

    @cached_property
    def servers(self) -> Mapping[str, Server]:
        """Servers by id, with `host_w` worked out from their accelerators."""
        entries = self.server_reading.sound()
        return Shelf("server", {name: self._with_host(entry) for name, entry in entries.items()})

    def _with_host(self, server: Server) -> Server:
        """Return the server with the power of everything but its accelerators."""
        accelerator = self.accelerator_reading.entries.get(server.accelerator)
        if accelerator is None:
            return server  # reported by catalog_faults
        rest_w = server.rated_w - server.accelerators * accelerator.tdp_w
        return server.model_copy(update={"host_w": max(0.0, rest_w)})

    @cached_property
    def engines(self) -> Mapping[str, Engine]:
        """Inference engines by id."""
        return Shelf("engine", self.engine_reading.sound())

    @cached_property
    def instances(self) -> Mapping[str, Instance]:
        """Rentable cloud instances by id."""
        return Shelf("instance", self.instance_reading.sound())

    @cached_property
    def regions(self) -> Regions:
        """Regions, with their round trips, electricity and carbon."""
        return regions_of(self.region_reading.sound())

    @cached_property
    def _library(self) -> Library:
        return Library(self._user_layers, self.source_reading.entries)

    def llm(self, name: str | Path) -> LLM:
        """Return an LLM by catalog id, Hugging Face id or alias (any case), or from a path.

        A path leads to a `config.json` or to the folder that holds one.

        Raises:
            UnknownEntry: no LLM has that name; close matches are offered.
            InputFaults: the config cannot be read as an architecture, with the missing fields.
        """
        return self._library.llm(name)

    def llm_ids(self) -> list[str]:
        """Return the ids of the LLMs that can be named."""
        return self._library.ids()

    def llm_facts(self, name: str) -> LLMFacts:
        """Return licence, published parameter counts, aliases and source of a named LLM.

        Raises:
            UnknownEntry: no LLM has that name.
        """
        return self._library.facts(name)

    def llm_faults(self) -> list[InputFault]:
        """Return everything that is wrong with the user's LLMs."""
        return self._library.faults()

    @cached_property
    def hash(self) -> str:
        """SHA-256 of all facts in force, the user's included."""
        files = {path.name: path.read_text(encoding="utf-8") for path in sorted(DATA.iterdir())}
        own = [layer.document.data for layer in self._user_layers]
        return content_hash({"shipped": files, "user": own, "llms": self._library.hash})


def regions_of(entries: Mapping[str, Region]) -> Regions:
    """Return regions with the shipped round trips and tables of electricity and carbon."""
    return Regions(
        entries,
        read_rtt(DATA / "rtt_ms.csv"),
        _RTT_SOURCE,
        read_rates(DATA / "electricity.csv", "usd_per_kwh"),
        read_rates(DATA / "carbon.csv", "g_per_kwh"),
    )


@cache
def _shipped(section: str) -> Layer:
    """Return the shipped facts of a section."""
    path = DATA / f"{section}.yaml"
    # The shipped files are tested, so they are read without line numbers, which is faster.
    data = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    return Layer(Document({section: data}, path, path.name))


@lru_cache(maxsize=1)
def _base() -> Catalog:
    return Catalog()


def load_catalog(
    extra: Path | str | None = None, inline: Mapping[str, Any] | Document | None = None
) -> Catalog:
    """Return the shipped catalog, with the user's file `extra` and then `inline` laid over it.

    `inline` is plain data, or a part of a document whose lines faults should name.

    Raises:
        InputFaults: everything that is wrong with the user's facts, with file, line and field.
    """
    if extra is None and not inline:
        return _base()
    documents = [] if extra is None else [read_document(extra)]
    if isinstance(inline, Document):
        documents.append(inline)
    elif inline:
        documents.append(Document(dict(inline), None, _INLINE))
    catalog = Catalog([Layer(document, own_source=document.name) for document in documents])
    faults = [fault for document in documents for fault in shape_faults(document)]
    faults += catalog_faults(catalog, regions_of(catalog.region_reading.entries))
    if faults:
        raise InputFaults(faults)
    return catalog
