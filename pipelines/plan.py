"""Memory, time, cost and disk of a run before it starts, and what to change where it does not fit.

Nothing is loaded but configs and texts: no weights, no GPU, no network. What is assumed is said in each stage's notes.
"""

from __future__ import annotations

import dataclasses
import importlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from huggingface_hub import try_to_load_from_cache

from pipelines import training
from pipelines.architectures import Shape, built, shape_of
from pipelines.compute import forward_flops, generation_hours, hours, muon_flops, training_flops
from pipelines.config import Corpus, Lora, Recipe, Strategy, TrainingStage, training_class
from pipelines.config.models import own_folder
from pipelines.data import Sources
from pipelines.devices import Devices, devices, libraries, table
from pipelines.memory import (
    FIRST_USE_BYTES,
    GIB,
    Load,
    Memory,
    Numbers,
    formats,
    kv_cache_bytes,
    memory,
    merge_bytes,
    state_bytes,
)
from pipelines.workload import SAMPLE, Work, Workload, sources_of
from serving.hardware import fast_bfloat16

VLLM_SHARE = 0.9  # of a GPU's memory, which vLLM takes whole (its gpu-memory-utilization)
VLLM_CPU_BYTES = 2 * GIB  # vLLM itself on a processor, beside weights and cache (serving/server.py: LEAST_MEMORY_GIB)
VLLM_CPU_CACHE = GIB  # VLLM_CPU_KVCACHE_SPACE of serving/server.py
AT_ONCE = {"cpu": 128, "gpu": 256}  # sequences that vLLM generates at once
PAIRS = ("dpo", "orpo", "reward")  # kinds whose rows are two sequences
KNOWN = ("cpt", "mlm", "sft", "dpo", "orpo", "reward")  # kinds whose step is planned as it is
MOST_GPUS = 512  # that a remedy offers


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
    if stage.kind == "reward":
        labelled = 0  # it has one output in the place of a vocabulary
    numbers: Numbers = "mixed" if where.kind == "gpu" or fast_bfloat16() else "float32"
    sharded = chosen.strategy != "ddp" and chosen.processes > 1
    if where.kind == "gpu" and (chosen.lora is not None or sharded):
        numbers = "bfloat16"  # of the frozen base (pipelines/adapters.py, load_base), and of layers that are gathered
    if value_of(stage, "use_liger_kernel"):
        head = "fused"
    elif hasattr(stage, "sequence_length") or stage.kind == "orpo":
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
        accumulation=chosen.accumulation,
        optimizer=optimizer,
        strategy=chosen.strategy,
        processes=chosen.processes,
        anchor_rows=0 if anchor is None else anchor.rows,
        anchor_length=0 if anchor is None else anchor.sequence_length,
        teacher=None if anchor is None else shape_named(recipe, anchor.model),
        framework=libraries() if where.kind == "cpu" else 0,
    )


def milder(chosen: Settings) -> Iterator[tuple[Settings, list[str]]]:
    """The settings with ever less memory for activations and the same tokens in an optimizer step, each with the keys to set."""
    for checkpointing in dict.fromkeys((chosen.checkpointing, True)):
        said = ["training.gradient_checkpointing: true"] if checkpointing != chosen.checkpointing else []
        batch = chosen.batch
        while batch >= 1:
            accumulation = math.ceil(chosen.batch * chosen.accumulation / batch)
            now = [
                *said,
                f"training.per_device_train_batch_size: {batch}",
                f"training.gradient_accumulation_steps: {accumulation}",
            ]
            found = replace(chosen, batch=batch, accumulation=accumulation, checkpointing=checkpointing)
            yield found, said if batch == chosen.batch else now
            batch //= 2


def larger_changes(chosen: Settings, where: Devices, has_lora: bool) -> Iterator[tuple[Settings, list[str]]]:
    """What else may be changed, from what leaves the result as it is to what does not: each with the keys to set."""
    yield chosen, []
    if where.kind == "gpu":
        count = where.count
        while count <= MOST_GPUS:
            sharded: tuple[Strategy, ...] = ("ddp",) if count == 1 else ("fsdp2", "zero3")
            for strategy in sharded:
                said = [] if count == where.count else [f"--gpus {count}x{where.name}"]
                if (strategy, count) != (chosen.strategy, where.count):
                    yield replace(chosen, strategy=strategy, processes=count), [*said, _launch(strategy, count)]
            count = 8 * math.ceil(2 * count / 8) if count >= 4 else 2 * count
    if not has_lora:
        return
    adapter = replace(chosen, lora=chosen.lora or Lora())
    said = [] if chosen.lora is not None else ["lora: {r: 16, lora_alpha: 32}"]
    if said:
        yield adapter, said
    if where.kind == "gpu" and where.count > 1 and chosen.strategy == "ddp":
        yield replace(adapter, strategy="fsdp2"), [*said, _launch("fsdp2", where.count)]
    if where.kind == "gpu" and chosen.bits == 16:
        yield replace(adapter, bits=4), [*said, "quantization: {load_in_4bit: true}"]


