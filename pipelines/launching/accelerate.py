"""What ``accelerate launch`` is told of a recipe's ``launch`` block, and which machine of a run this one is."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from typing import Any

from corpora.errors import nearest
from pipelines.config import Launch, RecipeError

FSDP_FIXED = {"version", "state_dict_type"}  # options that this page sets itself
ZERO_OPTIONS = {
    "offload_optimizer_device",
    "offload_param_device",
    "offload_optimizer_nvme_path",
    "offload_param_nvme_path",
    "zero3_init_flag",
}


@dataclass(frozen=True)
class Node:
    """This machine among those of a run."""

    rank: int = 0
    rendezvous: str | None = None  # HOST:PORT of the first machine

    @property
    def leads(self) -> bool:
        """Whether this machine runs what is run once."""
        return self.rank == 0


ALONE = Node()


def known_options(launch: Launch) -> set[str]:
    """Names that ``launch.options`` may have for its strategy."""
    if launch.strategy == "ddp":
        return set()
    if launch.strategy != "fsdp2":
        return ZERO_OPTIONS
    from accelerate.commands.launch import launch_command_parser

    names = vars(launch_command_parser().parse_args(["script"]))
    return {name.removeprefix("fsdp_") for name in names if name.startswith("fsdp_")} - FSDP_FIXED


def check_options(launch: Launch) -> None:
    """Raises RecipeError when an option is not one of the strategy's."""
    known = known_options(launch)
    for name in launch.options:
        if name not in known:
            hint = nearest(name, sorted(known)) if known else "ddp has none: see the ddp_ fields of a training block"
            raise RecipeError(f"launch.options: '{name}' is no option of {launch.strategy}; {hint}")


def accelerate_arguments(launch: Launch, node: Node, on_gpu: bool) -> list[str]:
    """The arguments of ``accelerate launch`` for this machine, before the module that is run.

    On a processor the same launchers are used as for GPUs (accelerate's own for processors wants MPI), with gloo between processes.
    """
    values: dict[str, Any] = {
        "num_processes": launch.processes,
        "num_machines": launch.nodes,
        "machine_rank": node.rank,
        "mixed_precision": "no",  # the stage's own training block says it
        "dynamo_backend": "no",
        "main_process_port": 0,
        "max_restarts": 0,
    }
    if launch.nodes > 1:
        assert node.rendezvous is not None
        host, _, port = node.rendezvous.rpartition(":")
        values |= {"main_process_ip": host, "main_process_port": port}
    if launch.strategy == "fsdp2":
        defaults = {
            "auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
            # Weights that only the first process has read are empty elsewhere until training starts, which what computes
            # before it (the reference of dpo) would not notice.
            "cpu_ram_efficient_loading": False,
        }
        options = {**defaults, **launch.options, "version": 2, "state_dict_type": "SHARDED_STATE_DICT"}
        values |= {f"fsdp_{name}": value for name, value in options.items()}
    elif launch.strategy != "ddp":
        values |= {**launch.options, "zero_stage": int(launch.strategy[-1])}
    flag = {"ddp": "--multi_gpu", "fsdp2": "--use_fsdp"}.get(launch.strategy, "--use_deepspeed")
    threads = max(1, len(os.sched_getaffinity(0)) // launch.processes_per_node) if not on_gpu else 1
    values["num_cpu_threads_per_process"] = threads
    given = [part for name, value in values.items() for part in (f"--{name}", str(value))]
    return [flag, *given]


def deepspeed_is_there() -> bool:
    """Whether the package that zero2 and zero3 need is installed."""
    return importlib.util.find_spec("deepspeed") is not None
