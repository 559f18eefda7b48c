"""How a training run is watched: one line to read, and curves in trackio and TensorBoard below the run's folder.

The line and the curves say the same: loss, learning rate, gradient norm, tokens per second, share of the device's peak (MFU), memory,
and what the trainer itself logs, as DPO's margins. ``training.report_to`` chooses the trackers (transformers' own integrations;
``wandb`` where it is installed).
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from corpora.disk import write_whole
from pipelines.curves import TENSORBOARD, TRACKIO
from pipelines.plan.compute import model_flops
from pipelines.plan.devices import peak_flops
from serving.hardware import has_gpu
from serving.memory import peak_memory_gib

SECONDS = "train_seconds"  # of all tries so far, in the log
SHOWN = ("rewards/margins", "reward", "kl")  # figures of a trainer that the line has room for


def keep_below(run_dir: Path, stage: str) -> dict[str, Any]:
    """Points the trackers at folders below ``run_dir`` and returns the trainer's arguments for them.

    transformers and trackio read these places from the environment and from nowhere else.
    """
    os.environ["TENSORBOARD_LOGGING_DIR"] = str(run_dir / TENSORBOARD / stage)
    folder = (run_dir / TRACKIO).resolve()
    os.environ["TRACKIO_DIR"] = str(folder)
    _move_trackio(folder)
    return {"project": run_dir.resolve().name, "run_name": stage}


def _move_trackio(folder: Path) -> None:
    """Gives ``folder`` to trackio where it is imported already, as by TRL's trainers: it reads TRACKIO_DIR at its import alone."""
    utils = sys.modules.get("trackio.utils")
    if utils is None:
        return
    before = utils.TRACKIO_DIR
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "trackio":
            for constant, place in list(vars(module).items()):
                if isinstance(place, Path) and place.is_relative_to(before):
                    setattr(module, constant, folder / place.relative_to(before))


@contextmanager
def tracking(args: TrainingArguments, checkpoints: Path, leads: bool, anew: bool) -> Iterator[None]:
    """Opens what transformers' own trackers leave to others, and ends it when training ends, by an error too.

    Weights & Biases keeps its files in ``RUN/wandb``, has the run's folder as its project (``WANDB_PROJECT`` goes before) and a run for each
    stage, which stays the same run when the stage goes on from a checkpoint: its id is kept beside the ``checkpoints``.
    What trackio prints is kept out of the way. Curves of a stage that begins ``anew`` are its own: TensorBoard would draw those of an earlier
    one, made with other settings, into them.
    """
    if anew and leads:
        for events in Path(os.environ["TENSORBOARD_LOGGING_DIR"]).glob("events.out.tfevents.*"):
            events.unlink()
    with contextlib.redirect_stdout(io.StringIO()), _weights_and_biases(args, checkpoints, leads):
        try:
            yield
        finally:
            trackio = sys.modules.get("trackio")
            if trackio is not None and trackio.context_vars.current_run.get() is not None:
                trackio.finish()


@contextmanager
def _weights_and_biases(args: TrainingArguments, checkpoints: Path, leads: bool) -> Iterator[None]:
    if "wandb" not in args.report_to or not leads:
        yield
        return
    import wandb

    kept = checkpoints / "wandb-run"
    if not kept.is_file():
        write_whole(kept, uuid.uuid4().hex[:12])
    # transformers' callback would begin a run of its own only where there is none, and never end it: the next stage would go on in it.
    run = wandb.init(
        project=os.environ.get("WANDB_PROJECT") or args.project,
        name=args.run_name,
        id=kept.read_text(encoding="utf-8"),
        resume="allow",
        dir=os.environ.get("WANDB_DIR") or checkpoints.parent,
    )
    try:
        yield
    except BaseException:
        run.finish(exit_code=1)
        raise
    run.finish()


def memory_gib() -> float:
    """The largest memory that this process has held: of the GPU where there is one, else resident."""
    return torch.cuda.max_memory_allocated() / 2**30 if has_gpu() else peak_memory_gib([os.getpid()])


class Progress(TrainerCallback):  # type: ignore[misc]
    """A bar with the latest figures and the time left; it adds speed and memory to what the trackers get."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.bar: tqdm[Any] | None = None
        self.tokens = 0
        self.seconds = 0.0
        self.before = 0.0  # seconds of earlier tries, up to the last log before the checkpoint
        self._started = 0.0
        self._first_tokens = 0
        self._last: tuple[float, int] = (0.0, 0)  # time and tokens of the last log
        self._model: torch.nn.Module | None = None

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: torch.nn.Module | None = None,
        **_: Any,
    ) -> None:
        """Opens the bar at the step that the run starts from."""
        self._model = model
        self.bar = tqdm(
            total=state.max_steps,
            initial=state.global_step,
            desc=self.label,
            unit="step",
            dynamic_ncols=True,
            disable=not state.is_world_process_zero,
        )
        self.before = next((entry[SECONDS] for entry in reversed(state.log_history) if SECONDS in entry), 0.0)
        self._started = time.perf_counter()
        self._first_tokens = int(state.num_input_tokens_seen)
        self._last = (self._started, self._first_tokens)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Moves the bar by one optimizer step."""
        assert self.bar is not None
        self.seconds = time.perf_counter() - self._started
        self.tokens = int(state.num_input_tokens_seen) - self._first_tokens
        self.bar.update(1)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """Adds speed and memory to the figures, and shows them."""
        if logs is None or "loss" not in logs:
            return
        now, tokens = time.perf_counter(), int(state.num_input_tokens_seen)
        speed = (tokens - self._last[1]) / max(now - self._last[0], 1e-9)
        self._last = (now, tokens)
        state.log_history[-1][SECONDS] = round(self.before + now - self._started, 1)  # which checkpoints keep
        logs |= {"tokens_per_second": round(speed), "memory_gib": round(memory_gib(), 2)}
        peak = peak_flops()
        if peak is not None and self._model is not None and state.global_step:
            rows = state.global_step * args.train_batch_size * args.gradient_accumulation_steps * args.world_size
            flops = model_flops(self._model, tokens / rows) * speed / args.world_size
            logs["mfu"] = round(flops / peak, 4)
        if self.bar is not None:
            self.bar.set_postfix_str(self._line(logs), refresh=False)

    @staticmethod
    def _line(logs: dict[str, Any]) -> str:
        parts = [f"loss {float(logs['loss']):.3f}", f"lr {float(logs['learning_rate']):.1e}"]
        if "grad_norm" in logs:
            parts.append(f"grad {float(logs['grad_norm']):.2f}")
        parts += [f"{name.rpartition('/')[2]} {float(logs[name]):.3f}" for name in SHOWN if name in logs]
        parts.append(f"{logs['tokens_per_second']:,} tokens/s")
        if "mfu" in logs:
            parts.append(f"MFU {100 * float(logs['mfu']):.0f}%")
        parts.append(f"{logs['memory_gib']} GiB")
        return ", ".join(parts)

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Closes the bar."""
        if self.bar is not None:
            self.bar.close()
