"""Training speed at real sizes beside TRL's defaults: tokens per second, MFU and the peak of memory.

    python benchmarks/training.py                                       # on a GPU: 0.6B, 1.7B and 8B, random weights, about 40 minutes
    python benchmarks/training.py --sizes Qwen/Qwen3-1.7B --stages cpt --batch 8 --length 4096 --compile --liger
    python benchmarks/training.py --sizes 9M --length 256 --seconds 5   # on a processor: that the script works

Each measurement is a process of its own: Osler's stage as a recipe runs it, or TRL's trainer as it comes, on the same model and the same
rows, stopped when the time is up. MFU counts the operations of ``pipelines.plan.compute.model_flops`` (nothing that is computed again) against
the peak of the device's data sheet. What does not fit is told as such, and the next one runs. Writes results/training.json and .md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from memory import RESULTS, make_model, stage_of

Row = dict[str, Any]
WHOLE_UP_TO = 2_000_000_000  # parameters that one 80 GB device trains whole with AdamW: 16 bytes each, and activations


def one(model: Path, given: argparse.Namespace, stage_name: str, lora: bool, trl: bool) -> Row:
    """Measures one way in this process."""
    import importlib

    import torch

    from pipelines import training
    from pipelines.bench.trainers import stage_rate, trl_rate
    from pipelines.data import Sources, records
    from pipelines.plan.compute import model_flops
    from pipelines.plan.devices import peak_flops
    from serving.hardware import has_gpu, peak_memory_gib, use_processor_well

    training.quiet()
    use_processor_well()
    with tempfile.TemporaryDirectory() as place:
        method = f"{stage_name}{', lora' if lora else ''}"
        stage: Any = stage_of(method, Path(place), given.batch, given.length, 100_000)
        settings = {**stage.training, "save_strategy": "no"}
        settings |= {"torch_compile": True} if given.compile else {}
        settings |= {"use_liger_kernel": True} if given.liger else {}
        settings |= {"gradient_checkpointing": True} if given.checkpointing else {}
        stage = stage.model_copy(update={"training": settings})
        sources = Sources(None, 0, {})
        if trl:
            corpora = [stage.preferences] if stage_name == "dpo" else stage.corpora
            rows = [_as_trl(record) for record in records(list(corpora), sources, Any)]
            rate = trl_rate(stage_name, str(model), rows, given.seconds, stage.lora)
        else:
            work = getattr(importlib.import_module(f"pipelines.{stage_name}"), stage_name)
            rate = stage_rate(
                lambda draft: work(stage, 0, str(model), sources, draft), given.seconds, compiled=given.compile
            )
    peak = peak_flops()
    flops = model_flops(training.load_model(model, dtype=torch.bfloat16), given.length)
    memory = torch.cuda.max_memory_allocated() / 2**30 if has_gpu() else peak_memory_gib([os.getpid()])
    device = torch.cuda.get_device_name() if has_gpu() else "processor"
    return {
        "tokens_per_second": rate,
        # An adapter's step has fewer operations, and DPO's tokens are of pairs: their share of the peak is not comparable.
        "mfu": rate * flops / peak if peak and not lora else None,
        "memory_gib": memory,
        "device": device,
    }


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


def write(rows: list[Row], given: argparse.Namespace) -> None:
    """The results as JSON and as a page."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "training.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    lines = [
        "# Training speed at real sizes",
        "",
        f"Made by `benchmarks/training.py`; random weights, {given.batch} rows of {given.length} tokens a step.",
        "",
        "| size | stage | trained | how | device | tokens/s | MFU | memory, GiB |",
        "|---|---|---|---|---|---:|---:|---:|",
    ]
    for row in rows:
        head = f"| {row['size']} | {row['stage']} | {row['trained']} | {row['how']} "
        if "error" in row:
            lines.append(f"{head}| {row['error']} | | | |")
            continue
        mfu = f"{row['mfu']:.1%}" if row["mfu"] is not None else ""
        lines.append(f"{head}| {row['device']} | {row['tokens_per_second']:,.0f} | {mfu} | {row['memory_gib']:.1f} |")
    (RESULTS / "training.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def parameters(folder: Path) -> int:
    """How many a saved model has, by the size of its bfloat16 files."""
    return sum(path.stat().st_size for path in folder.glob("*.safetensors")) // 2


def main() -> None:
    """Measures every size, stage and way, and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=["Qwen/Qwen3-0.6B", "Qwen/Qwen3-1.7B", "Qwen/Qwen3-8B"])
    parser.add_argument("--stages", nargs="+", default=["cpt", "sft", "dpo"])
    parser.add_argument("--batch", type=int, default=8, help="rows of a step")
    parser.add_argument("--length", type=int, default=2048, help="tokens of a row at most")
    parser.add_argument("--seconds", type=float, default=30.0, help="time for each measurement, after warming up")
    parser.add_argument("--compile", action="store_true", help="torch.compile, for Osler's stages")
    parser.add_argument("--liger", action="store_true", help="Liger kernels, for Osler's stages")
    parser.add_argument("--checkpointing", action="store_true", help="compute activations again, for Osler's stages")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one is not None:
        task = json.loads(given.one)
        print(json.dumps(one(Path(task["model"]), given, task["stage"], task["lora"], task["trl"])))
        return
    rows: list[Row] = []
    passed = ["--batch", str(given.batch), "--length", str(given.length), "--seconds", str(given.seconds)]
    passed += [f"--{name}" for name in ("compile", "liger", "checkpointing") if getattr(given, name)]
    with tempfile.TemporaryDirectory() as place:
        for size in given.sizes:
            folder = Path(place) / size.replace("/", "--")
            make_model(size, folder)
            for stage in given.stages:
                for lora in (False, True) if parameters(folder) <= WHOLE_UP_TO else (True,):
                    if lora and stage == "cpt" and parameters(folder) <= WHOLE_UP_TO:
                        continue  # pretraining by an adapter is for want of memory
                    for trl in (False, True):
                        task = {"model": str(folder), "stage": stage, "lora": lora, "trl": trl}
                        row = {
                            "size": size,
                            "stage": stage,
                            "trained": "adapter" if lora else "whole",
                            "how": "TRL defaults" if trl else "osler",
                        }
                        done = subprocess.run(
                            [sys.executable, __file__, "--one", json.dumps(task), *passed],
                            check=False,
                            capture_output=True,
                            text=True,
                        )
                        if done.returncode == 0:
                            row |= json.loads(done.stdout.splitlines()[-1])
                        else:
                            said = [line for line in done.stderr.splitlines() if "Error" in line] or ["it failed"]
                            row["error"] = said[-1][:200]
                        rows.append(row)
                        print(json.dumps(row), flush=True)
                        write(rows, given)


if __name__ == "__main__":
    main()
