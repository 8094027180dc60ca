"""From counts to copies: the scopes of a site and the full names of what stands in them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from planner.topology.types import Block, Equipment, RackGroup, Site

Loc = tuple[str | int, ...]

FEWEST_DIGITS = 2


@dataclass(frozen=True)
class Scope:
    """One site, or one copy of one of its blocks, with the names that are known in it.

    `names` maps every name that may be written there to its full name; `loc` is where the
    equipment stands in the file; `prefix` begins the full names of what the scope adds itself,
    `fold` is the prefix with `*` for the number of the copy.
    """

    site: Site
    equipment: Equipment
    prefix: str
    loc: Loc
    names: Mapping[str, str]
    fold: str

    def folded(self, name: str) -> str:
        """Return the name of an entry for all copies of its block together: `ams1-row*-A`."""
        return full_name(self.fold, name)

    def full(self, name: str) -> str:
        """Return the full name of `name`: its own, its site's, or as written."""
        return self.names.get(name, name)

    @property
    def domain(self) -> str:
        """The fabric domain of racks that name none: the nearest one, or the site's own."""
        for part in (self.equipment, self.site):
            if part.fabric_domains:
                return self.full(part.fabric_domains[0].name)
        return implicit_domain(self.site)


def implicit_domain(site: Site) -> str:
    """Return the name of the fabric domain of a site that describes none."""
    return f"{site.name}-fabric"


def scopes(site: Site, at: int) -> Iterator[Scope]:
    """Yield the scope of the site itself and of every copy of its blocks; `at`: its index."""
    own = _own_names(site, site.name)
    yield Scope(site, site, site.name, ("sites", at), own, site.name)
    for index, block in enumerate(site.blocks):
        fold = full_name(site.name, block.name) + ("*" if block.count > 1 else "")
        for prefix in block_prefixes(site, block):
            names = {**own, **_own_names(block, prefix)}
            yield Scope(site, block, prefix, ("sites", at, "blocks", index), names, fold)


def block_prefixes(site: Site, block: Block) -> list[str]:
    """Return the full names of the copies of a block: `ams1-row01`, `ams1-row02` ..."""
    base = full_name(site.name, block.name)
    return numbered(base, block.count, separator="")


def rack_names(scope: Scope, group: RackGroup) -> list[str]:
    """Return the full names of the racks of a group: `ams1-r-01`, `ams1-r-02` ..."""
    return numbered(full_name(scope.prefix, group.name), group.count, separator="-")


def numbered(base: str, count: int, separator: str) -> list[str]:
    """Return `base` alone for a single one, else `base` with numbers of equal width from 1."""
    if count == 1:
        return [base]
    digits = max(FEWEST_DIGITS, len(str(count)))
    return [f"{base}{separator}{number:0{digits}d}" for number in range(1, count + 1)]


def full_name(prefix: str, name: str) -> str:
    """Return `name` with its place in front, unless it is there already."""
    return name if name.startswith(f"{prefix}-") else f"{prefix}-{name}"


def _own_names(part: Equipment, prefix: str) -> dict[str, str]:
    """Map the names that `part` defines, short and full, to their full names."""
    names: dict[str, str] = {}
    for entries in (part.power, part.cooling, part.fabric_domains):
        for entry in entries:
            full = full_name(prefix, entry.name)
            names[entry.name] = full
            names[full] = full
    return names
