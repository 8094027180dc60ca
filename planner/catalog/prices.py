"""A price as people know it: one figure, or a range."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator

from planner.files import FieldProblem, FileModel


class PriceRange(FileModel):
    """Lowest and highest price seen, USD. In a file one number stands for both."""

    low: float = Field(ge=0, le=1e10, description="lowest price, USD")
    high: float = Field(ge=0, le=1e10, description="highest price, USD")

    @model_validator(mode="before")
    @classmethod
    def _one_number(cls, data: Any) -> Any:
        if isinstance(data, Mapping | PriceRange):
            return data
        if isinstance(data, bool):
            raise FieldProblem(str(data).lower(), "a number, or {low, high}")
        return {"low": data, "high": data}

    @model_validator(mode="after")
    def _ordered(self) -> "PriceRange":
        if self.low > self.high:
            raise FieldProblem(f"low {self.low} above high {self.high}", "low not above high")
        return self

    @property
    def middle_usd(self) -> float:
        """Middle of the range, USD."""
        return (self.low + self.high) / 2
