"""Regions: one id for many names, round trips, electricity and carbon."""

import pytest

from planner.catalog import UnknownEntry
from planner.catalog.consistency import catalog_faults
from planner.catalog.regions import SAME_REGION_RTT_MS, great_circle_km


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("westeurope", "westeurope"),
        ("West Europe", "westeurope"),
        ("europe-west4", "westeurope"),
        ("gcp:europe-west4", "westeurope"),
        ("europe-west4-a", "westeurope"),
        ("eu-west-1", "northeurope"),
        ("eu-west-1b", "northeurope"),
        ("eu-central-1", "germanywestcentral"),
        ("us-east-1", "eastus"),
        ("us-east1", "southcarolina"),
        ("us-west-2", "oregon"),
        ("aws:ap-southeast-1", "southeastasia"),
        ("eu-north-1", "swedencentral"),
        ("FIN-03", "finland"),
        ("eu-frankfurt-1", "germanywestcentral"),
        ("us-gov-west-1", "oregon"),
        ("us-gov-east-1", "ohio"),
        ("US Gov Virginia", "eastus2"),
        ("chinanorth3", "beijing"),
        ("me-riyadh-1", "riyadh"),
        ("US East (N. Virginia)", "eastus"),
        ("Europe (Frankfurt)", "germanywestcentral"),
        ("Tokyo", "japaneast"),
    ],
)
def test_names_of_all_clouds_lead_to_one_region(catalog, name, canonical):
    """AWS's us-east-1 and Google's us-east1 differ by a hyphen and 700 km."""
    assert catalog.regions.resolve(name) == canonical


def test_an_unknown_region_offers_close_ones(catalog):
    """A typo is answered with what was meant."""
    with pytest.raises(UnknownEntry, match="westeurope"):
        catalog.regions.resolve("westeuropa")


def test_a_place_with_several_regions_asks_which(catalog):
    """Azure has two regions in Virginia."""
    with pytest.raises(UnknownEntry, match="eastus, eastus2"):
        catalog.regions.resolve("Virginia")


# Names of all public regions of the large clouds, without those of other countries' partitions.
CLOUD_NAMES = """
us-east-1 us-east-2 us-west-1 us-west-2 af-south-1 ap-east-1 ap-south-1 ap-south-2 ap-southeast-1
ap-southeast-2 ap-southeast-3 ap-southeast-4 ap-southeast-5 ap-northeast-1 ap-northeast-2 ap-northeast-3
ca-central-1 ca-west-1 eu-central-1 eu-central-2 eu-west-1 eu-west-2 eu-west-3 eu-north-1 eu-south-1
eu-south-2 il-central-1 me-central-1 me-south-1 sa-east-1 us-gov-east-1 us-gov-west-1 cn-north-1
cn-northwest-1 eastus eastus2 westus westus2 westus3 centralus northcentralus southcentralus
westcentralus canadacentral canadaeast brazilsouth mexicocentral northeurope westeurope uksouth ukwest
francecentral francesouth germanywestcentral germanynorth switzerlandnorth switzerlandwest norwayeast
norwaywest swedencentral polandcentral italynorth spaincentral austriaeast israelcentral uaenorth
uaecentral qatarcentral southafricanorth southafricawest eastasia southeastasia australiaeast
australiasoutheast australiacentral newzealandnorth japaneast japanwest koreacentral koreasouth
centralindia southindia westindia indonesiacentral malaysiawest taiwannorth usgovvirginia usgovarizona
usgovtexas chinaeast chinaeast2 chinanorth chinanorth2 us-central1 us-east1 us-east4 us-east5 us-south1
us-west1 us-west2 us-west3 us-west4 northamerica-northeast1 northamerica-northeast2 northamerica-south1
southamerica-east1 southamerica-west1 europe-central2 europe-north1 europe-north2 europe-southwest1
europe-west1 europe-west2 europe-west3 europe-west4 europe-west6 europe-west8 europe-west9 europe-west10
europe-west12 asia-east1 asia-east2 asia-northeast1 asia-northeast2 asia-northeast3 asia-south1
asia-south2 asia-southeast1 asia-southeast2 australia-southeast1 australia-southeast2 me-central1
me-central2 me-west1 africa-south1 us-ashburn-1 us-phoenix-1 us-sanjose-1 us-chicago-1 ca-toronto-1
ca-montreal-1 sa-saopaulo-1 sa-vinhedo-1 sa-santiago-1 sa-bogota-1 mx-queretaro-1 mx-monterrey-1
uk-london-1 uk-cardiff-1 eu-frankfurt-1 eu-amsterdam-1 eu-zurich-1 eu-milan-1 eu-paris-1 eu-marseille-1
eu-madrid-1 eu-stockholm-1 eu-jovanovac-1 il-jerusalem-1 me-abudhabi-1 me-dubai-1 me-jeddah-1 me-riyadh-1
af-johannesburg-1 ap-tokyo-1 ap-osaka-1 ap-seoul-1 ap-chuncheon-1 ap-mumbai-1 ap-hyderabad-1
ap-singapore-1 ap-sydney-1 ap-melbourne-1
"""


