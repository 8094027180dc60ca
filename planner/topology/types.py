"""What a topology file says: sites with power, cooling, fabric and racks, in counts, not copies.

Names are local to their site (or block) and are shown with the site's name in front: the feed `A` of
site `ams1` is `ams1-A`. Capacities are kW of IT load; losses on the way are part of the PUE.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PositiveInt, PrivateAttr, model_validator

from planner.files import Document, FieldProblem, FieldProblems, FileModel
from planner.topology.defaults import (
    FABRIC_LATENCY_MS,
    INTER_SITE_USD_PER_GB,
    LEAF_PORT_GB_S,
    RACK_HEIGHT_U,
    RACK_WEIGHT_KG,
    RETROFIT_USD_PER_CABINET,
    RETROFIT_USD_PER_KW,
    Climate,
)

Name = Annotated[str, Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$")]
Level = Literal["utility", "ups", "feed", "pdu"]
Redundancy = Literal["2N", "N+1", "3N/2", "4N/3", "none"]
Medium = Literal["air", "liquid", "rear_door"]
Hourly = Annotated[list[Annotated[float, Field(ge=0)]], Field(min_length=24, max_length=24)]
Pue = Annotated[float, Field(ge=1)]

Count = Annotated[int, Field(ge=1, le=100_000)]
"""How many racks or copies; the limit keeps a slip of the finger from filling the memory."""

MOST_RACKS_AND_SERVERS = 300_000
"""Racks and servers of one site; a million accelerators in 8-GPU servers need half of it."""

MOST_LINKS = 500_000
"""Links between racks, leaves and spines of one site; the largest shipped site has 2,000."""

FewServers = Annotated[int, Field(ge=1, le=1_000)]

LEVELS: tuple[Level, ...] = ("utility", "ups", "feed", "pdu")
"""From the grid to the rack; a parent stands at a level before its children's."""


class PowerNode(FileModel):
    """A part of the power tree: utility connection, UPS, feed or PDU."""

    name: Name = Field(description="Name within the site, e.g. `A`.")
    level: Level = Field(default="feed", description="Where in the chain it stands.")
    capacity_kw: float = Field(
        gt=0, description="Rating of the breaker or device (of each module), kW of IT load."
    )
    units: PositiveInt = Field(default=1, description="Modules that share the load, e.g. of a UPS.")
    spare_units: int = Field(
        default=0, ge=0, description="Modules of these that stand by (N+1: 1). They are not counted."
    )
    standby: bool = Field(
        default=False,
        description="True: carries nothing while the other feeds of a rack stand, and takes over what one of"
        " them leaves (the reserve of a block-redundant N+1 system).",
    )
    peak_share: float | None = Field(
        default=None,
        gt=0,
        description="Share of the rating that short peaks (some 100 ms) may reach, all accelerators at once"
        " above their rating. None: not checked.",
    )
    oversubscription: float = Field(
        default=1.0,
        ge=1,
        description="How far the provisioned power of servers may exceed what it carries all the time. Above"
        " 1, what `reliability.shedding` caps when power is short must fit.",
    )
    parent: str | None = Field(default=None, description="What it hangs on. None: on the grid.")
    continuous_share: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Share of the rating that may be loaded all the time. None: 0.8 for feeds and"
        " PDUs (NEC continuous-load rule), 1 for utility and UPS.",
    )
    diversity: float = Field(
        default=1.0,
        ge=1,
        description="How far the limits of the racks below may together exceed it; `topology check`"
        " faults more. The load itself never may.",
    )

    @model_validator(mode="after")
    def _some_module_works(self) -> Self:
        if self.spare_units >= self.units:
            raise FieldProblem(
                f"{self.spare_units} spare of {self.units}",
                "fewer spare units than units",
                at=("spare_units",),
            )
        return self


class CoolingLoop(FileModel):
    """A group of cooling units that racks share: CRAHs of an aisle, CDUs of a row, door loops."""

    name: Name = Field(description="Name within the site, e.g. `crah-1`.")
    medium: Medium = Field(
        description="air: room or aisle air. liquid: cold plates. rear_door: air of racks with a"
        " heat exchanger in the door."
    )
    unit_kw: float = Field(gt=0, description="Heat one unit takes at its rating, kW.")
    units: PositiveInt = Field(default=2, description="Units installed.")
    spare_units: int = Field(
        default=1, ge=0, description="Units of these that stand by (N+1: 1). They are not counted."
    )
    derate: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Share of the rating left on the hottest design day. None: by climate, 1.0 cold,"
        " 0.95 temperate, 0.90 hot.",
    )
    diversity: float = Field(
        default=1.0,
        ge=1,
        description="How far the limits of the racks may together exceed it; `topology check` faults"
        " more. The load itself never may.",
    )

    @model_validator(mode="after")
    def _something_is_left(self) -> Self:
        if self.spare_units >= self.units:
            raise FieldProblem(
                f"{self.spare_units} spare of {self.units}",
                "fewer spare units than units",
                at=("spare_units",),
            )
        return self


