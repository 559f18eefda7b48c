"""What a stage of a recipe asks for, read from its block, Osler's defaults and the trainer's own: nothing is loaded but configs."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import try_to_load_from_cache

from pipelines import loading, training
from pipelines.config import Corpus, Lora, Recipe, Strategy, training_class
from pipelines.config.models import own_folder
from pipelines.plan.architectures import Shape, built, shape_of
from pipelines.plan.devices import Devices, libraries
from pipelines.plan.memory import Load, Numbers
from pipelines.plan.workload import Work
from serving.hardware import fast_bfloat16

PAIRS = ("dpo", "orpo", "reward")  # kinds whose rows are two sequences


@dataclass(frozen=True)
class Settings:
    """What of a stage's block its memory depends on, and what a remedy may change."""

    batch: int
    accumulation: int
    checkpointing: bool
    length: int | None  # tokens to which sequences are cut
    lora: Lora | None
    bits: int
    strategy: Strategy
    processes: int


def launch_of(recipe: Recipe, where: Devices) -> tuple[Strategy, int]:
    """How the processes of a stage share the model, and their number: the devices', or the launch block's on a processor."""
    strategy: Strategy = recipe.launch.strategy if recipe.launch is not None else "ddp"
    own = recipe.launch.processes if recipe.launch is not None else 1
    return strategy, where.count if where.kind == "gpu" else own


def bits_of(stage: Any) -> int:
    """Bits of a frozen weight: 4 or 8 where a quantization block asks for it, else 16 (and 32 on a processor)."""
    block = getattr(stage, "quantization", None)
    if block is None:
        return 16
    return 4 if getattr(block, "load_in_4bit", False) else 8


def corpora_of(recipe: Recipe, stage: Any) -> list[Corpus]:
    """What a training stage reads; the rows of an anchor are counted by step and are not among it."""
    if getattr(stage, "tokens", None) is not None:
        return list(recipe.stages[stage.tokens].corpora)  # type: ignore[union-attr]
    if hasattr(stage, "preferences"):
        return [stage.preferences]
    return [corpus for field in ("corpora", "items", "prompts") for corpus in getattr(stage, field, [])]


def value_of(stage: Any, key: str) -> Any:
    """A value of the stage's training block, or Osler's default, or the trainer's own."""
    own: dict[str, Any] = getattr(importlib.import_module(f"pipelines.{stage.kind}"), "DEFAULTS", {})
    given = {**training.DEFAULTS, **own, **stage.training}
    if key in given:
        return given[key]
    default = {one.name: one for one in dataclasses.fields(training_class(stage.kind))}.get(key)
    return None if default is None or default.default is dataclasses.MISSING else default.default


