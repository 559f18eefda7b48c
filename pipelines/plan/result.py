"""What a plan says of a run and of each of its stages."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from pipelines.plan.devices import Devices
from pipelines.plan.memory import GIB, Memory


@dataclass
class StagePlan:
    """What one stage takes. Bytes are for each device, disk is for the run."""

    name: str
    kind: str
    model: str = ""
    parameters: int = 0
    trainable: int = 0
    memory: Memory | None = None
    tokens: float = 0.0
    steps: int = 0
    flops: float = 0.0
    hours: float = 0.0
    cost: float = 0.0
    disk: dict[str, int] = field(default_factory=dict)  # "model" and "data" stay, "checkpoints" go when the stage ends
    usable: int = 0
    remedies: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def fits(self) -> bool:
        """Whether its memory is there."""
        return self.memory is None or self.memory.peak <= self.usable

    @property
    def verdict(self) -> str:
        """One line."""
        if self.memory is None:
            return "needs little memory"
        room = (self.usable - self.memory.peak) / GIB
        if self.fits:
            return f"fits with {room:,.1f} GiB to spare"
        what = self.remedies[0] if self.remedies else "nothing that was tried makes it fit: take a smaller base_model"
        return f"does not fit: {-room:,.1f} GiB too much; {what}"

    def as_dict(self) -> dict[str, Any]:
        """For programs; bytes, tokens, operations, hours, US dollars."""
        found = dataclasses.asdict(self)
        if self.memory is not None:
            found["memory"] |= {"asked": self.memory.asked, "peak": self.memory.peak}
        return {**found, "fits": self.fits, "verdict": self.verdict}


@dataclass
class Plan:
    """What a recipe takes."""

    recipe: str
    devices: Devices
    stages: list[StagePlan]

    @property
    def hours(self) -> float:
        """Of all stages, one after the other."""
        return sum(stage.hours for stage in self.stages)

    @property
    def cost(self) -> float:
        """US dollars."""
        return sum(stage.cost for stage in self.stages)

    @property
    def disk(self) -> int:
        """Bytes at most."""
        return disk_of(self.stages)

    def as_dict(self) -> dict[str, Any]:
        """For programs; bytes, operations a second, hours, US dollars."""
        return {
            "recipe": self.recipe,
            "devices": {**dataclasses.asdict(self.devices), "label": self.devices.label},
            "hours": self.hours,
            "cost": self.cost,
            "disk": self.disk,
            "fits": all(stage.fits for stage in self.stages),
            "stages": [stage.as_dict() for stage in self.stages],
        }


def disk_of(stages: list[StagePlan]) -> int:
    """Bytes of all that stays, and of the checkpoints of the stage that has most."""
    stays = sum(size for stage in stages for what, size in stage.disk.items() if what != "checkpoints")
    return stays + max((stage.disk.get("checkpoints", 0) for stage in stages), default=0)