class FabricDomain(FileModel):
    """Servers that share full scale-out bandwidth: a scalable unit, a leaf pair, a row."""

    name: Name = Field(description="Name within the site, e.g. `su1`.")
    leaves: int = Field(default=2, ge=1, le=1_024, description="Leaf switches (rails).")
    spines: int = Field(default=0, ge=0, le=1_024, description="Spine switches above them.")
    port_gb_s: float = Field(
        default=LEAF_PORT_GB_S, gt=0, description="Rate of one port, one direction, GB/s."
    )
    latency_ms: float = Field(
        default=FABRIC_LATENCY_MS, ge=0, description="Server to server inside the domain, ms."
    )
    oversubscription: float = Field(
        default=1.0, ge=1, description="Leaf-to-spine: bandwidth below over bandwidth above."
    )
    nic_gb_s: float | None = Field(
        default=None,
        gt=0,
        description="Scale-out bandwidth per accelerator, one direction, GB/s. None: what the server has.",
    )
    uplink_gb_s: float | None = Field(
        default=None,
        gt=0,
        description="Domain to the rest of the site and the WAN, one direction, GB/s. None: two"
        " ports per leaf.",
    )


class Retrofit(FileModel):
    """The price of bringing liquid cooling to a rack that has none."""

    liquid_loop: str = Field(description="The loop that would serve the rack.")
    liquid_kw: float = Field(gt=0, description="Liquid heat the rack could then give off, kW.")
    usd_per_cabinet: float = Field(
        default=RETROFIT_USD_PER_CABINET, ge=0, description="Fixed price per rack, USD."
    )
    usd_per_kw: float = Field(
        default=RETROFIT_USD_PER_KW,
        ge=0,
        description="CDU, piping and heat rejection, USD per kW of liquid_kw.",
    )

    @property
    def usd(self) -> float:
        """Price of one rack, USD."""
        return self.usd_per_cabinet + self.usd_per_kw * self.liquid_kw


class RackGroup(FileModel):
    """`count` racks that are alike."""

    name: Name = Field(description="Name within the site; racks are numbered `name-01`, `name-02`.")
    count: Count = Field(default=1, description="How many such racks.")
    fabric_domain: str | None = Field(
        default=None, description="Its fabric domain. None: the only one of its block or site."
    )
    height_u: int = Field(default=RACK_HEIGHT_U, ge=1, description="Usable rack units.")
    weight_kg: float = Field(
        default=RACK_WEIGHT_KG, gt=0, description="Equipment the rack and its floor carry, kg."
    )
    power_kw: float = Field(gt=0, description="Provisioned power the rack may take, kW.")
    slots: int | None = Field(
        default=None, ge=0, description="The most servers in one rack. None: as height allows."
    )
    feeds: list[str] = Field(
        default_factory=list,
        description="Power nodes it hangs on, usually an A and a B. The load is shared equally.",
    )
    redundancy: Redundancy | None = Field(
        default=None,
        description="none: the loss of a feed stops the rack. Otherwise the feeds left carry all of"
        " it, and every power node keeps room for that. None: as the site says.",
    )
    air_loop: str | None = Field(default=None, description="Loop (air or rear_door) that takes its air heat.")
    air_kw: float | None = Field(
        default=None,
        ge=0,
        description="Air heat the rack may give off, kW. None: 40 (contained aisle), 60 (rear door),"
        " never above power_kw.",
    )
    liquid_loop: str | None = Field(
        default=None, description="Liquid loop that takes its liquid heat. None: no liquid."
    )
    liquid_kw: float | None = Field(
        default=None,
        ge=0,
        description="Liquid heat the rack may give off, kW. None: up to 250, never above power_kw;"
        " 0 without a loop.",
    )
    retrofit: Retrofit | None = Field(
        default=None, description="Price of turning it into a liquid rack. None: impossible."
    )
    servers: dict[str, FewServers] = Field(
        default_factory=dict, description="Servers that stand in EACH rack already, by id."
    )


def _as_list(value: Any) -> Any:
    """Let a single power node stand for a list of one."""
    return [value] if isinstance(value, dict) else value


