"""What every training stage shares: arguments, data order, progress, resumption and the saved model."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from transformers import PreTrainedTokenizerBase, PrinterCallback, Trainer, TrainingArguments

from corpora.disk import share
from pipelines import loading
from pipelines.artifact import Draft
from pipelines.config import Spikes, resolve_chat_template, training_class
from pipelines.loading import TrainingError, load_tokenizer
from pipelines.training import attention, number_format, sharding, short_rows
from pipelines.training.checkpoint import newest_whole, save_whole
from pipelines.training.compiling import compile_layers, taken
from pipelines.training.guards import guard
from pipelines.training.optimizer import MuonAdamW
from pipelines.training.watching import Progress, keep_below, tracking
from serving.hardware import has_gpu

console = Console(stderr=True, highlight=False)

# Defaults of every stage, each of which a recipe may override.
DEFAULTS: dict[str, Any] = {
    "gradient_checkpointing": False,
    "report_to": ["tensorboard", "trackio"],
    "disable_tqdm": True,  # osler shows its own bar, with tokens per second
    "logging_steps": 10,
    # The filter would log a NaN loss as 0.0 and hide a run that has diverged.
    "logging_nan_inf_filter": False,
    "save_strategy": "steps",
    "save_steps": 0.25,
    "save_total_limit": 2,
    "dataloader_pin_memory": False,
    # Every weight that is trained takes part in each step; looking for those that do not would cost another pass over the graph.
    "ddp_find_unused_parameters": False,
}

TURN_ENDS = ("<|im_end|>", "<|eot_id|>")  # of ChatML and of Llama 3

# What to do where a model has no chat template.
GIVE_TEMPLATE = (
    "set training.chat_template_path of the sft stage to a .jinja file or to a model that has one, or add a "
    "chat_template.jinja to the model's folder"
)


def load_chat_tokenizer(source: str | Path, kind: str, template: str | None = None) -> PreTrainedTokenizerBase:
    """The tokenizer of a model, for a stage of this kind that lays out dialogues; ``template`` is what its recipe sets.

    Raises:
        TrainingError: there is none at ``source``, or no chat template in either.
    """
    tokenizer = load_tokenizer(source)
    if tokenizer.chat_template is None and not template:
        raise TrainingError(
            f"{source}: the model has no chat template, which {kind} needs to lay out a dialogue; {GIVE_TEMPLATE}"
        )
    return tokenizer


def can_compile() -> bool:
    """Whether ``torch.compile`` can work here: on a processor it needs a C++ compiler."""
    return has_gpu() or shutil.which(os.environ.get("CXX", "g++")) is not None


def arguments(kind: str, draft: Draft, seed: int, given: dict[str, Any]) -> Any:
    """The config object of the trainer that runs a stage of this kind.

    Raises:
        TrainingError: the trainer's own config refuses a value.
    """
    values = {
        **DEFAULTS,
        **number_format.chosen(given, draft.checkpoints),
        "seed": seed,
        "data_seed": seed,
        "output_dir": str(draft.checkpoints),
        **keep_below(draft.folder.parent, draft.folder.name.removesuffix(".partial")),
        **given,
    }
    if values.get("chat_template_path"):
        values["chat_template_path"] = resolve_chat_template(values["chat_template_path"])
    values.setdefault("include_num_input_tokens_seen", "non_padding")
    layers = taken(values) if has_gpu() else None
    if has_gpu():
        attention.for_stage(kind)
    else:
        values |= sharding.on_processors()
    if values.get("torch_compile") and not can_compile():
        console.print(
            "[yellow]no C++ compiler (g++) here: training goes on uncompiled, about a quarter slower[/yellow]"
        )
        values["torch_compile"] = False
    try:
        args = training_class(kind)(**values)
    except (TypeError, ValueError) as error:
        raise TrainingError(f"the training block of the {kind} stage: {error}") from error
    sharding.shard_on_processors(args)
    args.compiled_layers = layers  # what ``run`` compiles
    return args


@contextmanager
def explained(label: str) -> Iterator[None]:
    """Turns a trainer's own refusal of its data or settings into an error that names the stage."""
    try:
        yield
    except (ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{label}: the trainer refuses: {error}") from error


def optimizers(
    choice: str, model: torch.nn.Module, args: TrainingArguments, muon_steps: int
) -> tuple[torch.optim.Optimizer | None, None]:
    """The ``optimizers`` argument of a trainer: None where the trainer's own (``training.optim``) is wanted."""
    if choice == "adamw":
        return None, None
    muon = MuonAdamW(model, args.learning_rate, args.weight_decay, ns_steps=muon_steps, half=args.bf16)
    return muon, None


def end_at_the_last_step(trainer: Trainer) -> None:
    """Keeps ``trainer`` from a step too many when it goes on from the checkpoint of its last step.

    transformers 5.19 asks whether it is done after a step, and not before the first of a resumed run whose ``max_steps`` end within
    an epoch.
    """
    epoch = trainer._run_epoch

    def run_epoch(**given: Any) -> None:
        if trainer.state.global_step >= trainer.state.max_steps:
            trainer.control.should_training_stop = True
            return
        epoch(**given)

    trainer._run_epoch = run_epoch


def run(trainer: Trainer, draft: Draft, label: str, spikes: Spikes | None = None) -> dict[str, Any]:
    """Trains, from the newest whole checkpoint if there is one, and returns the figures for the manifest.

    Raises:
        TrainingError: the loss or the gradient is NaN or infinite.
        CheckpointError: a checkpoint could not be written.
        Stopped: SIGTERM or Ctrl-C came, and a checkpoint was written.
        RolledBack: a batch is to be left out (``spikes``); running the stage again does so.
    """
    progress = Progress(label)
    trainer.remove_callback(PrinterCallback)  # the bar says it, and a printed line would tear the bar
    trainer.callback_handler.callbacks.insert(0, progress)  # before the trackers, for which it adds figures
    save_whole(trainer)
    end_at_the_last_step(trainer)
    sharding.order_globally(trainer, draft.global_batch)
    sharding.keep_losses_fine(trainer)
    # Compiled for any length, its backward pass gains nothing; for one length it does.
    if not has_gpu() and trainer.args.bf16 and (label in attention.ONE_LENGTH or not trainer.args.torch_compile):
        short_rows.use(trainer.model)
    if getattr(trainer.args, "compiled_layers", None):
        compile_layers(trainer.model, **trainer.args.compiled_layers)
    checkpoint = sharding.told_by_first(newest_whole(draft.checkpoints) if sharding.rank() == 0 else None)
    if checkpoint is not None:
        sharding.check_format(checkpoint, trainer)
        if sharding.rank() == 0:
            console.print(f"{label}: going on from {checkpoint.name}", markup=False)
    elif sharding.rank() == 0:
        number_format.keep(trainer.args, draft.checkpoints)
    watched = tracking(trainer.args, draft.checkpoints, sharding.rank() == 0, anew=checkpoint is None)
    with watched, guard(trainer, label, draft.checkpoints, spikes):
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    history = trainer.state.log_history
    losses = [
        {key: entry[key] for key in ("step", "loss", "anchor_loss") if key in entry}
        for entry in history
        if "loss" in entry
    ]
    return {
        "steps": trainer.state.global_step,
        "number_format": number_format.of(trainer.args),
        "tokens": int(trainer.state.num_input_tokens_seen),
        "tokens_per_second": round(progress.tokens / progress.seconds) if progress.seconds else None,
        "train_seconds": round(progress.before + progress.seconds, 1),
        "final_loss": losses[-1]["loss"] if losses else None,
        "losses": losses,
    }


def stop_tokens(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Ids that end an answer: the end of a turn, where the chat format has one, and the end of a document."""
    vocabulary = tokenizer.get_vocab()
    ids = [vocabulary[mark] for mark in TURN_ENDS if mark in vocabulary]
    if tokenizer.eos_token_id is not None and tokenizer.eos_token_id not in ids:
        ids.append(int(tokenizer.eos_token_id))
    return ids


def save_model(model: Any, tokenizer: PreTrainedTokenizerBase, folder: Path) -> Any:
    """Writes the model in bfloat16 safetensors with its tokenizer and chat template, and returns what was written.

    Every process has to call it; the first one gathers the model, where it is sharded, and writes it. The others return None.
    """
    model = sharding.whole(model) if model is not None else None
    if model is None:
        return None
    model.config.use_cache = True
    # A trainer narrows the stop tokens to the tokenizer's one; a chat model must stop at the end of its turn as well.
    if model.can_generate():  # a reward model gives no answers, nor does an encoder
        assert model.generation_config is not None
        model.generation_config.eos_token_id = stop_tokens(tokenizer)
    model.to(torch.bfloat16).save_pretrained(folder)
    for path in Path(folder).glob("*.safetensors"):
        share(path)
    tokenizer.save_pretrained(folder)
    return model


def quiet() -> None:
    """Keeps the libraries' chatter out of the progress bars; warnings that matter still show."""
    import datasets

    loading.quiet()
    datasets.disable_progress_bars()
