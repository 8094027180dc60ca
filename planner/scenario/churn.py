"""What runs already, and what changing it costs."""

from pydantic import Field

from planner.files import FileModel


class Standing(FileModel):
    """Replicas of the plan in force: `count` of a pool in one place, on servers of one kind."""

    pool: str = Field(description="Name of the pool, as in plan.json.")
    place: str = Field(description="Fabric domain, or rented place.")
    server: str = Field(description="Server id, with `@400w` for a power cap, as in plan.json.")
    count: int = Field(ge=0, description="Replicas.")
    placements: list[list[str]] = Field(
        default_factory=list,
        description="Where each stands, as in plan.json; kept there where it can be. Empty: anywhere.",
    )


class Churn(FileModel):
    """The plan in force and moves away from it. A move: a replica that starts where none of its pool ran."""

    in_force: list[Standing] = Field(
        default_factory=list,
        description="What runs now; `planner solve --from plan.json` fills it in. Empty: nothing, and no move"
        " is counted.",
    )
    usd_per_move: float = Field(
        default=0.0,
        ge=0,
        le=1e7,
        description="What starting a replica elsewhere costs once (weights loaded, caches cold, work), USD.",
    )
    over_h: float = Field(
        default=720.0, gt=0, description="Hours that the new plan will stand: what a move is spread over."
    )
    max_moves: int | None = Field(
        default=None, ge=0, description="The most moves. 0: only what runs may run, or less of it. None: any."
    )

    @property
    def micro_usd_per_h(self) -> int:
        """What one move costs per hour of the new plan, whole micro-USD."""
        return round(self.usd_per_move / self.over_h * 1e6)