def _launch(strategy: Strategy, count: int) -> str:
    """The launch block for so many GPUs, at most eight in a node."""
    return f"launch: {{strategy: {strategy}, processes: {count}, nodes: {math.ceil(count / 8)}}}"


def remedies_of(
    chosen: Settings, peak: Callable[[Settings], int], where: Devices, has_lora: bool, length_key: str
) -> list[str]:
    """Changes of the recipe that make a stage fit, found by trying them; the mildest of each kind."""
    found: list[str] = []
    more_gpus = False
    for changed, keys in larger_changes(chosen, where, has_lora):
        if more_gpus and any(key.startswith("--gpus") for key in keys):
            continue  # the fewest more are enough
        for settings, further in milder(changed):
            size = peak(settings)
            if size <= where.usable:
                found.append(f"{', '.join([*keys, *further])} ({size / GIB:,.1f} GiB)")
                more_gpus = more_gpus or any(key.startswith("--gpus") for key in keys)
                break
    length = (chosen.length or 0) // 2
    while length >= 128:
        size = peak(replace(chosen, length=length))
        if size <= where.usable:
            found.append(f"{length_key}: {length} ({size / GIB:,.1f} GiB)")
            break
        length //= 2
    return found


def _checkpoints(stage: TrainingStage, load: Load) -> int:
    """Bytes of the checkpoints that a stage holds at once: those it keeps, and the one being written."""
    if str(value_of(stage, "save_strategy")) == "no":
        return 0
    weight, _, state = state_bytes(load)
    return int((weight + state) * load.trainable * ((value_of(stage, "save_total_limit") or 1) + 1))


def _steps(stage: TrainingStage, chosen: Settings, rows: float) -> tuple[int, float]:
    """Optimizer steps, and passes over the data."""
    in_a_step = chosen.batch * chosen.accumulation * chosen.processes
    given = value_of(stage, "max_steps") or -1
    epochs = float(value_of(stage, "num_train_epochs") or 1)
    steps = int(given) if given > 0 else math.ceil(epochs * math.ceil(rows / in_a_step))
    return steps, steps * in_a_step / max(1.0, rows)


def plan_training(recipe: Recipe, name: str, where: Devices, workload: Workload, whole: bool = True) -> StagePlan:
    """The plan of a stage that trains; with ``whole`` false, its memory and disk alone."""
    stage: Any = recipe.stages[name]
    chosen = settings_of(recipe, stage, where)

    def work() -> Work:
        return workload.of(corpora_of(recipe, stage))

    load = load_of(recipe, stage, chosen, work, where)
    shape = load.shape
    found = StagePlan(name, stage.kind, shape.name, shape.parameters, load.trainable, memory(load), usable=where.usable)
    found.disk = {"model": 2 * shape.parameters, "checkpoints": _checkpoints(stage, load)}
    if not found.fits:
        length_key = "sequence_length" if hasattr(stage, "sequence_length") else "training.max_length"
        found.remedies = remedies_of(
            chosen,
            lambda settings: memory(load_of(recipe, stage, settings, work, _of(where, settings))).peak,
            where,
            "lora" in type(stage).model_fields,
            length_key,
        )
    if not whole:
        return found
    done = work()
    found.notes = [*done.notes, formats(load)]
    if stage.kind not in KNOWN:
        found.notes.append(
            f"{name}: planned as the step of an sft or dpo stage; answers that it samples are not counted"
        )
    if hasattr(stage, "sequence_length"):
        kept = 1 - getattr(stage, "held_out", 0.0)
        rows, mean = done.tokens * kept // stage.sequence_length, float(stage.sequence_length)
    else:
        # A pair is two sequences of the model.
        rows = done.rows
        mean = min(done.tokens / max(1.0, done.rows), (chosen.length or math.inf) * (2 if stage.kind in PAIRS else 1))
    if load.adapter is not None:
        found.notes.append(
            f"{name}: the merge at its end takes {merge_bytes(shape) / GIB:,.1f} GiB of the machine's own memory"
        )
    found.steps, passes = _steps(stage, chosen, rows)
    found.tokens = passes * rows * mean
    sequence = mean / 2 if stage.kind in PAIRS else mean
    found.flops = found.tokens * training_flops(load, sequence)
    if stage.kind == "dpo":  # the reference's log-probabilities, once
        found.flops += rows * mean * forward_flops(shape, sequence)
    if load.teacher is not None:
        anchored = found.steps * load.anchor_rows * load.anchor_length * chosen.accumulation
        found.flops += anchored * training_flops(replace(load, checkpointing=False), load.anchor_length)
        found.flops += anchored * forward_flops(load.teacher, load.anchor_length)
    if load.optimizer == "muon":
        found.flops += found.steps * muon_flops(shape, stage.muon_steps)
    found.hours = hours(found.flops, where)
    return found


