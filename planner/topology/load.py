"""From a name, a path or a mapping to a topology, with everything that is wrong with it."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from planner.catalog import Catalog, load_catalog
from planner.files import (
    Document,
    InputFault,
    InputFaults,
    close_matches,
    read_document,
    validate,
)
from planner.scenario import ANYWHERE, Rent, apply_overrides
from planner.shipped import shipped_folder
from planner.topology.check import check_document
from planner.topology.resolve import resolve
from planner.topology.types import Site, Topology

CLOUD = "cloud"
"""The topology that is only rented: one boundless place per region of the offers."""


def topology_names() -> list[str]:
    """Return the names of the shipped topologies."""
    return sorted(path.stem for path in shipped_folder("topologies").glob("*.yaml"))


def load_topology(
    source: str | Path | Mapping[str, Any] | Document,
    catalog: Catalog | None = None,
    rent: Iterable[Rent] = (),
    changes: Iterable[str] = (),
) -> Topology:
    """Return a topology, checked and with the values of its regions filled in.

    `source` is a shipped name, a path, the word `cloud`, or the data itself. Every region of `rent`
    adds a boundless rented site. `changes` are `path=value` changes of the file's data. Whether feeds and
    loops could carry everything at once is asked by `check`, not here.

    Raises:
        InputFaults: everything that is wrong with it, together.
    """
    catalog = catalog or load_catalog()
    document = topology_document(source)
    document = document.with_data(apply_overrides(document.data, changes))
    faults = check_document(document, catalog, capacities=False)
    if faults:
        raise InputFaults(faults)
    topology = _typed(document)
    return resolve(with_rented_places(topology, rent), catalog)


def topology_faults(
    source: str | Path | Mapping[str, Any] | Document,
    catalog: Catalog | None = None,
    changes: Iterable[str] = (),
) -> list[InputFault]:
    """Return everything that is wrong with a topology; nothing is raised."""
    try:
        document = topology_document(source)
        document = document.with_data(apply_overrides(document.data, changes))
        return check_document(document, catalog or load_catalog())
    except InputFaults as error:
        return error.faults


def topology_document(source: str | Path | Mapping[str, Any] | Document) -> Document:
    """Return the document of a topology.

    Raises:
        InputFaults: there is no such topology, or it is not YAML.
    """
    if isinstance(source, Document):
        return source
    if isinstance(source, Mapping):
        return Document(dict(source), name="inline topology")
    if str(source) == CLOUD:
        return Document({"name": CLOUD}, name=CLOUD)
    path = Path(source)
    shipped = shipped_folder("topologies") / f"{source}.yaml"
    if path.suffix == "" and not path.is_file() and shipped.is_file():
        return read_document(shipped)
    if path.is_file() or path.suffix in (".yaml", ".yml", ".json"):
        return read_document(path)
    names = [CLOUD, *topology_names()]
    advice = close_matches(str(source), names) or "shipped: " + ", ".join(names)
    fault = InputFault(
        str(source),
        None,
        "topology",
        f"no topology '{source}'",
        "a shipped topology, a path to one, `cloud`, or one written inline",
        advice,
    )
    raise InputFaults([fault])


def with_rented_places(topology: Topology, rent: Iterable[Rent]) -> Topology:
    """Return the topology with one boundless rented site for every region of the offers.

    The site of region `eu-north-1` is `cloud-eu-north-1`; that of `any` is `cloud`.
    """
    have = {site.name for site in topology.sites}
    added: list[Site] = []
    for region in dict.fromkeys(offer.region for offer in rent):
        name = rented_site(region)
        if name not in have:
            added.append(Site(name=name, region=region, cloud=True))
    changed = topology.model_copy(update={"sites": [*topology.sites, *added]})
    changed._document = topology.document
    return changed


def rented_site(region: str) -> str:
    """Return the name of the site where instances of a region stand."""
    return CLOUD if region == ANYWHERE else f"{CLOUD}-{region}"


def _typed(document: Document) -> Topology:
    """Return the model of a document, named after its file."""
    data = document.data
    if isinstance(data, Mapping) and "name" not in data and document.path is not None:
        document = document.with_data({**data, "name": document.path.stem})
    topology = validate(Topology, document)
    topology._document = document
    return topology
