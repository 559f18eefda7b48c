"""On how many devices a recipe's training stages run, and how the model is shared out over them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from pipelines.config.parts import Block

Strategy = Literal["ddp", "fsdp2", "zero2", "zero3"]


class Launch(Block):
    """How ``accelerate launch`` starts the stages that train; the others run once, in one process.

    ``ddp`` keeps the whole model in each process (torch's DistributedDataParallel), ``fsdp2`` shares weights, gradients and
    optimizer out over them (torch's ``fully_shard``), ``zero2`` and ``zero3`` do so with DeepSpeed.
    """

    strategy: Strategy = "fsdp2"
    processes: int = Field(default=1, ge=1)  # in all, as accelerate counts them: one a device
    nodes: int = Field(default=1, ge=1)  # machines, with as many processes each
    options: dict[
        str, Any
    ] = {}  # of ``accelerate launch``: without their ``fsdp_`` for fsdp2, DeepSpeed's for zero2 and zero3
    # What a queue is asked for; a run that is cut off goes on when it is queued again.
    hours: float = Field(default=24.0, gt=0)
    gpu: str | None = None  # the kind of device, as Slurm's and SkyPilot's users call it (``h100``)

    @model_validator(mode="after")
    def _is_even(self) -> Launch:
        if self.processes % self.nodes:
            raise ValueError(f"{self.processes} processes cannot be shared evenly by {self.nodes} nodes")
        return self

    @property
    def processes_per_node(self) -> int:
        """Processes on each machine."""
        return self.processes // self.nodes

    @property
    def needs_launcher(self) -> bool:
        """Whether a stage has to be started by accelerate: in several processes, or sharded even in one."""
        return self.processes > 1 or self.strategy != "ddp"
