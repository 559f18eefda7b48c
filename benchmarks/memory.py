"""The plan's peak of memory beside the one that is measured, at three sizes, by four ways of training, by GRPO and of an exam.

    python benchmarks/memory.py                       # on a processor, with idle cores
    python benchmarks/memory.py --sizes Qwen/Qwen3-0.6B Qwen/Qwen3-1.7B Qwen/Qwen3-4B --length 1024        # on a GPU

Each run is a process of its own that plans one stage, then trains it for a few steps through Osler's own stage, on bundled text and random
weights. On a processor the measure is the process's largest resident size (VmHWM of proc(5)), which holds the libraries and what the C library's
allocator keeps; on a GPU it is torch.cuda.max_memory_allocated, beside which the plan's `asked` is put. Writes results/memory.json and .md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
VOCABULARY = 8192  # the bundled tokenizer's
SIZES: dict[str, dict[str, int]] = {
    "9M": {
        "hidden_size": 320,
        "num_hidden_layers": 5,
        "num_attention_heads": 5,
        "num_key_value_heads": 5,
        "intermediate_size": 896,
    },
    "54M": {
        "hidden_size": 640,
        "num_hidden_layers": 10,
        "num_attention_heads": 10,
        "num_key_value_heads": 5,
        "intermediate_size": 1920,
    },
    "197M": {
        "hidden_size": 1024,
        "num_hidden_layers": 15,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "intermediate_size": 3072,
    },
}
METHODS = ("cpt", "cpt, checkpointing", "sft", "dpo, lora", "grpo", "grpo, reference", "grpo, lora", "exam")
GROUPS = 4  # of answers to one question that a step of grpo learns from: as many as there are rows, each
ANSWER = "Drink water, rest for some days, and see a doctor if it does not get better by then. "

Row = dict[str, Any]


def make_model(size: str, folder: Path) -> None:
    """Random weights of a size of ``SIZES`` or of a known base, with the bundled tokenizer."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from pipelines import loading, training
    from pipelines.config import MODELS
    from pipelines.plan.architectures import config_of
    from serving.hardware import has_gpu

    tokenizer = loading.load_tokenizer(MODELS / "osler-nano-base")
    if size in SIZES:
        fields: dict[str, Any] = {"vocab_size": VOCABULARY, "head_dim": 64, "tie_word_embeddings": True, **SIZES[size]}
        kind = "qwen3"
    else:
        fields = dict(config_of(size)[0])
        kind = fields.pop("model_type")
    fields |= {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id, "bos_token_id": None}
    with torch.device("cuda" if has_gpu() else "cpu"):  # drawing billions of numbers takes a processor minutes
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **fields), dtype=torch.bfloat16)
    training.save_model(model, tokenizer, folder)


