"""The number format in which a stage multiplies: the recipe's word, else that in which an interrupted run began, else what is fast here.

A run that began in bfloat16 (on a processor with matrix units for it, or a GPU) and goes on on a machine without them would otherwise go on in
float32: another run than the one that it finishes. The format is kept beside the checkpoints, and the manifest has it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from transformers import TrainingArguments

from serving.hardware import fast_bfloat16

NumberFormat = Literal["float32", "bfloat16", "float16"]
KEPT = "number_format"  # a file beside the checkpoints
console = Console(stderr=True, highlight=False)


def chosen(given: dict[str, Any], checkpoints: Path) -> dict[str, bool]:
    """``bf16`` of a trainer's config, where the recipe's own ``training`` block (``given``) leaves it open; nothing where it does not."""
    if "bf16" in given or given.get("fp16"):
        return {}
    begun = _begun(checkpoints)
    if begun is None:
        return {"bf16": fast_bfloat16()}
    if (begun == "bfloat16") != fast_bfloat16():
        console.print(
            f"going on in {begun}, in which the run began; this machine is faster in {'bfloat16' if fast_bfloat16() else 'float32'}",
            markup=False,
        )
    return {"bf16": begun == "bfloat16"}


def _begun(checkpoints: Path) -> NumberFormat | None:
    """The format in which the run whose checkpoints these are began; None where there is none to go on from."""
    path = checkpoints / KEPT
    if not path.is_file() or not any(checkpoints.glob("checkpoint-*")):
        return None
    told = path.read_text(encoding="utf-8")
    return "bfloat16" if told == "bfloat16" else "float32" if told == "float32" else None


def of(args: TrainingArguments) -> NumberFormat:
    """The format of a trainer's config."""
    return "bfloat16" if args.bf16 else "float16" if args.fp16 else "float32"


def keep(args: TrainingArguments, checkpoints: Path) -> None:
    """Writes down the format in which a run begins."""
    (checkpoints / KEPT).write_text(of(args), encoding="utf-8")
