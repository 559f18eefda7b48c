"""Training speed, measured side by side: a plain loop, Osler's stages, and TRL's defaults, on the same model and data.

Speed is counted in tokens that are not padding. The plain loop is what a careful person writes by hand: a fused AdamW, rows of
like length, no trainer, bf16 autocast. Where float32 is faster than bf16 (a processor without matrix units) the loop runs in
both, and every ratio is to the faster one. Each way runs in turn in one process, after warm-up steps that are not counted.
"""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import datasets
import peft
import torch
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_
from transformers import PrinterCallback, Trainer, TrainerCallback, default_data_collator
from trl import DPOTrainer, SFTConfig, SFTTrainer

from corpora.bundled.render import render
from corpora.records import Dialogue, Document
from pipelines import dpo, sft, training
from pipelines.adapters import lora_config
from pipelines.anchor import AnchorLoss, anchored
from pipelines.artifact import Draft
from pipelines.blocks import blocks
from pipelines.config import Anchor, Corpus, Lora
from pipelines.data import Sources
from pipelines.plain_head import plain_head
from serving.hardware import fast_bfloat16, use_processor_well

WARM_UP = 3  # steps
LENGTH = 128  # tokens of a CPT row
BATCH = 16  # rows

Row = dict[str, Any]
Ids = tuple[list[int], list[int]]  # of a row: its tokens and its labels


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


Batch = dict[str, torch.Tensor]
Loss = Callable[[Any, Batch], torch.Tensor]


def _next_token_loss(model: Any, batch: Batch) -> torch.Tensor:
    loss: torch.Tensor = model(**batch).loss
    return loss


def _dpo_loss(model: Any, batch: Batch) -> torch.Tensor:
    """DPO's loss (Rafailov et al. 2023, eq. 7) with the reference's log-probabilities taken as zero: its cost is not counted."""
    labels = batch["labels"][:, 1:]
    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits[:, :-1]
    log_probs = -functional.cross_entropy(logits.float().transpose(1, 2), labels, ignore_index=-100, reduction="none")
    chosen, rejected = log_probs.sum(dim=1).chunk(2)
    return -functional.logsigmoid(0.1 * (chosen - rejected)).mean()


