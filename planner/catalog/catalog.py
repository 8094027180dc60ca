"""All facts in one place: what is shipped, with the user's own laid over it."""

from collections.abc import Mapping, Sequence
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from planner.catalog.accelerators import Accelerator
from planner.catalog.engines import Engine
from planner.catalog.instances import Instance
from planner.catalog.layers import Layer, entries_of, sources_of, user_layer
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

    def _layers(self, section: str) -> list[Layer]:
        return [_shipped(section), *self._user_layers]

    @cached_property
    def sources(self) -> Mapping[str, Source]:
        """Every document that values come from, by key."""
        return Shelf("source", sources_of(self._layers("sources")))

    @cached_property
    def accelerators(self) -> Mapping[str, Accelerator]:
        """Accelerators by id."""
        layers = self._layers("accelerators")
        return Shelf("accelerator", entries_of(Accelerator, "accelerators", layers, self.sources))

    @cached_property
    def servers(self) -> Mapping[str, Server]:
        """Servers by id, with `host_w` worked out from their accelerators."""
        entries = entries_of(Server, "servers", self._layers("servers"), self.sources)
        return Shelf("server", {name: self._with_host(entry) for name, entry in entries.items()})

    def _with_host(self, server: Server) -> Server:
        """Return the server with the power of everything but its accelerators."""
        accelerator = self.accelerators.get(server.accelerator)
        if accelerator is None:
            return server  # reported by check()
        rest_w = server.rated_w - server.accelerators * accelerator.tdp_w
        return server.model_copy(update={"host_w": max(0.0, rest_w)})

    @cached_property
    def engines(self) -> Mapping[str, Engine]:
        """Inference engines by id."""
        layers = self._layers("engines")
        return Shelf("engine", entries_of(Engine, "engines", layers, self.sources))

    @cached_property
    def instances(self) -> Mapping[str, Instance]:
        """Rentable cloud instances by id."""
        layers = self._layers("instances")
        return Shelf("instance", entries_of(Instance, "instances", layers, self.sources))

    @cached_property
    def regions(self) -> Regions:
        """Regions, with their round trips, electricity and carbon."""
        layers = self._layers("regions")
        return Regions(
            entries_of(Region, "regions", layers, self.sources),
            read_rtt(DATA / "rtt_ms.csv"),
            _RTT_SOURCE,
            read_rates(DATA / "electricity.csv", "usd_per_kwh"),
            read_rates(DATA / "carbon.csv", "g_per_kwh"),
        )

    @cached_property
    def _library(self) -> Library:
        return Library(self._user_layers, self.sources)

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

    def check(self) -> None:
        """Read everything and check the references between kinds.

        Raises:
            InputFaults: everything that is wrong with the user's files.
        """
        faults: list[InputFault] = []
        for read in (
            lambda: self.sources,
            lambda: self.accelerators,
            lambda: self.engines,
            lambda: self.regions,
            self._check_servers,
            self._check_instances,
            self._check_llms,
        ):
            try:
                read()
            except InputFaults as error:
                faults += error.faults
        if faults:
            raise InputFaults(faults)

    def _check_servers(self) -> None:
        self._check_references("servers", "accelerator", self.servers, self.accelerators)

    def _check_instances(self) -> None:
        self._check_references("instances", "accelerator", self.instances, self.accelerators)
        self._check_references("instances", "server", self.instances, self.servers)

    def _check_llms(self) -> None:
        self._library.check()

    def _check_references(
        self, section: str, field: str, entries: Mapping[str, Any], known: Mapping[str, Any]
    ) -> None:
        """Raise InputFaults for entries whose `field` names nothing in `known`."""
        faults = []
        for name, entry in entries.items():
            target = getattr(entry, field)
            if target is None or target in known:
                continue
            document = self._home(section, name)
            advice = f"`planner catalog list {field}s` shows them"
            found = f"'{target}'"
            faults.append(document.fault((section, name, field), found, f"an id of the {field}s", advice))
        if faults:
            raise InputFaults(faults)

    def _home(self, section: str, name: str) -> Document:
        """Return the last document that says something about an entry."""
        layers = [layer for layer in self._layers(section) if name in layer.section(section)]
        return layers[-1].document

    @cached_property
    def hash(self) -> str:
        """SHA-256 of all facts in force, the user's included."""
        files = {path.name: path.read_text(encoding="utf-8") for path in sorted(DATA.iterdir())}
        own = [layer.document.data for layer in self._user_layers]
        return content_hash({"shipped": files, "user": own, "llms": self._library.hash})


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
    layers = []
    if extra is not None:
        layers.append(user_layer(read_document(extra)))
    if isinstance(inline, Document):
        layers.append(user_layer(inline))
    elif inline:
        layers.append(user_layer(Document(dict(inline), None, _INLINE)))
    catalog = Catalog(layers)
    catalog.check()
    return catalog