class Equipment(FileModel):
    """What a site or a block of it holds."""

    power: Annotated[list[PowerNode], BeforeValidator(_as_list)] = Field(
        default_factory=list, description="Its part of the power tree. Empty: power is not limited."
    )
    cooling: list[CoolingLoop] = Field(
        default_factory=list, description="Its cooling loops. Empty: cooling is not limited."
    )
    fabric_domains: list[FabricDomain] = Field(
        default_factory=list, description="Its scale-out fabrics. Empty: one for the whole site."
    )
    racks: list[RackGroup] = Field(default_factory=list, description="Its racks.")


class PuePoint(FileModel):
    """One measured or designed PUE of a cooling type, at a load and an outdoor temperature."""

    cooling: Literal["air", "liquid"] = Field(description="Which watts it is the PUE of.")
    pue: float = Field(ge=1, description="Power at the meter over IT power.")
    load: float = Field(default=1.0, gt=0, le=1, description="Share of it_kw at which it holds.")
    outdoor_c: float | None = Field(
        default=None, description="Outdoor temperature at which it holds, C. None: any."
    )


class Block(Equipment):
    """A part of a site that is built `count` times: a row, a pod, a hall.

    Names in it are its own in each copy: the feed `A` of block `row` is `site-row01-A`. It may refer
    to names of the site.
    """

    name: Name = Field(description="Name within the site; copies are numbered `name01`, `name02`.")
    count: Count = Field(default=1, description="How many copies.")


class Site(Equipment):
    """One place with its own grid connection, or a rented one."""

    name: Name = Field(description="Unique name, e.g. `ams1`.")
    region: str = Field(
        description="Nearest cloud region: sets round trips and the defaults of prices and carbon."
    )
    cloud: bool = Field(
        default=False, description="A rented place without limits; servers exist as rented only."
    )
    grid_kw: float | None = Field(
        default=None,
        gt=0,
        description="Grid contract: the most the site may draw, cooling included, kW. None: no limit.",
    )
    climate: Climate = Field(
        default="temperate", description="Outdoor temperature class: sets default PUE and derates."
    )
    pue_air: Pue | None = Field(
        default=None, description="PUE of air-cooled watts. None: 1.25 cold, 1.35 temperate, 1.50 hot."
    )
    pue_liquid: Pue | None = Field(
        default=None,
        description="PUE of liquid-cooled watts. None: 1.08 cold, 1.12 temperate, 1.20 hot.",
    )
    pue_table: list[PuePoint] = Field(
        default_factory=list,
        description="PUE by cooling type, load and outdoor temperature, instead of one figure. Energy is"
        " counted at outdoor_c, the grid contract at design_outdoor_c; what falls with load becomes a fixed"
        " draw of the open site.",
    )
    it_kw: float | None = Field(
        default=None, gt=0, description="IT power that the loads of pue_table are shares of, kW."
    )
    outdoor_c: float | None = Field(default=None, description="Mean outdoor temperature, C.")
    design_outdoor_c: float | None = Field(
        default=None, description="Outdoor temperature of the hottest design day, C. None: outdoor_c."
    )
    water_l_per_kwh_air: float = Field(
        default=0.0,
        ge=0,
        description="Water evaporated per kWh of air-cooled IT: dry coolers 0-0.05, adiabatic 0.2-0.6, towers"
        " 1.0-1.9 (planning figures).",
    )
    water_l_per_kwh_liquid: float = Field(
        default=0.0, ge=0, description="The same per kWh of liquid-cooled IT; closed loops 0-0.05."
    )
    water_usd_per_m3: float = Field(default=0.0, ge=0, description="Price of water, USD per cubic metre.")
    water_l_per_h: float | None = Field(
        default=None, ge=0, description="The most water per hour, mean over the day. None: no limit."
    )
    electricity_usd_per_kwh: float | None = Field(
        default=None, ge=0, description="Mean tariff. None: that of the region."
    )
    electricity_hourly_factors: Hourly | None = Field(
        default=None, description="24 factors of the mean tariff, hour 0 UTC first. None: all 1."
    )
    carbon_g_per_kwh: float | None = Field(
        default=None, ge=0, description="Carbon intensity of its electricity. None: the region's."
    )
    open_usd_per_h: float = Field(
        default=0.0, ge=0, description="Fixed cost while any server is powered there, USD per hour."
    )
    egress_usd_per_gb: float | None = Field(
        default=None, ge=0, description="Traffic to users. None: 0.0085 owned, 0.09 rented."
    )
    wan_gb_s: float | None = Field(
        default=None, gt=0, description="Bandwidth to users, one direction, GB/s. None: no limit."
    )
    rtt_ms: dict[str, Annotated[float, Field(ge=0)]] = Field(
        default_factory=dict,
        description="Round trips you measured, by origin region; others come from the catalog.",
    )
    redundancy: Redundancy = Field(
        default="2N", description="How its racks are fed unless they say so themselves."
    )
    blocks: list[Block] = Field(default_factory=list, description="Parts that are built several times.")


