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
import json
import os
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")  # the first process must not touch the GPU: it forks

from memory import RESULTS, make_model
from processes import apart, together
from training_run import ACCUMULATION, one, write_rows

Row = dict[str, Any]
WHOLE_UP_TO = 2_000_000_000  # parameters that one 80 GB device trains whole with AdamW: 16 bytes each, and activations
WAYS = ("osler", "osler, compiled", "osler, packed", "osler, packed, compiled", "trl")
MORE_WAYS = (
    "osler, liger",
    "osler, cudnn",
    "osler, masked",
    "osler, packed, flex",
    "trl, no cudnn",
)  # whose parts of the difference are told apart
ROWS = {"cpt": 8, "sft": 16, "dpo": 8}  # of a step; TRL's default is 8
LENGTH = {"cpt": 2048, "sft": 1024, "dpo": 1024}  # tokens of a row at most; TRL's default is 1,024


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
                if ("packed" in how and stage != "sft") or ("4 bits" in how and trained == "whole"):
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
