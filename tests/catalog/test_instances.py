"""Cloud instances: prices by region, and the server they behave like."""

import pytest


def test_references_resolve(catalog):
    """Accelerators and servers of instances are in the catalog, and counts agree."""
    for instance in catalog.instances.values():
        assert instance.accelerator in catalog.accelerators
        if instance.server is not None:
            server = catalog.servers[instance.server]
            assert server.accelerator == instance.accelerator, instance.id
            assert server.accelerators == instance.accelerators, instance.id


@pytest.mark.parametrize(
    ("name", "region", "usd_per_h"),
    [
        ("p5.48xlarge", "us-east-1", 55.04),
        ("p5en.48xlarge", "eu-north-1", 67.72672),
        ("ND96isr_H100_v5", "eastus", 98.32),
        ("gpu-h200-sxm_8gpu-128vcpu-1600gb", "eu-north1", 28.0),
        ("tpu-v6e-8", "europe-west4", 23.76),
    ],
)
def test_on_demand_prices(catalog, name, region, usd_per_h):
    """Prices are of the whole instance, in the names of the provider."""
    assert catalog.instances[name].on_demand_usd_per_h[region] == pytest.approx(usd_per_h)


def test_most_provider_regions_are_known_regions(catalog):
    """Prices can be placed on the map: AWS, Azure and Google regions all resolve."""
    for instance in catalog.instances.values():
        if instance.provider in ("aws", "azure", "gcp"):
            for region in instance.regions:
                if region != "any":
                    catalog.regions.resolve(region)


def test_spot_is_cheaper_than_on_demand(catalog):
    """Where both are known in a region."""
    for instance in catalog.instances.values():
        for region, spot in instance.spot_usd_per_h.items():
            if region in instance.on_demand_usd_per_h:
                assert spot <= instance.on_demand_usd_per_h[region], (instance.id, region)


def test_rent_of_an_accelerator_is_its_share_of_an_instance(catalog):
    """The accelerator's own rent is the instance's price over its accelerators."""
    share = catalog.instances["p5.48xlarge"].on_demand_usd_per_h["us-east-1"] / 8
    assert catalog.accelerators["h100-sxm"].rent_usd_per_h == pytest.approx(share)
