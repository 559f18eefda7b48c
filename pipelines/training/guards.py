"""What watches over every training run: a loss or a gradient that is no number, a loss spike, and a request to stop.

``guard`` hooks into the trainer at three places: after a micro-batch's loss, before the optimizer's step, and at a step's end.
Nothing that a bad batch did reaches the weights, so that no checkpoint holds it.
"""

from __future__ import annotations

import json
import math
import signal
import statistics
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from corpora.disk import write_whole
from corpora.errors import Interrupted, Stopped
from pipelines.config import Spikes
from pipelines.loading import TrainingError as TrainingError

SEARCHED = 1_000_000  # rows of the training data at most that are looked through for those of a bad batch
STOPPING = (signal.SIGTERM, signal.SIGINT)  # of which the first goes before the second
SKIPPED = "skipped.json"  # beside the checkpoints: the steps whose batches are left out


class RolledBack(Exception):
    """A step's batch is to be left out, and the stage to go on from its newest checkpoint before it."""


def _sequences(row: dict[str, Any]) -> Iterator[list[int]]:
    """The token sequences that a row of training data becomes: itself, its prompt with each answer, or both its conversations."""
    if "input_ids" in row:
        yield [int(token) for token in row["input_ids"]]  # a list, or a tensor of masked rows
    for name in ("chosen_ids", "rejected_ids", "completion_ids"):
        if name in row:
            yield [*row.get("prompt_ids", []), *row[name]]
    if "chosen_input_ids" in row:  # ORPO's
        yield [*row["chosen_input_ids"], *row["rejected_input_ids"]]


def where(trainer: Trainer, inputs: dict[str, Any]) -> list[int]:
    """The places in the training data of the rows of a micro-batch; those that several rows were flattened into are not found."""
    ids, mask = inputs.get("input_ids"), inputs.get("attention_mask")
    if not isinstance(ids, torch.Tensor) or ids.ndim != 2:
        return []
    kept = mask.bool() if isinstance(mask, torch.Tensor) and mask.shape == ids.shape else torch.ones_like(ids).bool()
    wanted = {tuple(row[keep].tolist()) for row, keep in zip(ids, kept, strict=True)}
    data: Any = trainer.train_dataset
    return [
        place
        for place in range(min(len(data), SEARCHED))
        if any(tuple(sequence) in wanted for sequence in _sequences(data[place]))
    ]


def _texts(trainer: Trainer, inputs: dict[str, Any]) -> list[str]:
    tokenizer: Any = trainer.processing_class
    ids = inputs.get("input_ids")
    if tokenizer is None or not isinstance(ids, torch.Tensor) or ids.ndim != 2:
        return []
    return [str(text) for text in tokenizer.batch_decode(ids, skip_special_tokens=True)]


