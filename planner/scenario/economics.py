"""Prices of owning things: how purchases become USD per hour."""

from pydantic import Field

from planner.files import FileModel

HOURS_PER_YEAR = 8760.0


class Economics(FileModel):
    """How purchases become USD per hour. Defaults are stated with their sources."""

    life_years: float = Field(
        default=5.0,
        gt=0,
        description="Years over which a bought server is written off. Default: AWS since 2025"
        " (Meta 5.5, Alphabet and Microsoft 6; market debate 3).",
    )
    network_adder: float = Field(
        default=0.13,
        ge=0,
        description="Optics, switches and cabling as a share of the server's price. Default: hidden"
        " cluster adders of 10-15 % of hardware; networking is 13 % of AI data-centre capex.",
    )
    infrastructure_usd_per_kw: float = Field(
        default=11_700.0,
        ge=0,
        description="Building, power and cooling of one kW of critical IT, USD. Default: mean of 19"
        " US markets, 11.7 M USD/MW (Cushman & Wakefield 2025).",
    )
    infrastructure_life_years: float = Field(
        default=20.0,
        gt=0,
        description="Years over which building, power and cooling are written off. Default: lower"
        " end of the 20-39 years hyperscalers report for buildings.",
    )
    maintenance_share_per_year: float = Field(
        default=0.04,
        ge=0,
        description="Staff, maintenance and insurance per year as a share of the server's price."
        " Default: middle of 3-5 % (common planning figure, not verified).",
    )
    carbon_usd_per_kg: float = Field(
        default=0.0, ge=0, description="Price of carbon, USD per kg CO2. Default: none."
    )
