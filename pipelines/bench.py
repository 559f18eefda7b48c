"""Training speed, measured side by side: a plain bf16 loop, Osler's stages, and TRL's defaults, on the same model and data.

Speed is counted in tokens that are not padding. The plain loop is what a careful person writes by hand: bf16 autocast, a fused
AdamW, rows of one length, no trainer. Each way runs in turn in one process, after warm-up steps that are not counted.
"""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import datasets
import torch
from torch.nn.utils import clip_grad_norm_
from transformers import Trainer, TrainerCallback, default_data_collator
from trl import DPOTrainer, SFTConfig, SFTTrainer

from corpora.bundled.render import render
from corpora.records import Dialogue, Document
from pipelines import dpo, sft, training
from pipelines.artifact import Draft
from pipelines.blocks import blocks
from pipelines.config import Lora
from pipelines.plain_head import plain_head

WARM_UP = 3  # steps
LENGTH = 128  # tokens of a CPT row
BATCH = 16  # rows

Row = dict[str, Any]


class _Clock(TrainerCallback):  # type: ignore[misc]
    """Counts the seconds and tokens of the steps after the warm-up, and stops when the time is up."""

    def __init__(self, seconds: float, warm_up: int) -> None:
        self.seconds, self.warm_up = seconds, warm_up
        self.started = self.tokens = 0.0
        self.rate = 0.0

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == self.warm_up:
            self.started, self.tokens = time.perf_counter(), float(state.num_input_tokens_seen)
        elif state.global_step > self.warm_up:
            passed = time.perf_counter() - self.started
            self.rate = (float(state.num_input_tokens_seen) - self.tokens) / passed
            control.should_training_stop = passed > self.seconds


def _plain_loop(model_path: str, batches: Iterator[dict[str, torch.Tensor]], seconds: float) -> float:
    """Tokens per second of a loop without a trainer."""
    model = training.load_model(model_path).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    device = next(model.parameters()).device
    tokens, started = 0, 0.0
    for step, batch in enumerate(batches):
        if step == WARM_UP:
            tokens, started = 0, time.perf_counter()
        with torch.autocast(device.type, dtype=torch.bfloat16):
            loss = model(**batch).loss
        loss.backward()
        clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        tokens += int(batch["attention_mask"].sum())
        if step > WARM_UP and time.perf_counter() - started > seconds:
            break
    return tokens / (time.perf_counter() - started)


