"""One measurement of ``training.py``: its rows, its stage, and the rate of one way to train it."""

from __future__ import annotations

import importlib
import json
import os
import random
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

from memory import plan_of, stage_of

Row = dict[str, Any]
ACCUMULATION = 4  # of pretraining, whose recipes have 4 and more; TRL's default is 1
TURNS = (1, 12)  # questions in a dialogue: some hundreds of tokens, as instruction data have, and not all alike
JOINED = 24  # bundled documents in a long one, of which every row can be full


def write_rows(folder: Path) -> None:
    """Long dialogues and documents, of several bundled ones after another: sft.jsonl and cpt.jsonl."""
    from corpora.records import Dialogue, Document
    from pipelines.config import Corpus
    from pipelines.data import Sources, records

    draw, sources = random.Random(0), Sources(None, 0, {})
    short = records([Corpus(name="bundled-dialogues")], sources, Dialogue)
    with (folder / "sft.jsonl").open("w", encoding="utf-8") as stream:
        for number in range(3000):
            chosen = draw.sample(short, draw.randint(*TURNS))
            messages = [m.as_dict() for one in chosen for m in one.messages if m.role in ("user", "assistant")]
            stream.write(json.dumps({"id": f"d{number}", "messages": messages}, ensure_ascii=False) + "\n")
    texts = [one.text for one in records([Corpus(name="bundled-documents")], sources, Document)]
    with (folder / "cpt.jsonl").open("w", encoding="utf-8") as stream:
        for number in range(800):
            stream.write(json.dumps({"id": f"t{number}", "text": "\n\n".join(draw.sample(texts, JOINED))}) + "\n")


def stage_for(task: Row, folder: Path) -> Any:
    """The stage's block; ``folder`` holds the rows."""
    from pipelines.config import Corpus, Lora, Quantization

    kind, lora = task["stage"], Lora() if task["trained"] == "adapter" else None
    stage = stage_of(kind, folder, task["rows"], task["length"], 100_000)
    training = {**stage.training, "save_strategy": "no", "report_to": []}
    if "compiled" in task["how"]:
        training["torch_compile"] = True
    if task["how"] == "osler, liger":
        training["use_liger_kernel"] = True
    if "packed" in task["how"]:
        training |= {"packing": True, "train_sampling_strategy": "random"}
    if kind == "cpt":
        training["gradient_accumulation_steps"] = ACCUMULATION
    changes: Row = {"lora": lora, "training": training}
    if "4 bits" in task["how"]:
        changes["quantization"] = Quantization(load_in_4bit=True)
    if "flex" in task["how"]:
        changes["attention"] = "flex_attention"
    if kind != "dpo":
        changes["corpora"] = [Corpus(name=str(folder / f"{kind}.jsonl"))]
    return stage.model_copy(update=changes)


def planned(stage: Any, model: Path, sources: Any) -> tuple[Any, Any]:
    """The stage, with checkpointing where it does not fit without, and the memory that its plan expects."""
    import torch

    from serving.hardware import has_gpu

    usable = torch.cuda.mem_get_info()[1] if has_gpu() else 2**50
    for checkpointing in (False, True):
        stage = stage.model_copy(update={"training": {**stage.training, "gradient_checkpointing": checkpointing}})
        plan = plan_of(stage, model, sources, usable)
        if plan.fits:
            break
    return stage, plan.memory


def tokens_of(rows: list[Row], model: Path, length: int) -> float:
    """Mean tokens of a row as it is trained, for the products of attention."""
    from pipelines import loading

    tokenizer = loading.load_tokenizer(model)
    if "text" in rows[0]:
        return float(length)
    turns = [row["messages"] if "messages" in row else [*row["prompt"], *row["chosen"]] for row in rows[:200]]
    counts = [len(tokenizer.apply_chat_template(one, tokenize=True, return_dict=False)) for one in turns]
    return sum(min(length, count) for count in counts) / len(counts)


def one(task: Row, seconds: float) -> Row:
    """Measures one way in this process."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from pipelines import training
    from pipelines.bench.trainers import stage_rate, trl_rate
    from pipelines.data import Sources, records
    from pipelines.plan.compute import model_flops
    from pipelines.plan.devices import peak_flops
    from pipelines.training import attention
    from serving.hardware import has_gpu, use_processor_well
    from serving.memory import peak_memory_gib

    training.quiet()
    use_processor_well()
    if has_gpu():
        torch.cuda.reset_peak_memory_stats()
        torch.backends.cuda.enable_cudnn_sdp("no cudnn" not in task["how"])
    kind, model, sources = task["stage"], Path(task["model"]), Sources(None, 0, {})
    found: Row = {"device": torch.cuda.get_device_name() if has_gpu() else "processor"}
    stage = stage_for(task, Path(task["folder"]))
    corpora = [stage.preferences] if kind == "dpo" else stage.corpora
    rows = [_as_trl(record) for record in records(list(corpora), sources, object)]
    if task["how"].startswith("trl"):
        rate = trl_rate(kind, str(model), rows, seconds, stage.lora)
        found["checkpointing"] = True
    else:
        stage, memory = planned(stage, model, sources)
        found |= {
            "checkpointing": stage.training["gradient_checkpointing"],
            "planned_gib": memory.asked / 2**30,
            "parts": {part: round(size / 2**30, 2) for part, size in memory.parts.items()},
            "moment": memory.moment,
        }
        work = getattr(importlib.import_module(f"pipelines.{kind}"), kind)
        compiled = "compiled" in task["how"] and not has_gpu()  # layers compile in the first steps
        off = {"cudnn": "for_stage", "masked": "without_needless_masks"}
        left_out = [name for word, name in off.items() if word in task["how"]]
        with patch.multiple(attention, **dict.fromkeys(left_out, lambda _: None)) if left_out else nullcontext():
            rate = stage_rate(lambda draft: work(stage, 0, str(model), sources, draft), seconds, compiled)
    if has_gpu():
        found["memory_gib"] = torch.cuda.max_memory_allocated() / 2**30
        found["reserved_gib"] = torch.cuda.max_memory_reserved() / 2**30
    else:
        found["memory_gib"] = peak_memory_gib([os.getpid()])
    with torch.device("meta"):
        shape = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(model))
    shape.requires_grad_(task["trained"] == "whole")  # an adapter's own operations are few, and not counted
    peak = peak_flops()
    found["tokens_per_second"] = rate
    found["mfu"] = rate * model_flops(shape, tokens_of(rows, model, task["length"])) / peak if peak else None
    return found


def _as_trl(record: Any) -> Row:
    """A record as TRL's trainers take it."""
    if hasattr(record, "text"):
        return {"text": record.text}
    if hasattr(record, "messages"):
        return {"messages": [message.as_dict() for message in record.messages]}
    return {
        "prompt": [message.as_dict() for message in record.prompt],
        "chosen": [{"role": "assistant", "content": record.chosen}],
        "rejected": [{"role": "assistant", "content": record.rejected}],
    }