class _Guard(TrainerCallback):  # type: ignore[misc]
    """The state of the hooks on one trainer."""

    def __init__(self, trainer: Trainer, label: str, folder: Path, spikes: Spikes | None) -> None:
        self.trainer, self.label, self.folder, self.spikes = trainer, label, folder, spikes
        path = folder / SKIPPED
        self.skipped: list[int] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
        self.losses: deque[float] = deque(maxlen=spikes.window if spikes else 1)
        self.micro_batch = -1  # of the current step
        self.loss = 0.0  # of the current step so far
        self.inputs: list[dict[str, Any]] = []  # its micro-batches, for the message of an error
        self.asked_to_stop: signal.Signals | None = None
        self.stopped = False

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """A new step."""
        self.micro_batch, self.loss = -1, 0.0
        self.inputs.clear()

    def training_step(self, step: Any, model: Any, inputs: Any, items: Any) -> torch.Tensor:
        """One micro-batch; a step that is left out computes nothing and leaves the gradients empty."""
        if self.trainer.state.global_step in self.skipped:
            return torch.zeros((), device=self.trainer.args.device)
        self.micro_batch += 1
        self.inputs.append(inputs)
        found: torch.Tensor = step(model, inputs, items)
        loss = float(found)
        if not math.isfinite(loss):
            self._bad(f"the loss is {loss}", self.micro_batch)
        self.loss += loss
        return found

    def grad_norm(self, norm: Any) -> Any:
        """The gradient's norm, which is looked at before the optimizer uses the gradient."""
        step = self.trainer.state.global_step
        scaler = (
            self.trainer.accelerator.scaler
        )  # of float16, which expects infinite gradients and leaves such steps out
        if norm is not None and scaler is None and not math.isfinite(float(norm)):
            self._bad(f"the gradient norm is {float(norm)}", None)
        if self.spikes is not None and step not in self.skipped:
            self._look_for_spike(step, self.spikes)
        return norm

    def _look_for_spike(self, step: int, spikes: Spikes) -> None:
        own = torch.tensor(self.loss, device=self.trainer.args.device)
        loss = float(self.trainer.accelerator.gather(own).mean())  # the same verdict in every process
        if len(self.losses) == self.losses.maxlen:
            mean, deviation = statistics.fmean(self.losses), statistics.pstdev(self.losses)
            if loss > mean + spikes.deviations * max(deviation, 1e-3 * abs(mean)):
                self._bad(f"the loss jumped to {loss:.3f} from {mean:.3f} ± {deviation:.3f}", None)
        self.losses.append(loss)

    def _bad(self, what: str, micro_batch: int | None) -> None:
        """Raises RolledBack when the recipe has ``spikes`` and its limit is not reached, else TrainingError with the batch."""
        step = self.trainer.state.global_step
        if self.spikes is not None and len(self.skipped) < self.spikes.limit:
            write_whole(self.folder / SKIPPED, json.dumps([*self.skipped, step]))
            raise RolledBack(
                f"{self.label}: {what} at step {step}: going back to the last checkpoint and leaving the batch out"
            )
        batches = [micro_batch] if micro_batch is not None else range(self.micro_batch + 1)
        rows = [where(self.trainer, self.inputs[each]) for each in batches]
        texts = [text for each in batches for text in _texts(self.trainer, self.inputs[each])]
        path = self.folder / f"bad-batch-{step}.json"
        write_whole(
            path, json.dumps({"step": step, "what": what, "rows": rows, "texts": texts}, ensure_ascii=False, indent=1)
        )
        named = ", ".join(str(place) for places in rows for place in places[:8]) or "unknown"
        more = " (the first of each micro-batch)" if any(len(places) > 8 for places in rows) else ""
        limit = "; the limit of spikes is reached" if self.spikes is not None else ""
        raise TrainingError(
            f"{self.label}: {what} at step {step}, rows {named}{more} of the training data (from 0); the batch is in {path}. "
            f"Nothing of it was saved{limit}. Lower training.learning_rate or raise training.warmup_steps, mend those rows, or give the "
            "stage `spikes: {}` to go back and leave such batches out"
        )

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Saves and stops when the process was asked to."""
        asked = self.asked_to_stop
        if args.world_size > 1:  # one process may have had the signal and the others not
            own = torch.tensor([int(asked is each) for each in STOPPING], device=args.device)
            told = self.trainer.accelerator.reduce(own, reduction="sum").tolist()
            asked = next((each for each, count in zip(STOPPING, told, strict=True) if count), None)
            self.asked_to_stop = asked or self.asked_to_stop  # which may have come since
        if asked is not None and state.global_step < state.max_steps:
            control.should_save = control.should_training_stop = self.stopped = True


@contextmanager
def handling(handler: Callable[[int, Any], None]) -> Iterator[None]:
    """Gives the signals that ask a run to stop to ``handler`` while the block lasts, but for one that is ignored, as Ctrl-C in a shell's background."""
    before: dict[signal.Signals, Any] = {}
    try:
        for each in STOPPING:
            if signal.getsignal(each) is not signal.SIG_IGN:
                before[each] = signal.signal(each, handler)
    except ValueError:  # not the main thread, which alone may take signals
        pass
    try:
        yield
    finally:
        for each, old in before.items():
            signal.signal(each, old)


@contextmanager
def guard(trainer: Trainer, label: str, folder: Path, spikes: Spikes | None) -> Iterator[None]:
    """Watches over the training that happens inside the block.

    Args:
        trainer: its ``training_step`` and its gradient norm are hooked.
        label: the stage's name in messages.
        folder: where the stage's checkpoints are; the list of left-out steps and the bad batch are written there.
        spikes: what counts as a spike; None: nothing is left out.

    Raises:
        TrainingError: a loss or gradient is NaN or infinite; the message names the rows.
        RolledBack: the same, or a spike, where the recipe says that such a batch is left out.
        Stopped: SIGTERM or Ctrl-C came; a checkpoint of the step is written.
        KeyboardInterrupt: Ctrl-C came once more, before that was done.
    """
    watch = _Guard(trainer, label, folder, spikes)
    step, norm = trainer.training_step, trainer._get_grad_norm
    trainer.training_step = lambda model, inputs, items=None: watch.training_step(step, model, inputs, items)
    trainer._get_grad_norm = lambda model, grad_norm=None: watch.grad_norm(norm(model, grad_norm=grad_norm))
    trainer.add_callback(watch)

    def stop(number: int, _: Any) -> None:
        if number == signal.SIGINT:
            if watch.asked_to_stop is not None:
                raise KeyboardInterrupt
            tqdm.write(f"{label}: stopping after this step, with a checkpoint; Ctrl-C again stops at once", sys.stderr)
        watch.asked_to_stop = signal.Signals(number)

    with handling(stop):
        yield
    if watch.asked_to_stop is signal.SIGINT and not watch.stopped:
        raise KeyboardInterrupt  # in the last step, whose checkpoint is there anyhow
    if watch.stopped:
        kind, what = (Interrupted, "Ctrl-C") if watch.asked_to_stop is signal.SIGINT else (Stopped, "SIGTERM")
        raise kind(
            f"{label}: stopped by {what} at step {trainer.state.global_step} of {trainer.state.max_steps} with a checkpoint; run the same "
            "command to go on"
        )
