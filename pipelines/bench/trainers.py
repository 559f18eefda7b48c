"""The rate of Osler's own stages, run as a recipe runs them, and of TRL's trainers with TRL's defaults."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import datasets
import torch
from transformers import PrinterCallback, TrainerCallback
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from corpora.errors import Stopped
from pipelines import loading, training
from pipelines.artifact import Draft
from pipelines.bench.loops import COMPILED_WARM_UP, WARM_UP, Window
from pipelines.config import Lora
from pipelines.training.adapters import lora_config
from pipelines.training.watching import Progress

Row = dict[str, Any]


class Clock(TrainerCallback):  # type: ignore[misc]
    """Counts the seconds and tokens of the steps after the warm-up, and stops when the time is up."""

    def __init__(self, seconds: float, warm_up: int, shown: bool = False) -> None:
        self.window = Window(seconds, warm_up, shown)
        self.seen = 0.0
        self.rate = 0.0  # tokens that are not padding, per second

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Stops when the time is up."""
        tokens = float(state.num_input_tokens_seen) - self.seen
        self.seen += tokens
        control.should_training_stop |= self.window.step(state.global_step - 1, tokens)
        self.rate = self.window.rate


class UnendedProgress(Progress):
    """The line of a stage without its last step and the time left: the clock stops it long before."""

    def on_train_begin(self, *given: Any, **more: Any) -> None:
        """Opens the bar."""
        super().on_train_begin(*given, **more)
        assert self.bar is not None
        self.bar.total = None


@dataclass
class Reference:
    """What DPO's reference took before the first step, where its log-probabilities are computed once."""

    seconds: float = 0.0
    pairs: int = 0


class _Measured(Exception):
    """The steps are done; what a stage does with the trained model is not asked for."""


@contextmanager
def clocked(clock: Clock) -> Iterator[None]:
    """A stage that runs inside the block is stopped by ``clock`` and left there; until then all is as a recipe has it."""
    run = training.run

    def with_clock(trainer: Any, *rest: Any, **settings: Any) -> Any:
        trainer.add_callback(clock)
        run(trainer, *rest, **settings)
        raise _Measured

    shown = patch.object(training, "Progress", UnendedProgress)
    with patch.object(training, "run", with_clock), shown, suppress(_Measured):
        try:
            yield
        except Stopped as notice:  # whose words are of a run that goes on
            raise type(notice)("stopped; nothing of a measurement is kept") from notice


@contextmanager
def reference_timed(found: Reference) -> Iterator[None]:
    """Times the pass of DPO's reference over the pairs."""
    precompute = DPOTrainer._precompute_ref_logps

    def timed(self: Any, dataset: Any, *rest: Any) -> Any:
        started = time.perf_counter()
        result = precompute(self, dataset, *rest)
        found.seconds += time.perf_counter() - started
        found.pairs += len(dataset)
        return result

    with patch.object(DPOTrainer, "_precompute_ref_logps", timed):
        yield


def stage_rate(run_stage: Callable[[Draft], None], seconds: float, compiled: bool = False) -> float:
    """Tokens per second of one of Osler's stages; ``run_stage`` is given the draft that it writes to."""
    clock = Clock(seconds, COMPILED_WARM_UP if compiled else WARM_UP)
    with tempfile.TemporaryDirectory() as folder, clocked(clock):
        draft = Draft(Path(folder) / "stage")
        draft.folder.mkdir()
        run_stage(draft)
    return clock.rate


def trl_rate(kind: str, model_path: str, rows: list[Row], seconds: float, lora: Lora | None = None) -> float:
    """Tokens per second of TRL's trainer as it comes: its own defaults but for where it writes and when it stops.

    ``lora`` is the adapter that Osler's stage trains, so that the two differ by settings alone.
    """
    with tempfile.TemporaryDirectory() as folder:
        settings: Row = {
            "output_dir": folder,
            "report_to": [],
            "disable_tqdm": True,
            "max_steps": 100_000,
            "save_strategy": "no",
            "use_cpu": not torch.cuda.is_available(),
            "include_num_input_tokens_seen": "non_padding",
        }
        made: Any
        args: Any
        data = datasets.Dataset.from_list(rows)
        tokenizer = loading.load_tokenizer(model_path)
        if kind == "dpo":
            made, args = DPOTrainer, DPOConfig(**settings)
        else:
            made, args = SFTTrainer, SFTConfig(**settings, assistant_only_loss=kind == "sft")
        trainer = made(
            model=model_path,
            args=args,
            train_dataset=data,
            processing_class=tokenizer,
            peft_config=lora_config(lora),
        )
        clock = Clock(seconds, WARM_UP, shown=True)
        trainer.remove_callback(PrinterCallback)  # it prints to where the figures go
        trainer.add_callback(clock)
        trainer.train()
        return clock.rate