def _plain_loop(model: Any, batches: Iterator[Batch], seconds: float, bf16: bool, loss_of: Loss) -> float:
    """Tokens per second of a loop without a trainer."""
    model.train()
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, fused=True)
    device = parameters[0].device
    tokens, started = 0, 0.0
    for step, batch in enumerate(batches):
        if step == WARM_UP:
            tokens, started = 0, time.perf_counter()
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16):
            loss = loss_of(model, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        tokens += int(batch["attention_mask"].sum())
        if step > WARM_UP and time.perf_counter() - started > seconds:
            break
    return tokens / (time.perf_counter() - started)


def _padded(rows: list[Ids], pad: int) -> Iterator[Batch]:
    """Endless batches of rows sorted by length; each row is its ids and its labels."""
    rows = sorted(rows, key=lambda row: len(row[0]))
    batches = [rows[start : start + BATCH] for start in range(0, len(rows) - BATCH + 1, BATCH)]
    yield from _endless(batches, pad)


def _endless(batches: list[list[Ids]], pad: int) -> Iterator[Batch]:
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
        trainer.remove_callback(PrinterCallback)  # it prints to where the figures go
        trainer.add_callback(clock)
        trainer.train()
        return clock.rate


def bench_train(model_path: str, seconds: float) -> list[dict[str, Any]]:
    """A row for each way: ``data``, ``how``, ``tokens_per_second``, and ``ratio`` to the plain loop on the same data."""
    training.quiet()
    use_processor_well()
    tokenizer = training.load_tokenizer(model_path)
    documents = [record for record in render("bundled-documents", 4) if isinstance(record, Document)]
    packed = blocks(documents, tokenizer, LENGTH)
    dialogues = [record for record in render("bundled-dialogues", 2) if isinstance(record, Dialogue)]
    messages = datasets.Dataset.from_list([{"messages": [m.as_dict() for m in one.messages]} for one in dialogues])
    text = Anchor(corpora=[Corpus(name="bundled-general")], rows=BATCH // 4)  # as many for each row as recipe nano has
    anchor = AnchorLoss(text, model_path, Sources(None, 0, {}))
    every = {
        "max_steps": 100_000,
        "per_device_train_batch_size": BATCH,
        "save_strategy": "no",
        "report_to": [],
        "learning_rate": 1e-4,
    }

    def cpt_trainer(extra: Row, optimizer: str = "adamw", anchor: AnchorLoss | None = None) -> Callable[[Draft], Any]:
        def make(draft: Draft) -> Any:
            model = training.load_model(model_path)
            args = training.arguments("cpt", draft, 0, {**every, **extra})
            return anchored(Trainer, anchor)(
                model=model,
                args=args,
                train_dataset=packed,
                data_collator=default_data_collator,
                processing_class=tokenizer,
                optimizers=training.optimizers(optimizer, model, args, muon_steps=3),
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
            args = training.arguments(
                "dpo", draft, 0, {**dpo.DEFAULTS, **every, "per_device_train_batch_size": BATCH // 2}
            )
            settings = {
                "model": training.load_model(model_path),
                "args": args,
                "train_dataset": pairs,
                "processing_class": tokenizer,
                "peft_config": lora_config(Lora()),
            }
            if not with_plain_head:
                return DPOTrainer(**settings)
            with plain_head():
                return DPOTrainer(**settings)

        return make

    def answer_rows(field: str, data: datasets.Dataset) -> list[Ids]:
        found = []
        for row in data:
            turns = row["messages"] if field == "messages" else [*row["prompt"], *row[field]]
            mask = tokenizer.apply_chat_template(turns, return_dict=True, return_assistant_tokens_mask=True)
            labels = [i if on else -100 for i, on in zip(mask["input_ids"], mask["assistant_masks"], strict=True)]
            found.append((mask["input_ids"], labels))
        return found

    pad = tokenizer.pad_token_id
    half = BATCH // 2
    both = sorted(
        zip(answer_rows("chosen", pairs), answer_rows("rejected", pairs), strict=True), key=lambda two: len(two[0][0])
    )
    pair_batches = [
        [two[0] for two in both[start : start + half]] + [two[1] for two in both[start : start + half]]
        for start in range(0, len(both) - half + 1, half)
    ]
    loops: dict[str, tuple[Callable[[], Any], Callable[[], Iterator[Batch]], Loss]] = {
        "documents": (
            lambda: training.load_model(model_path),
            lambda: _padded([(ids, ids) for ids in packed["input_ids"]], pad),
            _next_token_loss,
        ),
        "dialogues": (
            lambda: training.load_model(model_path),
            lambda: _padded(answer_rows("messages", messages), pad),
            _next_token_loss,
        ),
        "pairs": (
            lambda: peft.get_peft_model(training.load_model(model_path), lora_config(Lora())),
            lambda: _endless(pair_batches, pad),
            _dpo_loss,
        ),
    }
    ways: dict[str, list[tuple[str, Callable[[], float]]]] = {
        "documents": [
            ("osler cpt", lambda: _trainer_rate(cpt_trainer({}), seconds)),
            # What recipe nano runs: the anchor's own tokens are not counted, its time and Muon's are.
            ("osler cpt, Muon and anchor", lambda: _trainer_rate(cpt_trainer({}, "muon", anchor), seconds)),
        ],
        "dialogues": [
            ("osler sft", lambda: _trainer_rate(sft_trainer, seconds)),
            ("TRL defaults", lambda: _trainer_rate(trl_defaults, seconds)),
        ],
        "pairs": [
            ("osler dpo", lambda: _trainer_rate(dpo_trainer(True), seconds)),
            ("osler dpo, TRL's own head", lambda: _trainer_rate(dpo_trainer(False), seconds)),
        ],
    }
    if training.can_compile():
        ways["documents"].append(
            ("osler cpt, compiled", lambda: _trainer_rate(cpt_trainer({"torch_compile": True}), seconds, 8))
        )
    formats = {"bf16": True} if fast_bfloat16() else {"bf16": True, "fp32": False}
    rows: list[dict[str, Any]] = []
    for data, (model, batches, loss_of) in loops.items():
        rates: dict[str, float] = {}
        for name, bf16 in formats.items():
            training.console.print(f"[dim]{data}: plain loop, {name}[/dim]")
            rates[f"plain loop, {name}"] = _plain_loop(model(), batches(), seconds, bf16, loss_of)
        fastest = max(rates.values())
        for how, measure in ways[data]:
            training.console.print(f"[dim]{data}: {how}[/dim]")
            rates[how] = measure()
        rows += [
            {"data": data, "how": how, "tokens_per_second": rate, "ratio": rate / fastest}
            for how, rate in rates.items()
        ]
    return rows