def test_every_region_of_the_large_clouds_is_known(catalog):
    """AWS, Azure, Google Cloud and Oracle, each with prices of electricity and carbon."""
    for name in CLOUD_NAMES.split():
        assert catalog.regions.electricity_usd_per_kwh(name) > 0, name
        assert catalog.regions.carbon_g_per_kwh(name) > 0, name
        assert catalog.regions.rtt_ms(name, "eastus") > 0, name


def test_no_name_leads_to_two_regions(catalog):
    """The check of user's catalogs, on the shipped one."""
    assert catalog_faults(catalog, catalog.regions) == []


@pytest.mark.parametrize(
    ("a", "b", "milliseconds"),
    [
        ("eastus", "westus", 71),
        ("eastus", "westeurope", 83),
        ("eastus", "eastus2", 10),
        ("westeurope", "germanywestcentral", 13),
        ("westeurope", "southeastasia", 161),
        ("us-east-1", "europe-west4", 83),
    ],
)
def test_measured_round_trips(catalog, a, b, milliseconds):
    """Published Azure medians."""
    assert catalog.regions.rtt_ms(a, b) == pytest.approx(milliseconds, abs=1)
    assert catalog.regions.rtt_provenance(a, b).confidence == "high"


def test_the_same_region_is_not_free(catalog):
    """Two zones of a region are a millisecond and a half apart."""
    assert catalog.regions.rtt_ms("westeurope", "europe-west4") == SAME_REGION_RTT_MS


def test_round_trips_are_nearly_symmetric(catalog):
    """Both directions of a pair agree within 25 ms, mostly within 8."""
    regions = catalog.regions
    names = regions.names()
    gaps = [abs(regions.rtt_ms(a, b) - regions.rtt_ms(b, a)) for a in names for b in names if a < b]
    assert max(gaps) < 60
    assert sum(gap <= 8 for gap in gaps) > 0.97 * len(gaps)


def test_no_round_trip_beats_light(catalog):
    """Light in fibre covers 200 km per ms and way: 1 ms round trip is at most 100 km of fibre."""
    regions = catalog.regions
    for a in regions.names():
        for b in regions.names():
            if a != b:
                km = great_circle_km(regions.region(a), regions.region(b))
                # Coordinates are those of the city, not of the building: allow 2 ms.
                assert regions.rtt_ms(a, b) + 2 >= km / 100, (a, b)


def test_unmeasured_regions_are_extended_by_distance(catalog):
    """Oregon is reached through the nearest measured region, and marked as an estimate."""
    regions = catalog.regions
    through = regions.rtt_ms("westus2", "eastus")
    assert through < regions.rtt_ms("us-west-2", "eastus") < through + 10
    provenance = regions.rtt_provenance("us-west-2", "eastus")
    assert provenance.confidence == "low"
    assert "westus2" in provenance.note


def test_electricity_and_carbon(catalog):
    """Figures of the tables, through any name."""
    regions = catalog.regions
    assert regions.electricity_usd_per_kwh("us-east-1") == pytest.approx(0.0892)
    assert regions.electricity_provenance("us-east-1").confidence == "high"
    assert regions.electricity_usd_per_kwh("westeurope") == pytest.approx(0.17)
    assert regions.electricity_provenance("westeurope").confidence == "low"
    assert regions.carbon_g_per_kwh("francecentral") == 34
    assert regions.carbon_g_per_kwh("europe-west4") == 236
    assert regions.carbon_g_per_kwh("swedencentral") < 60


def test_places_work_without_a_region(catalog):
    """A site in Virginia or Germany has a tariff even where no cloud region is."""
    regions = catalog.regions
    assert regions.electricity_usd_per_kwh("US-TX") == pytest.approx(0.066)
    assert regions.carbon_g_per_kwh("DEU") > 200
    with pytest.raises(UnknownEntry):
        regions.electricity_usd_per_kwh("Atlantis")


def test_every_region_has_all_figures(catalog):
    """No region without tariff, carbon and a round trip to every other."""
    regions = catalog.regions
    for name in regions.names():
        assert 0.02 < regions.electricity_usd_per_kwh(name) < 0.6
        assert 0 < regions.carbon_g_per_kwh(name) < 1000
        assert all(regions.rtt_ms(name, other) > 0 for other in regions.names())


def test_no_alias_belongs_to_two_regions(catalog):
    """Names are unique, and no alias shadows another region."""
    seen = {}
    for name, region in catalog.regions.entries.items():
        for alias in region.aliases:
            assert seen.setdefault(alias.lower(), name) == name
            assert catalog.regions.resolve(alias) == name