def stage_of(method: str, folder: Path, batch: int, length: int, steps: int) -> Any:
    """The block of a stage, and the file that it reads."""
    from pipelines.config import Corpus, CptStage, DpoStage, ExamStage, GrpoStage, Lora, SftStage

    settings: dict[str, Any] = {"max_steps": steps, "per_device_train_batch_size": batch, "logging_steps": 1}
    if method.startswith("cpt"):
        if "checkpointing" in method:
            settings["gradient_checkpointing"] = True
        corpora = [Corpus(name="bundled-documents", renderings=1 + length // 256)]
        return CptStage(kind="cpt", model="base", corpora=corpora, sequence_length=length, training=settings)
    if method == "exam":
        items, text = {"name": "bundled-exam", "limit": 200}, {"name": "bundled-general", "limit": 200}
        return ExamStage.model_validate({"kind": "exam", "models": ["base"], "items": [items], "general": [text]})
    lora = Lora() if "lora" in method else None
    if method.startswith("grpo"):
        # Random weights end no answer, so that each has the most tokens that it may have, and none is right: the reward is of its form.
        settings |= {"num_generations": batch, "per_device_train_batch_size": GROUPS * batch, "temperature": 1.0}
        settings |= {"max_completion_length": length // 2, "beta": 0.02 if "reference" in method else 0.0}
        path = folder / "prompts.jsonl"
        asked, answer = ANSWER * (length // 64), ANSWER * (1 + length // 32)
        turns = [
            [{"role": "user", "content": f"{asked} {n}?"}, {"role": "assistant", "content": answer}]
            for n in range(GROUPS * steps)
        ]
        rows = [json.dumps({"id": str(n), "messages": messages}) for n, messages in enumerate(turns)]
        path.write_text("\n".join(rows), encoding="utf-8")
        given = {"prompts": [{"name": str(path)}], "rewards": {"format": 1.0}, "lora": lora, "training": settings}
        return GrpoStage.model_validate({"kind": "grpo", "model": "base", **given})
    if method.startswith("sft"):
        settings["max_length"] = length
        return SftStage(
            kind="sft", model="base", corpora=[Corpus(name="bundled-dialogues")], lora=lora, training=settings
        )
    path = folder / "pairs.jsonl"
    answer = ANSWER * (1 + length // 32)  # longer than what is cut
    pairs = [
        {
            "prompt": [{"role": "user", "content": f"What is number {n}?"}],
            "chosen": f"{answer} {n}",
            "rejected": f"No. {answer} {n}",
        }
        for n in range(4 * batch)
    ]
    path.write_text("\n".join(json.dumps(pair) for pair in pairs), encoding="utf-8")
    settings["max_length"] = length
    return DpoStage(kind="dpo", model="base", preferences=Corpus(name=str(path)), lora=lora, training=settings)


def plan_of(stage: Any, model: Path, sources: Any, usable: int = 2**50) -> Any:
    """The plan of one stage on this machine's device, of which so many bytes are usable."""
    from pipelines.config import Recipe
    from pipelines.plan.devices import Devices
    from pipelines.plan.examined import plan_exam
    from pipelines.plan.reading import tokenizer_of
    from pipelines.plan.train import plan_training
    from pipelines.plan.workload import Workload
    from serving.hardware import has_gpu

    recipe = Recipe(name="memory", base_model=str(model), stages={"one": stage})
    where = Devices("here", 1, "gpu" if has_gpu() else "cpu", usable, 1.0, 1.0, 1.0, 0.0, "")
    workload = Workload(recipe, sources, tokenizer_of(recipe))
    if stage.kind == "exam":
        return plan_exam(recipe, "one", where, workload)
    return plan_training(recipe, "one", where, workload, whole=False)


def one(model: Path, method: str, batch: int, length: int, steps: int) -> Row:
    """Plans and runs one stage in this process."""
    import importlib

    import torch

    from pipelines import training
    from pipelines.artifact import Draft
    from pipelines.data import Sources
    from pipelines.plan.devices import libraries
    from serving.hardware import has_gpu, use_processor_well
    from serving.memory import peak_memory_gib

    libraries()
    training.quiet()
    use_processor_well()
    with tempfile.TemporaryDirectory() as place:
        stage = stage_of(method, Path(place), batch, length, steps)
        sources = Sources(None, 0, {})
        planned = plan_of(stage, model, sources).memory
        assert planned is not None
        draft = Draft(Path(place) / "one")
        draft.checkpoints.mkdir(parents=True)
        draft.folder.mkdir()
        work = getattr(importlib.import_module(f"pipelines.{stage.kind}"), stage.kind)
        if stage.kind == "exam":
            work(stage, {"base": str(model)}, sources, draft)
        else:
            work(stage, 0, str(model), sources, draft)
    if has_gpu():
        measured, plan, device = torch.cuda.max_memory_allocated(), planned.asked, torch.cuda.get_device_name()
    else:
        measured, plan, device = int(peak_memory_gib([os.getpid()]) * 2**30), planned.peak, processor()
    if stage.kind == "grpo":
        batch *= GROUPS
    elif stage.kind == "exam":
        batch, length = 1, stage.batch_tokens
    return {
        "method": method,
        "batch": batch,
        "length": length,
        "steps": steps,
        "device": device,
        "measured": measured,
        "planned": plan,
        "off": plan / measured - 1,
        "moment": planned.moment,
        "parts": planned.parts,
    }


def processor() -> str:
    """The processor's name, where the system tells it."""
    path = Path("/proc/cpuinfo")
    names = [line for line in path.read_text().splitlines() if line.startswith("model name")] if path.is_file() else []
    return names[0].partition(":")[2].strip() if names else platform.processor() or "unknown"


def kept_rows(rows: list[Row]) -> list[Row]:
    """The rows with those of earlier runs of other sizes and methods, size by size."""
    path = RESULTS / "memory.json"
    earlier: list[Row] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    now = {(row["size"], row["method"]) for row in rows}
    found = [*(row for row in earlier if (row["size"], row["method"]) not in now), *rows]
    order = {method: place for place, method in enumerate(METHODS)}
    sizes = {size: place for place, size in enumerate(dict.fromkeys([*SIZES, *(row["size"] for row in found)]))}
    return sorted(found, key=lambda row: (sizes[row["size"]], order[row["method"]]))


def write(rows: list[Row]) -> None:
    """The results as JSON and as a page."""
    RESULTS.mkdir(exist_ok=True)
    rows = kept_rows(rows)
    (RESULTS / "memory.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    lines = [
        "# The plan's peak of memory beside the measured one",
        "",
        "Made by `benchmarks/memory.py`; MiB, each run in a process of its own. The largest difference is "
        f"{max(abs(row['off']) for row in rows):.1%}. Measured on: {'; '.join(dict.fromkeys(row['device'] for row in rows))}.",
        "",
        "| size | method | rows x tokens | measured | planned | off | when |",
        "|---|---|---|---:|---:|---:|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row['size']} | {row['method']} | {row['batch']} x {row['length']} | {row['measured'] / 2**20:,.0f} "
            f"| {row['planned'] / 2**20:,.0f} | {row['off']:+.1%} | {row['moment']} |"
        )
    (RESULTS / "memory.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Runs every size by every method and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), help=f"of {', '.join(SIZES)}, or known bases")
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--length", type=int, default=256, help="tokens of a sequence")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument(
        "--one", type=Path, metavar="MODEL", help="plan and run one method on this model, and print JSON"
    )
    given = parser.parse_args()
    if given.one is not None:
        print(json.dumps(one(given.one, given.methods[0], given.batch, given.length, given.steps)))
        return
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as place:
        for size in given.sizes:
            folder = Path(place) / size.replace("/", "--")
            make_model(size, folder)
            for method in given.methods:
                words = [sys.executable, __file__, "--one", str(folder), "--methods", method]
                words += ["--batch", str(given.batch), "--length", str(given.length), "--steps", str(given.steps)]
                done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
                rows.append({"size": size, **json.loads(done.stdout.splitlines()[-1])})
                print(f"{size} {method}: {rows[-1]['off']:+.1%}", flush=True)
                write(rows)


if __name__ == "__main__":
    main()
