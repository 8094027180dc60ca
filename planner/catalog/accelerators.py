"""One chip SKU: what it holds, moves, computes and draws."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from planner.catalog.prices import PriceRange
from planner.catalog.provenance import CatalogEntry
from planner.files import FieldProblem

BYTES_PER_MIB = 2**20
MIB_PER_GIB = 2**10
BYTES_PER_GB = 10**9

Precision = Literal["fp32", "tf32", "fp16", "bf16", "fp8", "int8", "fp4"]
Cooling = Literal["air", "liquid", "both"]


Rate = Annotated[float, Field(gt=0, le=1e9)]
"""A positive figure; the limit keeps slips of the finger out (a whole WSE-3 moves 2.1e7 GB/s)."""

Watts = Annotated[float, Field(gt=0, le=1e6)]
"""Power of one device or server; racks of 72 are rated 230 kW, a WSE-3 23 kW."""


class Accelerator(CatalogEntry):
    """An accelerator: GPU, TPU, other ASIC, or a CPU socket.

    Rates are dense, bandwidths one direction. What is not there is not supported (`tflops`) or not
    known (None).
    """

    kind_name: ClassVar[str] = "accelerator"

    vendor: str = Field(description="who makes it")
    kind: Literal["gpu", "tpu", "cpu", "asic"] = Field(description="gpu, tpu, cpu or asic")
    memory_gib: Rate | None = Field(
        default=None, description="usable memory in GiB; a vendor's '80 GB' is 80 GiB"
    )
    memory_gb: Rate | None = Field(
        default=None, description="memory in GB (1e9 bytes), where that is the known figure"
    )
    memory_bandwidth_gb_s: Rate = Field(description="memory bandwidth, GB/s")
    tflops: Mapping[Precision, Rate] = Field(
        description="dense TFLOPS (TOPS for int8) by precision; absent: unsupported"
    )
    tdp_w: Watts = Field(description="largest sustained power of one accelerator, W")
    idle_w: float | None = Field(default=None, ge=0, description="power when idle, W")
    scale_up_gb_s: Rate | None = Field(
        default=None, description="NVLink, ICI, XGMI ... per accelerator, one direction, GB/s"
    )
    scale_up_domain: int = Field(gt=0, le=1_000_000, description="accelerators joined by the scale-up links")
    pcie_gb_s: Rate | None = Field(default=None, description="host link, one direction, GB/s")
    cooling: Cooling = Field(description="air, liquid or both")
    form_factor: str = Field(default="", description="SXM5, OAM, PCIe ...")
    release_date: str | None = Field(default=None, description="first availability")
    price_range: PriceRange | None = Field(
        default=None, alias="price_usd", description="street price, USD: a number or {low, high}"
    )
    rent_usd_per_h: float | None = Field(
        default=None, ge=0, le=1e6, description="a cloud's on-demand price of one accelerator"
    )

    @model_validator(mode="after")
    def _idle_below_peak(self) -> "Accelerator":
        if self.idle_w is not None and self.idle_w > self.tdp_w:
            found = f"{self.idle_w:g} W idle of {self.tdp_w:g} W"
            raise FieldProblem(found, "idle_w not above tdp_w", at=("idle_w",))
        return self

    @model_validator(mode="after")
    def _one_memory(self) -> "Accelerator":
        if (self.memory_gib is None) == (self.memory_gb is None):
            found = "neither" if self.memory_gib is None else "both"
            raise FieldProblem(
                f"{found} of memory_gib and memory_gb",
                "exactly one of them",
                "GPU memory sold as '80 GB' is memory_gib: 80",
            )
        return self

    @property
    def memory_bytes(self) -> int:
        """Usable memory in bytes."""
        if self.memory_gib is not None:
            # Drivers report whole MiB.
            return round(self.memory_gib * MIB_PER_GIB) * BYTES_PER_MIB
        return round((self.memory_gb or 0.0) * BYTES_PER_GB)

    @property
    def price_usd(self) -> float | None:
        """Middle of the street price range, None when not sold or not known."""
        return self.price_range.middle_usd if self.price_range is not None else None

    @property
    def half_precision(self) -> Precision | None:
        """The 16-bit precision it computes in: bf16, fp16 where there is no bf16 (T4, Groq), or none."""
        return next((precision for precision in ("bf16", "fp16") if precision in self.tflops), None)

    @property
    def half_tflops(self) -> float | None:
        """Dense TFLOPS in `half_precision`."""
        return None if self.half_precision is None else self.tflops[self.half_precision]

    def supports(self, precision: str) -> bool:
        """Return whether the accelerator computes at `precision`."""
        return precision in self.tflops

    def value_behind(self, field: str) -> str:
        """Return the written value behind memory_bytes, half_tflops and price_range_usd."""
        if field == "memory_bytes":
            return "memory_gib" if self.memory_gib is not None else "memory_gb"
        if field == "price_range_usd":
            return "price_usd"
        if field == "half_tflops":
            return f"tflops.{self.half_precision}"
        return field
