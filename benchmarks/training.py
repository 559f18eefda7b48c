"""Training speed at real sizes beside TRL's defaults: tokens per second, MFU, and the peak of memory beside the planned one.

    python benchmarks/training.py                                       # on a GPU: 0.6B, 1.7B and 8B, random weights
    python benchmarks/training.py --sizes Qwen/Qwen3-1.7B --stages cpt --ways osler "osler, compiled"
    python benchmarks/training.py --sizes 9M --batch 2 --length 256 --seconds 5   # on a processor: that the script works

Each measurement is a process of its own: Osler's stage as a recipe runs it, or TRL's trainer as it comes (gradient checkpointing, 8 rows of 1,024
tokens), on the same model and the same rows, stopped when the time is up. Activations are computed again only where the plan says that
memory is too small without. MFU counts the operations of ``pipelines.plan.compute.model_flops`` (nothing that is computed again) against the
peak of the device's data sheet, for tokens that are not padding. What does not fit is told as such, and the next one runs. Writes
results/training.json and .md.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import multiprocessing
import os
import random
import sys
import tempfile
import time
import traceback
from contextlib import nullcontext
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from unittest.mock import patch

os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")  # the first process must not touch the GPU: it forks

from memory import RESULTS, make_model, plan_of, stage_of

Row = dict[str, Any]
WHOLE_UP_TO = 2_000_000_000  # parameters that one 80 GB device trains whole with AdamW: 16 bytes each, and activations
WAYS = ("osler", "osler, compiled", "osler, packed", "trl")
MORE_WAYS = ("osler, liger", "osler, cudnn", "trl, no cudnn")  # whose parts of the difference are told apart
ACCUMULATION = 4  # of pretraining, whose recipes have 4 and more; TRL's default is 1
ROWS = {"cpt": 8, "sft": 16, "dpo": 8}  # of a step; TRL's default is 8
LENGTH = {"cpt": 2048, "sft": 1024, "dpo": 1024}  # tokens of a row at most; TRL's default is 1,024
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
    from pipelines.config import Corpus, Lora

    kind, lora = task["stage"], Lora() if task["trained"] == "adapter" else None
    stage = stage_of(kind, folder, task["rows"], task["length"], 100_000)
    training = {**stage.training, "save_strategy": "no", "report_to": []}
    if task["how"] == "osler, compiled":
        training["torch_compile"] = True
    if task["how"] == "osler, liger":
        training["use_liger_kernel"] = True
    if task["how"] == "osler, packed":
        training |= {"packing": True, "train_sampling_strategy": "random"}
    if kind == "cpt":
        training["gradient_accumulation_steps"] = ACCUMULATION
    changes: Row = {"lora": lora, "training": training}
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
    from pipelines import training

    tokenizer = training.load_tokenizer(model)
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
    from serving.hardware import has_gpu, peak_memory_gib, use_processor_well

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
        with patch.object(attention, "for_stage", lambda kind: None) if "cudnn" in task["how"] else nullcontext():
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


def apart(work: Any, *given: Any, limit: float = 300.0) -> Row:
    """What ``work`` returns in a process of its own, or its error."""
    import torch

    # The libraries take longer to import than a measurement takes, so that a copy of this process saves half; but a copy cannot use a GPU that
    # this process has looked at, as some libraries do when they are imported.
    context = multiprocessing.get_context("spawn" if torch.cuda.is_initialized() else "fork")
    ours, theirs = context.Pipe(duplex=False)
    started = time.perf_counter()
    process = context.Process(target=_send, args=(theirs, work, given))
    process.start()
    theirs.close()
    try:
        found: Row = ours.recv() if ours.poll(limit) else {"error": f"not done after {limit:.0f} seconds"}
    except EOFError:
        found = {"error": "its process ended"}
    process.kill()
    process.join()
    return {**found, "took": round(time.perf_counter() - started, 1)}


def together(work: Any, *given: Any) -> Row:
    """What ``work`` returns in this process, or its error, and what it leaves in the GPU's memory."""
    import torch

    started = time.perf_counter()
    try:
        found: Row = work(*given) or {}
    except Exception as error:
        traceback.print_exc()
        found = {"error": f"{type(error).__name__}: {error}".splitlines()[0][:200]}
    gc.collect()
    torch._dynamo.reset()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
        found["left_gib"] = round(torch.cuda.memory_allocated() / 2**30, 2)
    return {**found, "took": round(time.perf_counter() - started, 1)}


def _send(pipe: Connection, work: Any, given: Any) -> None:
    """The body of a process of ``apart``."""
    sys.stdout = sys.stderr
    try:
        pipe.send(work(*given) or {})
    except BaseException as error:
        traceback.print_exc()
        pipe.send({"error": f"{type(error).__name__}: {error}".splitlines()[0][:200]})


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


