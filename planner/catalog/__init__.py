"""Facts a planner can trust: accelerators, servers, LLMs, engines, instances, regions."""

from planner.catalog.accelerators import Accelerator
from planner.catalog.catalog import Catalog, load_catalog
from planner.catalog.engines import Engine
from planner.catalog.instances import Instance
from planner.catalog.llm import LLM, Attention, FeedForward, LayerGroup
from planner.catalog.llm_library import LLMFacts
from planner.catalog.provenance import Provenance, Source
from planner.catalog.regions import Region, Regions
from planner.catalog.rows import KINDS, catalog_entry, catalog_rows
from planner.catalog.servers import Server
from planner.catalog.unknown import UnknownEntry

__all__ = [
    "KINDS",
    "LLM",
    "Accelerator",
    "Attention",
    "Catalog",
    "Engine",
    "FeedForward",
    "Instance",
    "LLMFacts",
    "LayerGroup",
    "Provenance",
    "Region",
    "Regions",
    "Server",
    "Source",
    "UnknownEntry",
    "catalog_entry",
    "catalog_rows",
    "load_catalog",
]