def _padded(rows: list[tuple[list[int], list[int]]], pad: int) -> Iterator[dict[str, torch.Tensor]]:
    """Endless batches of rows sorted by length; each row is its ids and its labels."""
    rows = sorted(rows, key=lambda row: len(row[0]))
    batches = [rows[start : start + BATCH] for start in range(0, len(rows) - BATCH + 1, BATCH)]
    # The middle lengths first, so that a short measurement sees the usual ones.
    order = sorted(range(len(batches)), key=lambda place: abs(place - len(batches) // 2))
    for place in itertools.cycle(order):
        batch = batches[place]
        width = max(len(ids) for ids, _ in batch)
        yield {
            "input_ids": torch.tensor([ids + [pad] * (width - len(ids)) for ids, _ in batch]),
            "labels": torch.tensor([labels + [-100] * (width - len(labels)) for _, labels in batch]),
            "attention_mask": torch.tensor([[1] * len(ids) + [0] * (width - len(ids)) for ids, _ in batch]),
        }


def _trainer_rate(make: Callable[[Draft], Any], seconds: float, warm_up: int = WARM_UP) -> float:
    with tempfile.TemporaryDirectory() as folder:
        draft = Draft(Path(folder) / "bench")
        clock = _Clock(seconds, warm_up)
        trainer = make(draft)
        trainer.add_callback(clock)
        trainer.train()
        return clock.rate


def bench_train(model_path: str, seconds: float) -> list[dict[str, Any]]:
    """A row for each way: ``data``, ``how``, ``tokens_per_second``, and ``ratio`` to the plain loop on the same data."""
    training.quiet()
    training.use_all_cores()
    tokenizer = training.load_tokenizer(model_path)
    documents = [record for record in render("bundled-documents", 4) if isinstance(record, Document)]
    packed = blocks(documents, tokenizer, LENGTH)
    dialogues = [record for record in render("bundled-dialogues", 2) if isinstance(record, Dialogue)]
    messages = datasets.Dataset.from_list([{"messages": [m.as_dict() for m in one.messages]} for one in dialogues])
    every = {"max_steps": 100_000, "per_device_train_batch_size": BATCH, "save_strategy": "no", "learning_rate": 1e-4}

    def cpt_trainer(extra: Row) -> Callable[[Draft], Any]:
        def make(draft: Draft) -> Any:
            return Trainer(
                model=training.load_model(model_path),
                args=training.arguments("cpt", draft, 0, {**every, **extra}),
                train_dataset=packed,
                data_collator=default_data_collator,
                processing_class=tokenizer,
            )

        return make

    def sft_trainer(draft: Draft) -> Any:
        with plain_head():
            return SFTTrainer(
                model=training.load_model(model_path),
                args=training.arguments("sft", draft, 0, {**sft.DEFAULTS, **every}),
                train_dataset=messages,
                processing_class=tokenizer,
            )

    def trl_defaults(draft: Draft) -> Any:
        own = {"output_dir": str(draft.checkpoints), "report_to": [], "disable_tqdm": True, "assistant_only_loss": True}
        use_cpu = not torch.cuda.is_available()
        args = SFTConfig(
            **own, max_steps=100_000, save_strategy="no", use_cpu=use_cpu, include_num_input_tokens_seen="non_padding"
        )
        return SFTTrainer(model=model_path, args=args, train_dataset=messages, processing_class=tokenizer)

    pairs = datasets.Dataset.from_list(
        [
            {
                "prompt": row["messages"][:-1],
                "chosen": row["messages"][-1:],
                "rejected": [{"role": "assistant", "content": "I do not know."}],
            }
            for row in messages.select(range(400))
        ]
    )

    def dpo_trainer(with_plain_head: bool) -> Callable[[Draft], Any]:
        def make(draft: Draft) -> Any:
            own = {
                **dpo.DEFAULTS,
                **every,
                "per_device_train_batch_size": BATCH // 2,
                "precompute_ref_log_probs": False,
            }
            args = training.arguments("dpo", draft, 0, own)
            settings = {
                "model": training.load_model(model_path),
                "args": args,
                "train_dataset": pairs,
                "processing_class": tokenizer,
                "peft_config": sft.lora_config(Lora()),
            }
            if not with_plain_head:
                return DPOTrainer(**settings)
            with plain_head():
                return DPOTrainer(**settings)

        return make

    cpt_rows = [(ids, ids) for ids in packed["input_ids"]]
    sft_rows = []
    for row in messages["messages"]:
        found = tokenizer.apply_chat_template(row, return_dict=True, return_assistant_tokens_mask=True)
        labels = [i if on else -100 for i, on in zip(found["input_ids"], found["assistant_masks"], strict=True)]
        sft_rows.append((found["input_ids"], labels))
    pad = tokenizer.pad_token_id
    ways: list[tuple[str, str, Callable[[], float]]] = [
        ("documents", "plain loop", lambda: _plain_loop(model_path, _padded(cpt_rows, pad), seconds)),
        ("documents", "osler cpt", lambda: _trainer_rate(cpt_trainer({}), seconds)),
        ("dialogues", "plain loop", lambda: _plain_loop(model_path, _padded(sft_rows, pad), seconds)),
        ("dialogues", "osler sft", lambda: _trainer_rate(sft_trainer, seconds)),
        ("dialogues", "TRL defaults", lambda: _trainer_rate(trl_defaults, seconds)),
        ("pairs", "osler dpo", lambda: _trainer_rate(dpo_trainer(True), seconds)),
        ("pairs", "TRL's own head", lambda: _trainer_rate(dpo_trainer(False), seconds)),
    ]
    if training.can_compile():
        ways.insert(
            2,
            (
                "documents",
                "osler cpt, compiled",
                lambda: _trainer_rate(cpt_trainer({"torch_compile": True}), seconds, 8),
            ),
        )
    rows: list[dict[str, Any]] = []
    plain: dict[str, float] = {}
    for data, how, measure in ways:
        training.console.print(f"[dim]{data}: {how}[/dim]")
        rate = measure()
        if how == "plain loop":
            plain[data] = rate
        rows.append(
            {"data": data, "how": how, "tokens_per_second": rate, "ratio": rate / plain.get(data, plain["dialogues"])}
        )
    return rows