def settings_of(recipe: Recipe, stage: Any, where: Devices) -> Settings:
    """What the stage's block, Osler and the trainer say together."""
    strategy, processes = launch_of(recipe, where)
    batch, in_all = value_of(stage, "per_device_train_batch_size"), getattr(stage, "global_batch", None)
    accumulation = value_of(stage, "gradient_accumulation_steps")
    if in_all is not None:  # rows of an optimizer step, in any number of processes
        accumulation = max(1, in_all // (batch * processes))
    return Settings(
        batch=batch,
        accumulation=accumulation,
        checkpointing=bool(value_of(stage, "gradient_checkpointing")),
        length=getattr(stage, "sequence_length", None) or value_of(stage, "max_length"),
        lora=getattr(stage, "lora", None),
        bits=bits_of(stage),
        strategy=strategy,
        processes=processes,
    )


def place_of(name: str) -> str:
    """A model's folder, where its files are at hand, else its id without where it is fetched from; nothing is fetched."""
    folder = own_folder(name)
    if folder is not None:
        return str(folder)
    identifier = name.removeprefix("modelscope:").partition("@")[0]
    config = try_to_load_from_cache(identifier, "config.json")
    return str(Path(config).parent) if isinstance(config, str) else identifier


def shape_named(recipe: Recipe, name: str) -> Shape:
    """The shape of a model that a stage names: the base's, a known one's, or what an earlier stage makes of one.

    Raises:
        RecipeError: it is not known.
    """
    stage: Any = recipe.stages.get(name)
    if stage is None:
        if name == "base":
            assert recipe.base_model is not None
            name = recipe.base_model
        return shape_of(place_of(name))
    if stage.kind == "init":
        config = {"model_type": "qwen3", "vocab_size": stage.vocab_size, **stage.architecture}
        return built(config, name, f"stages.{name}.architecture")
    if stage.kind == "extend":
        return shape_named(recipe, stage.model).extended(stage.tokens)
    return shape_named(recipe, next(iter(stage.models)) if stage.kind == "merge" else stage.model)


def packed_length(stage: Any, chosen: Settings) -> int | None:
    """Tokens of a row that several dialogues fill; None where each has its own row, or as many tokens as it likes."""
    return chosen.length if value_of(stage, "packing") else None


def load_of(recipe: Recipe, stage: Any, chosen: Settings, work: Callable[[], Work], where: Devices) -> Load:
    """What a training stage's memory depends on; ``work`` is asked only where the length of its rows is the data's."""
    shape = shape_named(recipe, stage.model)
    pairs = 2 if stage.kind in PAIRS else 1
    rows = chosen.batch * pairs
    if hasattr(stage, "sequence_length"):
        length = chosen.length or stage.sequence_length
        labelled = rows * length
    else:
        length, labelled = work().batch(rows, chosen.length)
        if full := packed_length(stage, chosen):
            length, labelled = full, round(labelled * full / length)
    if stage.kind == "reward":
        labelled = 0  # it has one output in the place of a vocabulary
    numbers: Numbers = "mixed" if where.kind == "gpu" or fast_bfloat16() else "float32"
    sharded = chosen.strategy != "ddp" and chosen.processes > 1
    if where.kind == "gpu" and (chosen.lora is not None or sharded):
        numbers = "bfloat16"  # of the frozen base (pipelines/training/adapters.py, load_base), and of layers that are gathered
    if value_of(stage, "use_liger_kernel"):
        head = "fused"
    elif stage.kind in ("mlm", "orpo") or (stage.kind == "cpt" and where.kind == "cpu"):
        head = "all"
    else:
        head = "tiled" if where.kind == "gpu" else "labelled"
    name = value_of(stage, "optim") if getattr(stage, "optimizer", "adamw") == "adamw" else stage.optimizer
    optimizer = "adamw_8bit" if "8bit" in str(name) else str(name) if str(name) in ("muon", "sgd") else "adamw"
    anchor = getattr(stage, "anchor", None)
    return Load(
        shape=shape,
        numbers=numbers,
        device=where.kind,
        rows=rows,
        length=length,
        labelled=labelled,
        head=head,  # type: ignore[arg-type]
        adapter=None if chosen.lora is None else shape.adapter(chosen.lora),
        adapter_rank=0 if chosen.lora is None else chosen.lora.r,
        bits=chosen.bits,
        checkpointing=chosen.checkpointing,
        kernels="liger" if head == "fused" else "compiled" if value_of(stage, "torch_compile") else "plain",
        # Blocks of running text are full. On a GPU the rows of a packed batch are told apart without a mask, and the stages whose loss is the
        # fused head's drop that of rows padded on the right (pipelines/training/attention.py).
        masked=stage.kind != "cpt"
        and not (where.kind == "gpu" and (value_of(stage, "packing") or stage.kind in ("sft", "dpo", "kto"))),
        accumulation=chosen.accumulation,
        optimizer=optimizer,
        strategy=chosen.strategy,
        processes=chosen.processes,
        anchor_rows=0 if anchor is None else anchor.rows,
        anchor_length=0 if anchor is None else anchor.sequence_length,
        teacher=None if anchor is None else shape_named(recipe, anchor.model),
        framework=libraries() if where.kind == "cpu" else 0,
    )


def tokenizer_of(recipe: Recipe) -> Any | None:
    """The base model's tokenizer where its folder is at hand."""
    if recipe.base_model is None:
        return None
    place = Path(place_of(recipe.base_model))
    return loading.load_tokenizer(place) if (place / "tokenizer.json").is_file() else None
