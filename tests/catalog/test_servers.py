"""Servers: power adds up from its parts, and everything placed in a rack has a size."""

import pytest


def test_every_server_names_a_known_accelerator(catalog):
    """No dangling references."""
    for server in catalog.servers.values():
        assert server.accelerator in catalog.accelerators


@pytest.mark.parametrize(
    ("name", "rated_w", "host_w"),
    [
        ("dgx-h100", 10_200, 10_200 - 8 * 700),
        ("dgx-h200", 10_200, 10_200 - 8 * 700),
        ("dgx-b200", 14_300, 14_300 - 8 * 1000),
        ("dgx-b300", 14_500, 14_500 - 8 * 1100),
        ("gb200-nvl72-rack", 132_000, 132_000 - 72 * 1200),
        ("gb300-nvl72-rack", 142_000, 142_000 - 72 * 1400),
        ("l40s-8", 4_800, 4_800 - 8 * 350),
    ],
)
def test_host_power_is_what_the_accelerators_leave(catalog, name, rated_w, host_w):
    """Rated power less the accelerators' is CPUs, fans, NICs, switches and losses."""
    server = catalog.servers[name]
    assert server.rated_w == rated_w
    assert server.host_w == host_w


def test_no_server_is_rated_below_its_accelerators(catalog):
    """The parts fit into the whole for every server."""
    for server in catalog.servers.values():
        parts_w = server.accelerators * catalog.accelerators[server.accelerator].tdp_w
        assert server.rated_w >= parts_w, server.id
        assert server.rated_w == pytest.approx(parts_w + server.host_w), server.id


def test_typical_power_stays_below_the_rating(catalog):
    """What was measured never exceeds what breakers carry."""
    for server in catalog.servers.values():
        if server.typical_w is not None:
            assert server.typical_w <= server.rated_w, server.id


@pytest.mark.parametrize("name", ["mi300x-8", "mi355x-8-dlc", "gaudi3-8"])
def test_derived_ratings_say_so(catalog, name):
    """Without a published rating: accelerators plus the host of a DGX H100, marked low."""
    server = catalog.servers[name]
    host_w = catalog.servers["dgx-h100"].host_w
    parts_w = server.accelerators * catalog.accelerators[server.accelerator].tdp_w
    assert server.rated_w == parts_w + host_w
    provenance = server.provenance("rated_w")
    assert (provenance.confidence, provenance.source) == ("low", "derived")


def test_what_can_be_placed_has_a_size(catalog):
    """Racks need height and weight; only rented hosts do without."""
    for server in catalog.servers.values():
        if not server.cloud_only:
            assert server.rack_units > 0, server.id
            assert server.weight_kg > 0, server.id


def test_liquid_servers_say_how_much_goes_to_liquid(catalog):
    """Heat is split between liquid and air; air-cooled servers give none to liquid."""
    for server in catalog.servers.values():
        if server.cooling == "air":
            assert server.liquid_fraction == 0, server.id
    assert catalog.servers["gb200-nvl72-rack"].liquid_fraction == pytest.approx(0.87)
    assert catalog.servers["hgx-h100-8-dlc"].liquid_fraction == pytest.approx(0.75)


@pytest.mark.parametrize(("name", "gigabits"), [("dgx-a100", 200), ("dgx-h100", 400), ("dgx-b300", 800)])
def test_network_is_bytes_per_accelerator(catalog, name, gigabits):
    """One 400 Gb/s port per GPU carries 50 GB/s in each direction."""
    assert catalog.servers[name].nic_gb_s == gigabits / 8


def test_a_rack_holds_whole_scale_up_domains(catalog):
    """An NVL72 server is one scale-up domain, an HGX box too."""
    for name in ("dgx-h100", "dgx-b200", "gb200-nvl72-rack", "mi300x-8"):
        server = catalog.servers[name]
        assert server.accelerators == catalog.accelerators[server.accelerator].scale_up_domain
