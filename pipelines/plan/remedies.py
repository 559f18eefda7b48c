"""What to change where a stage does not fit, found by trying it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

from pipelines.config import Lora, Strategy
from pipelines.plan.devices import Devices
from pipelines.plan.memory import GIB
from pipelines.plan.reading import Settings

MOST_GPUS = 512  # that a remedy offers


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
                    # As many rows in an optimizer step as before, where they can be shared out.
                    fewer, rest = divmod(chosen.accumulation * where.count, count)
                    kept = fewer if fewer and not rest else chosen.accumulation
                    changed = replace(chosen, strategy=strategy, processes=count, accumulation=kept)
                    steps = [f"training.gradient_accumulation_steps: {kept}"] if kept != chosen.accumulation else []
                    yield changed, [*said, _launch(strategy, count), *steps]
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
                by_name = {key.split(": ")[0]: key for key in [*keys, *further]}  # what is said last of a key
                found.append(f"{', '.join(by_name.values())} ({size / GIB:,.1f} GiB)")
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