def write(rows: list[Row]) -> None:
    """The results as JSON and as a page."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "training.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    lines = [
        "# Training speed at real sizes",
        "",
        "Made by `benchmarks/training.py`; random weights; tokens that are not padding. *Planned* is what "
        "`osler plan` expects torch to ask for. DPO's rate is that of its steps, without the reference's pass before them.",
        "",
        "| size | stage | trained | how | rows x tokens | checkpointing | device | tokens/s | MFU | memory, GiB | planned |",
        "|---|---|---|---|---|---|---|---:|---:|---:|---:|",
    ]
    for row in rows:
        own = "8 x 1024" if row["how"].startswith("trl") else f"{row['rows']} x {row['length']}"
        own = f"{ACCUMULATION} x {own}" if row["stage"] == "cpt" and not row["how"].startswith("trl") else own
        head = f"| {row['size']} | {row['stage']} | {row['trained']} | {row['how'].replace('trl', 'TRL defaults')} | {own} "
        if "error" in row:
            lines.append(f"{head}| {row['error']} | | | | | |")
            continue
        mfu = f"{row['mfu']:.1%}" if row["mfu"] is not None else ""
        plan = f"{row['planned_gib']:.1f}" if "planned_gib" in row else ""
        lines.append(
            f"{head}| {'yes' if row['checkpointing'] else 'no'} | {row['device']} | {row['tokens_per_second']:,.0f} | {mfu} "
            f"| {row['memory_gib']:.1f} | {plan} |"
        )
    (RESULTS / "training.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def parameters(folder: Path) -> int:
    """How many a saved model has, by the size of its bfloat16 files."""
    return sum(path.stat().st_size for path in folder.glob("*.safetensors")) // 2


def tasks_of(size: str, whole: bool, given: argparse.Namespace) -> list[Row]:
    """What is measured of one size. Preferences are learnt by an adapter beside a base that is not small, as the recipes do."""
    found = []
    for stage in given.stages:
        for trained in ("whole", "adapter"):
            if (trained == "whole" and not whole) or (trained == "adapter" and whole and stage == "cpt"):
                continue  # pretraining by an adapter is for want of memory
            for how in given.ways:
                if how == "osler, packed" and stage != "sft":
                    continue
                rows, length = given.batch or ROWS[stage], given.length or LENGTH[stage]
                row = {"size": size, "stage": stage, "trained": trained, "how": how, "rows": rows, "length": length}
                found.append(row)
    if not given.only:
        return found
    return [task for words in given.only for task in found if _named(task, words)]


def _named(task: Row, words: str) -> bool:
    """Whether a task is the one that ``--only`` names, as "cpt whole osler, compiled"; a part is enough."""
    return words in f"{task['size']} {task['stage']} {task['trained']} {task['how']}."


def main() -> None:
    """Measures every size, stage and way, and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=["Qwen/Qwen3-0.6B", "Qwen/Qwen3-1.7B", "Qwen/Qwen3-8B"])
    parser.add_argument("--stages", nargs="+", default=["cpt", "sft", "dpo"])
    parser.add_argument("--ways", nargs="+", default=list(WAYS), help=f"of {', '.join(map(repr, WAYS + MORE_WAYS))}")
    parser.add_argument(
        "--only", nargs="+", help='in this order, as "1.7B cpt whole osler.": a part of "SIZE STAGE TRAINED WAY."'
    )
    parser.add_argument("--batch", type=int, help=f"rows of a step; by default {ROWS}")
    parser.add_argument("--length", type=int, help=f"tokens of a row at most; by default {LENGTH}")
    parser.add_argument("--seconds", type=float, default=8.0, help="time for each measurement, after warming up")
    parser.add_argument(
        "--together",
        action="store_true",
        help="all in one process: in half the time, and what one way leaves behind is with the next",
    )
    given = parser.parse_args()

    import pipelines.bench.trainers  # noqa: F401  once, for all that is forked

    do = together if given.together else apart
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as place:
        print(json.dumps(do(write_rows, Path(place))), flush=True)
        for size in given.sizes:
            folder = Path(place) / size.replace("/", "--")
            print(json.dumps({"made": size, **do(make_model, size, folder)}), flush=True)
            for task in tasks_of(size, parameters(folder) <= WHOLE_UP_TO, given):
                measured = do(one, {**task, "model": str(folder), "folder": place}, given.seconds)
                rows.append({**task, **measured})
                print(json.dumps(rows[-1]), flush=True)
                write(rows)
            for path in folder.glob("*.safetensors"):
                path.unlink()


if __name__ == "__main__":
    main()