def _of(where: Devices, settings: Settings) -> Devices:
    return replace(where, count=settings.processes) if where.kind == "gpu" else where


def _for_vllm(where: Devices) -> int:
    """Bytes of a device that vLLM may take."""
    return int(where.usable * VLLM_SHARE) if where.kind == "gpu" else where.usable


# Bytes of a weight in vLLM's memory under its own `quantization` flag: 8 bits, and 4 bits with the scales of blocks of 64.
QUANTIZED = {"fp8": 1.0, "bitsandbytes": 0.5625}


def _serving(shape: Shape, tokens: int, where: Devices, flags: dict[str, Any]) -> tuple[Memory, int]:
    """The memory that vLLM takes of each device under its own ``flags``, and how many sequences of ``tokens`` tokens it works on at once.

    They are as many as fit into its cache, AT_ONCE at most.
    """
    width = 2 if where.kind == "gpu" or fast_bfloat16() else 4
    shards = int(flags.get("tensor-parallel-size", 1)) * int(flags.get("pipeline-parallel-size", 1))
    weights = int(QUANTIZED.get(str(flags.get("quantization")), width) * shape.parameters / shards)
    one = kv_cache_bytes(shape, tokens, width) // shards
    if where.kind == "cpu":
        cache = VLLM_CPU_CACHE
        parts = {"weights": weights, "KV cache": cache, "framework": VLLM_CPU_BYTES + libraries()}
    else:
        framework = GIB
        cache = max(one, _for_vllm(where) - weights - framework)
        parts = {"weights": weights, "KV cache": cache, "framework": framework}
    return Memory("while it generates", parts), max(1, min(AT_ONCE[where.kind], cache // max(1, one)))


def plan_sampling(recipe: Recipe, name: str, where: Devices, workload: Workload) -> StagePlan:
    """The plan of a stage that samples from a model through vLLM."""
    stage: Any = recipe.stages[name]
    own = stage.teacher.model if stage.kind == "synthesise" else stage.model
    if own is None:
        return StagePlan(
            name, stage.kind, notes=["the teacher answers elsewhere: `osler corpora synthesise --estimate`"]
        )
    shape = shape_named(recipe, own)
    if stage.kind == "replay":
        sequences, prompt, longest = float(stage.documents), 1.0, stage.max_tokens
        notes = [f"{name}: at most, all of max_tokens"]
    else:
        corpora = [stage.prompts or stage.items] if stage.kind == "preferences" else sources_of(stage)
        work = workload.of(corpora)
        longest = stage.max_tokens if stage.kind == "preferences" else stage.teacher.max_tokens
        sequences = work.rows * (stage.samples if stage.kind == "preferences" else 1)
        prompt = work.tokens / max(1.0, work.rows)
        notes = [*work.notes, f"{name}: at most, all of max_tokens"]
    flags = stage.teacher.vllm if stage.kind == "synthesise" else stage.vllm
    needed, at_once = _serving(shape, round(prompt) + longest, where, flags)
    usable = _for_vllm(where)
    found = StagePlan(name, stage.kind, shape.name, shape.parameters, 0, needed, usable=usable, notes=notes)
    if not found.fits and where.kind == "gpu":
        others = sorted((devices(f"{where.count}x{kind}") for kind in table()), key=lambda other: other.usable)
        larger = [
            one for one in others if _serving(shape, round(prompt) + longest, one, flags)[0].peak <= _for_vllm(one)
        ]
        found.remedies = [f"--gpus {larger[0].label}"] if larger else []
        for size in (2, 4, 8):
            cut = {**flags, "tensor-parallel-size": size}
            if size <= where.count and _serving(shape, round(prompt) + longest, where, cut)[0].peak <= usable:
                found.remedies.insert(0, f"`vllm: {{tensor-parallel-size: {size}}}` in the {name} stage")
                break
        else:
            if (
                _serving(shape, round(prompt) + longest, where, {**flags, "quantization": "bitsandbytes"})[0].peak
                <= usable
            ):
                found.remedies.insert(0, f"`vllm: {{quantization: bitsandbytes}}` in the {name} stage")
    found.tokens = sequences * longest
    found.flops = sequences * (prompt + longest) * forward_flops(shape, prompt + longest)
    found.hours = generation_hours(shape, sequences, prompt, longest, at_once, where)
    found.disk = {"data": int(found.tokens * 4)}
    return found


def plan_exam(recipe: Recipe, name: str, where: Devices, workload: Workload) -> StagePlan:
    """The plan of an exam: every option of every item scored by every model."""
    stage: Any = recipe.stages[name]
    work = workload.of([*stage.items, *stage.medical, *stage.general])
    shape = max((shape_named(recipe, model) for model in stage.models), key=lambda one: one.parameters)
    width = 2 if where.kind == "gpu" or fast_bfloat16() else 4
    parts = {
        "weights": width * shape.parameters,
        "logits": 2 * 4 * stage.batch_tokens * shape.vocabulary,
        "framework": libraries() + FIRST_USE_BYTES if where.kind == "cpu" else GIB,
    }
    found = StagePlan(
        name, stage.kind, shape.name, shape.parameters, 0, Memory("while it scores", parts), usable=where.usable
    )
    found.notes = [*work.notes, "the answers to questions and emergencies are not counted"]
    found.tokens = work.tokens * len(stage.models)
    found.flops = found.tokens * forward_flops(shape, work.tokens / max(1.0, work.rows))
    found.hours = hours(found.flops, replace(where, count=1))
    return found


def plan_weights(recipe: Recipe, name: str, where: Devices) -> StagePlan:
    """The plan of a stage that makes or changes weights without training: init, extend, merge."""
    stage: Any = recipe.stages[name]
    shape = shape_named(recipe, name)
    copies = 2 if stage.kind == "merge" else 1
    width = 2 if where.kind == "gpu" else 4
    framework = libraries() + FIRST_USE_BYTES if where.kind == "cpu" else GIB
    needed = Memory("with all weights read", {"weights": copies * width * shape.parameters, "framework": framework})
    found = StagePlan(name, stage.kind, shape.name, shape.parameters, 0, needed, usable=where.usable)
    found.disk = {"model": 2 * shape.parameters}
    return found


def plan_tokens(recipe: Recipe, name: str, workload: Workload) -> StagePlan:
    """The plan of a stage that writes tokens or records and runs no model."""
    stage: Any = recipe.stages[name]
    work = workload.of(sources_of(stage))
    found = StagePlan(name, stage.kind, tokens=work.tokens, notes=list(work.notes))
    width = 4.0  # bytes of text that a token stands for
    if stage.kind == "tokenize":
        width += 2 if shape_named(recipe, stage.model).vocabulary <= 2**16 else 4
    found.disk = {"data": int(work.tokens * width)}
    return found


def plan_stage(recipe: Recipe, name: str, where: Devices, workload: Workload) -> StagePlan:
    """The plan of one stage of the recipe.

    Raises:
        OslerError: the shape of its model is not known, or a corpus of the user's own is missing or cannot be read.
    """
    stage: Any = recipe.stages[name]
    if isinstance(stage, TrainingStage):
        found = plan_training(recipe, name, where, workload)
    elif stage.kind in ("replay", "preferences", "synthesise"):
        found = plan_sampling(recipe, name, where, workload)
    elif stage.kind == "exam":
        found = plan_exam(recipe, name, where, workload)
    elif stage.kind in ("init", "extend", "merge"):
        found = plan_weights(recipe, name, where)
    elif stage.kind in ("curate", "mix", "tokenize"):
        found = plan_tokens(recipe, name, workload)
    else:
        found = StagePlan(name, stage.kind, notes=[f"a plan knows nothing of the stage '{stage.kind}'"])
    found.cost = found.hours * where.count * where.price
    return found


def tokenizer_of(recipe: Recipe) -> Any | None:
    """The base model's tokenizer where its folder is at hand."""
    if recipe.base_model is None:
        return None
    place = Path(place_of(recipe.base_model))
    return training.load_tokenizer(place) if (place / "tokenizer.json").is_file() else None


def plan(recipe: Recipe, where: Devices, data_dir: Path | None = None, sample: int = SAMPLE) -> Plan:
    """What every stage of ``recipe`` takes on the devices.

    Raises:
        OslerError: as ``plan_stage``.
    """
    if where.kind == "cpu":
        libraries()  # measured before anything else is held
    workload = Workload(recipe, Sources(data_dir, recipe.seed, {}), tokenizer_of(recipe), sample)
    return Plan(recipe.name, where, [plan_stage(recipe, name, where, workload) for name in recipe.stages])


def check_plan(recipe: Recipe, where: Devices, data_dir: Path | None, sample: int) -> list[StagePlan]:
    """Memory and disk alone of the stages that make weights, for the check before a run.

    Raises:
        OslerError: as ``plan_stage``.
    """
    workload = Workload(recipe, Sources(data_dir, recipe.seed, {}), tokenizer_of(recipe), sample)
    found = []
    for name, stage in recipe.stages.items():
        if isinstance(stage, TrainingStage):
            found.append(plan_training(recipe, name, where, workload, whole=False))
        elif stage.kind in ("init", "extend", "merge"):
            found.append(plan_weights(recipe, name, where))
    return found
