"""Accelerators: the traps of data sheets are resolved, what is unknown stays unknown."""

import pytest

from planner.catalog import UnknownEntry

GIB = 2**30

NAMED_IN_THE_FIELD = [
    "a100-40-sxm",
    "a100-80-sxm",
    "a100-40-pcie",
    "a100-80-pcie",
    "h100-sxm",
    "h100-pcie",
    "h100-nvl",
    "h200-sxm",
    "h200-nvl",
    "h20",
    "gh200-96",
    "b200-sxm",
    "gb200",
    "b300-sxm",
    "gb300",
    "vr200",
    "l4",
    "l40s",
    "a10",
    "a10g",
    "t4",
    "rtx-pro-6000-bw-server",
    "rtx-4090",
    "rtx-5090",
    "mi300x",
    "mi325x",
    "mi350x",
    "mi355x",
    "mi455x",
    "tpu-v5e",
    "tpu-v5p",
    "tpu-v6e",
    "tpu-7x",
    "trainium2",
    "trainium3",
    "inferentia2",
    "gaudi2",
    "gaudi3",
    "groq-lpu-v1",
    "cerebras-wse3",
    "xeon6-6980p",
    "epyc-9965",
    "grace-cpu",
]


@pytest.mark.parametrize("name", NAMED_IN_THE_FIELD)
def test_every_accelerator_of_the_field_is_there(catalog, name):
    """All ids that scenarios use are in the catalog."""
    assert catalog.accelerators[name].id == name


@pytest.mark.parametrize(
    ("name", "gib"), [("a100-80-sxm", 80), ("h100-sxm", 80), ("h200-sxm", 141), ("mi300x", 192)]
)
def test_vendor_gigabytes_are_gibibytes(catalog, name, gib):
    """An '80 GB' GPU holds 80 GiB = 85.9e9 bytes, not 80e9."""
    assert catalog.accelerators[name].memory_bytes == gib * GIB


def test_driver_reported_memory_wins_over_the_label(catalog):
    """A B200 is sold with 192 GB; the driver shows 183,359 MiB."""
    assert catalog.accelerators["b200-sxm"].memory_bytes == 183_359 * 2**20


@pytest.mark.parametrize(
    ("name", "precision", "dense"),
    [
        ("h100-sxm", "bf16", 989),
        ("h100-sxm", "fp8", 1979),
        ("b200-sxm", "fp4", 9000),
        ("mi355x", "fp8", 5000),
        ("l40s", "fp8", 733),
        ("trainium2", "fp8", 1299),
    ],
)
def test_rates_are_dense(catalog, name, precision, dense):
    """Data sheets print the sparse figure, twice (Trainium: four times) the dense one."""
    assert catalog.accelerators[name].tflops[precision] == pytest.approx(dense, rel=0.005)


@pytest.mark.parametrize(
    ("name", "precision"),
    [
        ("a100-80-sxm", "fp8"),
        ("a100-80-sxm", "fp4"),
        ("h100-sxm", "fp4"),
        ("b300-sxm", "int8"),
        ("gb300", "int8"),
        ("mi300x", "fp4"),
        ("t4", "bf16"),
        ("tpu-v5e", "fp8"),
    ],
)
def test_what_is_missing_is_unsupported(catalog, name, precision):
    """A100 has no FP8, B300's INT8 was all but removed: they are absent, not small."""
    accelerator = catalog.accelerators[name]
    assert not accelerator.supports(precision)
    assert precision not in accelerator.tflops


def test_a_t4_computes_in_fp16(catalog):
    """Without BF16 the 16-bit rate is FP16's."""
    assert catalog.accelerators["t4"].half_tflops == 65
    assert catalog.accelerators["h100-sxm"].half_tflops == 989


@pytest.mark.parametrize(
    ("name", "one_direction"), [("a100-80-sxm", 300), ("h100-sxm", 450), ("b200-sxm", 900)]
)
def test_scale_up_bandwidth_counts_one_direction(catalog, name, one_direction):
    """NVLink 4 is sold as 900 GB/s, the sum of both directions."""
    assert catalog.accelerators[name].scale_up_gb_s == one_direction


@pytest.mark.parametrize("name", ["gb200", "gb300"])
def test_a_rack_is_one_scale_up_domain(catalog, name):
    """72 accelerators share NVLink in an NVL72."""
    assert catalog.accelerators[name].scale_up_domain == 72


def test_pcie_follows_its_generation(catalog):
    """x16 links carry 16, 32, 64 GB/s per direction from generation 3 to 5."""
    speeds = {n: catalog.accelerators[n].pcie_gb_s for n in ("t4", "l40s", "h100-sxm")}
    assert speeds == {"t4": 16, "l40s": 32, "h100-sxm": 64}


@pytest.mark.parametrize("name", ["xeon6-6980p", "epyc-9965"])
def test_cpu_sockets_are_usable_and_marked_weak(catalog, name):
    """A socket has memory and a 16-bit rate, derived, so low in confidence and explained."""
    socket = catalog.accelerators[name]
    assert socket.kind == "cpu"
    assert socket.memory_bytes >= 512 * GIB
    assert socket.half_tflops is not None
    for field in ("memory_bytes", "tflops.bf16"):
        provenance = socket.provenance(field)
        assert provenance.confidence == "low"
        assert provenance.note


def test_amx_peak_is_cores_times_operations_times_clock(catalog):
    """128 cores x 1,024 BF16 operations per cycle x 2.0 GHz."""
    derived = 128 * 1024 * 2.0e9 / 1e12
    assert catalog.accelerators["xeon6-6980p"].tflops["bf16"] == pytest.approx(derived, rel=0.001)


def test_price_is_the_middle_of_its_range(catalog):
    """H100: 22,000 to 40,000 USD; TPUs are not sold."""
    assert catalog.accelerators["h100-sxm"].price_usd == 31_000
    assert catalog.accelerators["tpu-v6e"].price_usd is None


def test_unknown_power_is_a_marked_estimate(catalog):
    """Google publishes no TDP: the figure is there to plan with, low in confidence."""
    for name in ("tpu-v5e", "tpu-v5p", "tpu-v6e", "tpu-7x", "trainium2", "inferentia2"):
        provenance = catalog.accelerators[name].provenance("tdp_w")
        assert provenance.confidence == "low"
        assert provenance.note


def test_an_unknown_name_offers_close_ones(catalog):
    """A typo is answered with what was meant."""
    with pytest.raises(UnknownEntry, match="h100-sxm"):
        catalog.accelerators["h100-smx"]
    assert "h100-smx" not in catalog.accelerators
    assert catalog.accelerators.get("h100-smx") is None


def test_unknown_entry_is_a_lookup_error(catalog):
    """Callers may catch LookupError."""
    with pytest.raises(LookupError):
        catalog.accelerators["nothing-like-it"]
