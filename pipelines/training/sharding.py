"""What training in several processes needs to know: who is first, the order of rows, and the whole of a sharded model."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import torch
from accelerate import PartialState, init_empty_weights
from accelerate.utils import DistributedType, parse_flag_from_env
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.fsdp import FSDPModule
from torch.utils.data import RandomSampler, Sampler
from transformers import Trainer
from transformers.trainer_pt_utils import LengthGroupedSampler, get_length_grouped_indices

from corpora.errors import OslerError
from pipelines.artifact import Draft
from pipelines.config import RecipeError, TrainingStage


class LaunchError(OslerError):
    """Processes that could not be started or cannot train together, or one of which has failed."""


def processes() -> int:
    """Processes that train together."""
    return torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1


def rank() -> int:
    """Number of this process among them; the first, 0, writes what is written once."""
    return torch.distributed.get_rank() if torch.distributed.is_initialized() else 0


def wait_for_all() -> None:
    """Returns when every process has come here."""
    if torch.distributed.is_initialized():
        torch.distributed.barrier()


def told_by_first(value: Any) -> Any:
    """What the first process passed, in all of them."""
    box = [value]
    if torch.distributed.is_initialized():
        torch.distributed.broadcast_object_list(box, src=0)
    return box[0]


def mean_over_processes(value: float) -> float:
    """The mean of what the processes passed."""
    if not torch.distributed.is_initialized():
        return value
    total = torch.tensor(value, dtype=torch.float64, device=PartialState().device)
    torch.distributed.all_reduce(total)
    return float(total) / processes()


def shared_out(stage: TrainingStage, count: int) -> TrainingStage:
    """The stage with its ``global_batch`` shared out over ``count`` processes as accumulation steps.

    Raises:
        RecipeError: it cannot be shared out evenly, or the stage's block says the same thing twice.
    """
    if stage.global_batch is None:
        return stage
    given = stage.training
    if "gradient_accumulation_steps" in given or "per_device_train_batch_size" not in given:
        raise RecipeError(
            "a stage with a global_batch states training.per_device_train_batch_size (rows that a device holds at a time) and "
            "no training.gradient_accumulation_steps, which follows from it"
        )
    at_once = given["per_device_train_batch_size"] * count
    if stage.global_batch % at_once:
        raise RecipeError(
            f"global_batch {stage.global_batch} cannot be made of {count} processes with "
            f"{given['per_device_train_batch_size']} rows each (training.per_device_train_batch_size); make it a multiple of {at_once}"
        )
    steps = stage.global_batch // at_once
    return stage.model_copy(update={"training": {**given, "gradient_accumulation_steps": steps}})


class GlobalOrder(Sampler[int]):
    """Rows in an order that depends on the seed and the epoch alone, cut to whole optimizer steps.

    Trainer's own order depends on how a step is cut into processes and accumulation, and the last step of an epoch on it as well;
    with this one a run goes on with the same rows after a change of either. What is left over of an epoch is another part of the
    rows in the next. Where the trainer would group rows by length, rows of similar length are next to each other here too.
    """

    def __init__(self, trainer: Trainer, rows: int, batch: int, lengths: list[int] | None) -> None:
        if rows < batch:
            raise RecipeError(f"global_batch is {batch} and there are {rows} rows; lower it")
        self.trainer, self.rows, self.batch, self.lengths = trainer, rows, batch, lengths

    def __len__(self) -> int:
        return self.rows // self.batch * self.batch

    def __iter__(self) -> Iterator[int]:
        # Every epoch has the same number of steps, so that a resumed trainer knows its epoch by its step.
        epoch = self.trainer.state.global_step // (len(self) // self.batch)
        generator = torch.Generator().manual_seed(self.trainer.args.seed + epoch)
        order = torch.randperm(self.rows, generator=generator).tolist()[: len(self)]
        if self.lengths is not None:
            lengths = [self.lengths[row] for row in order]
            order = [order[place] for place in get_length_grouped_indices(lengths, self.batch, generator=generator)]
        return iter(order)


def order_globally(trainer: Trainer, batch: int | None) -> None:
    """Makes ``trainer`` read its rows in ``GlobalOrder``, unless it has an order of its own (as GRPO's, which repeats prompts)."""
    if batch is None:
        return
    sampler = trainer._get_train_sampler()
    if not isinstance(sampler, (RandomSampler, LengthGroupedSampler)):
        return
    lengths = sampler.lengths if isinstance(sampler, LengthGroupedSampler) else None
    order = GlobalOrder(trainer, len(sampler), batch, lengths)
    trainer._get_train_sampler = lambda dataset=None: order


def check_format(checkpoint: Path, trainer: Trainer) -> None:
    """Raises LaunchError when the trainer cannot read a checkpoint: of another strategy, or DeepSpeed's of other processes."""
    shares = len(list(checkpoint.glob("global_step*/*zero_pp_rank_*_optim_states.pt")))  # DeepSpeed's, one a process
    if (checkpoint / "pytorch_model_fsdp_0").is_dir():
        written, own = "fsdp2", trainer.is_fsdp_enabled
    elif shares:
        written = f"DeepSpeed (zero2 or zero3) in {shares} processes"
        own = trainer.is_deepspeed_enabled and processes() == shares
    else:
        written = "one process or ddp"
        own = not trainer.is_fsdp_enabled and not trainer.is_deepspeed_enabled
    if not own:
        raise LaunchError(
            f"{checkpoint} was written with {written}, which this run is not: go on with that (launch.strategy, or --launch and "
            f"--processes), or delete {checkpoint.parent} to begin the stage anew"
        )


def on_processors() -> dict[str, Any]:
    """The fields of a trainer's config that keep it on processors."""
    # accelerate takes a run that is told to use processors for one without DeepSpeed; without a GPU it finds them by itself.
    return {"ddp_backend": "gloo"} if parse_flag_from_env("ACCELERATE_USE_DEEPSPEED") else {"use_cpu": True}


def shard_on_processors(args: Any) -> None:
    """Lets accelerate share a model out over processors.

    accelerate 1.15 starts FSDP for GPUs and other accelerators only, though all that it calls works with gloo. The device of
    the processes is set by now, so that the kind that it is told is looked at for nothing else.
    """
    state = PartialState()
    if parse_flag_from_env("ACCELERATE_USE_FSDP") and state.distributed_type == DistributedType.MULTI_CPU:
        assert args.device.type == "cpu"
        PartialState._shared_state["distributed_type"] = DistributedType.MULTI_GPU


def keep_losses_fine(trainer: Trainer) -> None:
    """Keeps FSDP from rounding what the model gives back, the loss among it, to bfloat16; call it before training.

    accelerate 1.15 casts the outputs of every sharded module to the type of the weights in mixed precision. A loss of 9.05 came back
    as 9.0625, so that a curve moved in steps and a small gain could not be seen. What a module computes stays as it is without the cast.
    """
    plugin = getattr(trainer.accelerator.state, "fsdp_plugin", None)
    if plugin is not None and plugin.mixed_precision_policy is not None:
        plugin.mixed_precision_policy = replace(plugin.mixed_precision_policy, output_dtype=None)


def dataset(rows: list[dict[str, Any]], draft: Draft) -> datasets.Dataset:
    """The rows as trainers read them; several processes share one folder, where what one has worked out of them is read by all.

    TRL keeps tokens and the reference's log-probabilities beside the rows, in the first process, and looks for them there in the
    others. They are there for a resumed run as well.
    """
    found = datasets.Dataset.from_list(rows)
    if processes() == 1:
        return found
    folder = draft.checkpoints / "rows"
    if rank() == 0 and not folder.is_dir():
        fresh = folder.with_name("rows.new")
        shutil.rmtree(fresh, ignore_errors=True)
        found.save_to_disk(fresh)
        fresh.rename(folder)
    wait_for_all()
    return datasets.load_from_disk(folder)


def is_sharded(model: Any) -> bool:
    """Whether this process holds a part of the weights only."""
    return isinstance(model, FSDPModule) or any(hasattr(weight, "ds_id") for weight in model.parameters())


def whole(model: Any) -> Any:
    """The model with all of its weights, in the first process; None in the others. Every process has to call it.

    A sharded model is gathered into a new one of the same class in the memory of the first process.
    """
    if not is_sharded(model):
        return model if rank() == 0 else None
    state = _gathered(model)
    if rank() != 0:
        return None
    found = _empty_like(model)
    found.load_state_dict(state, assign=True)
    if hasattr(found, "tie_weights"):
        found.tie_weights()
    return found.train(model.training)


def _gathered(model: Any) -> dict[str, Any]:
    """All weights of a sharded model by name, in the first process; nothing in the others."""
    if not any(hasattr(weight, "ds_id") for weight in model.parameters()):
        return dict(get_model_state_dict(model, options=StateDictOptions(full_state_dict=True, cpu_offload=True)))
    import deepspeed

    state = {}
    for name, weight in model.state_dict(keep_vars=True).items():
        with deepspeed.zero.GatheredParameters([weight] if hasattr(weight, "ds_id") else []):
            if rank() == 0:
                state[name] = weight.detach().cpu().clone()
    return state


def _empty_like(model: Any) -> Any:
    """A model of the same class and adapters without memory for its weights."""
    import peft

    plain = model.get_base_model() if isinstance(model, peft.PeftModel) else model
    # torch gives a sharded module a class of its own, made of FSDPModule and the module's.
    kind = type(plain).__bases__[1] if isinstance(plain, FSDPModule) else type(plain)
    with init_empty_weights(include_buffers=False):
        found = kind(plain.config)
        if isinstance(model, peft.PeftModel):
            found = peft.get_peft_model(
                found, model.peft_config[model.active_adapter], adapter_name=model.active_adapter
            )
    if getattr(plain, "generation_config", None) is not None:
        found.generation_config = plain.generation_config
    return found
