"""Tokens per second of LLaMA-Factory, in an environment of its own.

It imports nothing of Osler's and prints one line of JSON. LLaMA-Factory's settings are those of its own examples for full
training and for LoRA DPO, but for what is given: model, data, rows in a batch, and the number format.

    PYTHON llamafactory_rate.py '{"stage": "sft", "model": …, "data": …, "seconds": 20, "batch": 16, "length": 256, "bf16": true}'
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

WARM_UP = 3  # steps

# How a file's rows are laid out, in the words of LLaMA-Factory's dataset_info.json.
TAGS = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "system_tag": "system",
}
LAYOUTS: dict[str, dict[str, Any]] = {
    "pt": {"columns": {"prompt": "text"}},
    "sft": {"formatting": "sharegpt", "columns": {"messages": "messages"}, "tags": TAGS},
    "dpo": {
        "formatting": "sharegpt",
        "ranking": True,
        "columns": {"messages": "prompt", "chosen": "chosen", "rejected": "rejected"},
        "tags": TAGS,
    },
}


class Clock(TrainerCallback):  # type: ignore[misc]
    """Counts the seconds and tokens of the steps after the warm-up, and stops when the time is up."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.started, self.tokens, self.rate = seconds, 0.0, 0, 0.0

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Stops when the time is up."""
        if state.global_step == WARM_UP:
            self.started, self.tokens = time.perf_counter(), int(state.num_input_tokens_seen)
        elif state.global_step > WARM_UP:
            passed = time.perf_counter() - self.started
            self.rate = (int(state.num_input_tokens_seen) - self.tokens) / passed
            control.should_training_stop = passed > self.seconds


def laid_out(row: dict[str, Any]) -> dict[str, Any]:
    """The row with its chosen and rejected answers as one message each, which LLaMA-Factory wants, and not as lists of one."""
    return {**row, **{side: row[side][0] for side in ("chosen", "rejected") if side in row}}


def main() -> None:
    """Entry point."""
    given = json.loads(sys.argv[1])
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    from llamafactory.train.tuner import run_exp  # type: ignore[import-not-found]

    clock = Clock(given["seconds"])
    data = Path(given["data"])
    with tempfile.TemporaryDirectory() as folder:
        layout = {"file_name": data.name, **LAYOUTS[given["stage"]]}
        (Path(folder) / "dataset_info.json").write_text(json.dumps({"bench": layout}))
        (Path(folder) / data.name).write_text(
            "".join(json.dumps(laid_out(json.loads(line))) + "\n" for line in data.read_text().splitlines())
        )
        args = {
            "model_name_or_path": given["model"],
            "stage": given["stage"],
            "do_train": True,
            "finetuning_type": "lora" if given["stage"] == "dpo" else "full",
            "dataset": "bench",
            "dataset_dir": folder,
            "template": "chatml",
            "cutoff_len": given["length"],
            "per_device_train_batch_size": given["batch"],
            "learning_rate": 1e-4,
            "max_steps": 100_000,
            "bf16": given["bf16"],
            "use_cpu": not torch.cuda.is_available(),
            "output_dir": str(Path(folder) / "out"),
            "save_strategy": "no",
            "report_to": "none",
            "include_num_input_tokens_seen": "non_padding",
            "disable_tqdm": True,
        }
        if given["stage"] == "dpo":
            args |= {"lora_rank": 16, "lora_target": "all", "pref_beta": 0.1}
        run_exp(args, [clock])
    print(json.dumps({"tokens_per_second": clock.rate}))


main()