class WanLink(FileModel):
    """A private link between two sites."""

    between: list[str] = Field(min_length=2, max_length=2, description="The two sites.")
    bandwidth_gb_s: float = Field(gt=0, description="One direction, GB/s.")
    latency_ms: float | None = Field(
        default=None, gt=0, description="One way, ms. None: half the round trip of their regions."
    )
    usd_per_gb: float = Field(
        default=INTER_SITE_USD_PER_GB, ge=0, description="Price of moving one GB over it, USD."
    )


class Topology(FileModel):
    """Where servers stand or may stand."""

    name: str = Field(default="topology", min_length=1, description="Name in reports.")
    description: str = Field(default="", description="What it stands for, in a sentence or two.")
    templates: Any = Field(default=None, description="Ignored: a place for YAML anchors that sites share.")
    sites: list[Site] = Field(default_factory=list, description="The places.")
    wan: list[WanLink] = Field(default_factory=list, description="Private links between sites.")

    _document: Document | None = PrivateAttr(None)

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        problems: list[FieldProblem] = []
        problems += _repeats([site.name for site in self.sites], ("sites",))
        for at, site in enumerate(self.sites):
            here: tuple[str | int, ...] = ("sites", at)
            problems += _repeats([block.name for block in site.blocks], (*here, "blocks"))
            problems += _repeated_equipment(site, here)
            for index, block in enumerate(site.blocks):
                problems += _repeated_equipment(block, (*here, "blocks", index))
        if problems:
            raise FieldProblems(problems)
        return self

    @model_validator(mode="after")
    def _not_beyond_measure(self) -> Self:
        problems: list[FieldProblem] = []
        for at, site in enumerate(self.sites):
            parts: list[tuple[Equipment, int]] = [(site, 1), *((b, b.count) for b in site.blocks)]
            size = sum(
                copies * group.count * (1 + sum(group.servers.values()))
                for part, copies in parts
                for group in part.racks
            )
            if size > MOST_RACKS_AND_SERVERS:
                problems.append(
                    FieldProblem(
                        f"{size:,} racks and servers",
                        f"at most {MOST_RACKS_AND_SERVERS:,} at a site",
                        "check the counts",
                        at=("sites", at),
                    )
                )
            links = sum(copies * _links(part, site) for part, copies in parts)
            if links > MOST_LINKS and size <= MOST_RACKS_AND_SERVERS:
                problems.append(
                    FieldProblem(
                        f"{links:,} links between racks and switches",
                        f"at most {MOST_LINKS:,} at a site",
                        "give blocks fabric domains of their own, or check the counts of leaves and spines",
                        at=("sites", at),
                    )
                )
        if problems:
            raise FieldProblems(problems)
        return self

    @property
    def document(self) -> Document | None:
        """The file this came from, with its lines; None for a topology made in memory."""
        return self._document

    def site(self, name: str) -> Site:
        """Return the site `name`.

        Raises:
            KeyError: there is none.
        """
        for site in self.sites:
            if site.name == name:
                return site
        raise KeyError(name)


def _links(part: Equipment, site: Site) -> int:
    """Return how many links a site or a copy of a block has: racks to leaves, leaves to spines."""
    domains = {domain.name: domain for domain in (*site.fabric_domains, *part.fabric_domains)}
    nearest = next(iter((*part.fabric_domains, *site.fabric_domains)), FabricDomain(name="fabric"))
    racks = sum(
        group.count * domains.get(group.fabric_domain or nearest.name, nearest).leaves for group in part.racks
    )
    return racks + sum(domain.leaves * domain.spines for domain in part.fabric_domains)


def _repeated_equipment(part: Equipment, at: tuple[str | int, ...]) -> list[FieldProblem]:
    """Return a problem for every name used twice by power, cooling, fabric and racks of `part`."""
    problems: list[FieldProblem] = []
    seen: set[str] = set()
    for field in ("power", "cooling", "fabric_domains", "racks"):
        for index, entry in enumerate(getattr(part, field)):
            if entry.name in seen:
                problems.append(_again(entry.name, (*at, field, index, "name")))
            seen.add(entry.name)
    return problems


def _repeats(names: list[str], at: tuple[str | int, ...]) -> list[FieldProblem]:
    """Return a problem for every name in a list that was there before."""
    return [_again(name, (*at, index, "name")) for index, name in enumerate(names) if name in names[:index]]


def _again(name: str, at: tuple[str | int, ...]) -> FieldProblem:
    return FieldProblem(f"the name '{name}' again", "a name for each", "rename one", at=at)
