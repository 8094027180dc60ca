"""Planning figures that a topology file may leave out, each with where it comes from.

"Not verified" marks common planning figures without a fetched source: good enough to start with,
to be replaced by your own.
"""

from typing import Literal

Climate = Literal["cold", "temperate", "hot"]

PUE_AIR: dict[Climate, float] = {"cold": 1.25, "temperate": 1.35, "hot": 1.50}
"""Chilled-water air cooling by outdoor climate. Not verified; the industry mean is 1.54 (Uptime 2025)."""

PUE_LIQUID: dict[Climate, float] = {"cold": 1.08, "temperate": 1.12, "hot": 1.20}
"""Direct liquid cooling with dry coolers by outdoor climate. Not verified; reports say 1.1-1.2."""

PUE_CLOUD = 1.13
"""Large clouds: Google 1.10, Azure 1.12, AWS 1.135, Oracle 1.15 (their published means)."""

DESIGN_DAY_DERATE: dict[Climate, float] = {"cold": 1.0, "temperate": 0.95, "hot": 0.90}
"""Share of a cooling unit's rating left on the hottest design day. Not verified."""

CONTINUOUS_SHARE: dict[str, float] = {"utility": 1.0, "ups": 1.0, "feed": 0.8, "pdu": 0.8}
"""Share of the capacity that may be loaded continuously. Breakers (feeds, PDUs) follow the 80 % rule
of the NEC for continuous loads; transformers and UPS are rated for continuous load."""

RACK_HEIGHT_U = 48
"""Usable rack units of a modern data-centre rack."""

RACK_WEIGHT_KG = 1_600.0
"""Equipment a rack and its floor carry. Not verified; common static ratings are 1,360-1,800 kg."""

RACK_AIR_KW = 40.0
"""Heat that air takes from a rack in a contained aisle: 20-40 kW (practical limit about 30)."""

REAR_DOOR_KW = 60.0
"""Heat that a rear-door heat exchanger takes from a rack: 40-60 kW."""

RACK_LIQUID_KW = 250.0
"""Heat that cold plates take from a rack: 40-250 kW."""

RETROFIT_USD_PER_CABINET = 50_000.0
"""Bringing liquid to an air-cooled cabinet: 15,000-100,000 USD each by kW and water. Not verified."""

RETROFIT_USD_PER_KW = 1_000.0
"""CDU, piping and heat rejection for a kW of liquid cooling: 0.5-2 M USD per MW. Not verified."""

LEAF_PORT_GB_S = 50.0
"""One 400 Gb/s port (InfiniBand NDR or Ethernet), one direction."""

FABRIC_LATENCY_MS = 0.002
"""RDMA end to end through a leaf: 1-2 microseconds (InfiniBand), 2-5 (RoCE)."""

WAN_GB_S = 12.5
"""One 100 Gb/s wave, the usual unit of a wide-area link."""

SITE_EGRESS_USD_PER_GB = 0.0085
"""Traffic to users from an owned site. Default: the cheapest list price among clouds (Oracle, 2026)."""

CLOUD_EGRESS_USD_PER_GB = 0.09
"""Traffic to users from a rented place. Default: the first tier of AWS (2026)."""

INTER_SITE_USD_PER_GB = 0.02
"""Traffic between regions: the list price of AWS, Azure and Google inside a continent (2026)."""

WORLD_CARBON_G_PER_KWH = 480.0
"""Carbon of the world's mean electricity, for rented places of unknown region. Not verified."""
