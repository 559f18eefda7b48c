"""Training loops without a trainer: what a careful person writes by hand, plain or compiled.

A fused AdamW, rows of like length together, gradients clipped as the trainers clip them, bfloat16 autocast or float32.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch._dynamo.utils
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_
from tqdm import tqdm

WARM_UP = 3  # steps that are not counted
COMPILED_WARM_UP = (
    10  # as many, where the first ones compile for lengths that are new; a compile after them starts the count afresh
)
LONGEST_WARM_UP = 150  # after which it no longer does

Batch = dict[str, torch.Tensor]
Loss = Callable[[Any, Batch], torch.Tensor]
Ids = tuple[list[int], list[int]]  # of a row: its tokens and its labels


@dataclass
class Window:
    """The steps that are counted: those after the warm-up, and after the last one that had to compile.

    A compile in the middle takes as long as a hundred steps of a small model, so that a few seconds of steps would say nothing.
    """

    seconds: float
    warm_up: int
    shown: bool = True  # with a bar of its own
    tokens: float = 0.0
    started: float = 0.0
    graphs: int = -1

    def __post_init__(self) -> None:
        self.bar = tqdm(desc="warming up", unit="step", leave=False, disable=None if self.shown else True)

    def step(self, number: int, tokens: float) -> bool:
        """Counts the step with ``number``, from 0, of so many tokens; whether the time is up."""
        graphs = int(torch._dynamo.utils.counters["stats"]["unique_graphs"])
        self.bar.update()
        if number < self.warm_up or (graphs != self.graphs and number < LONGEST_WARM_UP):
            self.graphs, self.tokens, self.started = graphs, 0.0, time.perf_counter()
            return False
        self.tokens += tokens
        self.bar.set_description("measuring", refresh=False)
        ended = time.perf_counter() - self.started > self.seconds
        if ended:
            self.bar.close()
        return ended

    @property
    def rate(self) -> float:
        """Tokens per second so far."""
        return self.tokens / (time.perf_counter() - self.started)


def next_token_loss(model: Any, batch: Batch) -> torch.Tensor:
    """Cross-entropy of the labelled tokens, by the model's own head."""
    loss: torch.Tensor = model(**batch).loss
    return loss


def dpo_loss(model: Any, batch: Batch) -> torch.Tensor:
    """DPO's loss (Rafailov et al. 2023, eq. 7) with the reference's log-probabilities taken as zero: its cost is not counted."""
    labels = batch["labels"][:, 1:]
    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits[:, :-1]
    log_probs = -functional.cross_entropy(logits.float().transpose(1, 2), labels, ignore_index=-100, reduction="none")
    chosen, rejected = log_probs.sum(dim=1).chunk(2)
    return -functional.logsigmoid(0.1 * (chosen - rejected)).mean()


def loop_rate(
    model: Any, batches: Iterator[Batch], seconds: float, bf16: bool, loss_of: Loss, compiled: bool = False
) -> float:
    """Tokens that are not padding, per second, after the warm-up."""
    model.train()
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, fused=True)
    device = parameters[0].device
    run = torch.compile(model) if compiled else model
    window = Window(seconds, COMPILED_WARM_UP if compiled else WARM_UP)
    for step, batch in enumerate(batches):
        batch = {name: values.to(device) for name, values in batch.items()}
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16):
            loss = loss_of(run, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if window.step(step, int(batch["attention_mask"].sum())):
            break
    return window.rate


def sorted_batches(rows: list[Ids], size: int) -> list[list[Ids]]:
    """Batches of ``size`` rows of like length; what is left over is dropped."""
    rows = sorted(rows, key=lambda row: len(row[0]))
    return [rows[start : start + size] for start in range(0, len(rows) - size + 1, size)]


def sorted_pairs(pairs: list[tuple[Ids, Ids]], size: int) -> list[list[Ids]]:
    """Batches of ``size`` chosen rows followed by their rejected ones."""
    pairs = sorted(pairs, key=lambda two: len(two[0][0]))
    groups = [pairs[start : start + size] for start in range(0, len(pairs) - size + 1, size)]
    return [[*(two[0] for two in group), *(two[1] for two in group)] for group in groups]


def endless(batches: list[list[Ids]], pad: int, seed: int = 0) -> Iterator[Batch]:
    """The batches in an order drawn by ``seed``, again and again, padded on the right to the longest row."""
    order = torch.randperm(len(batches), generator=torch.Generator().manual_seed(seed)).tolist()
    for place in itertools.cycle(order):
        batch = batches[place]
        width = max(len(ids) for ids, _ in batch)
        yield {
            "input_ids": torch.tensor([ids + [pad] * (width - len(ids)) for ids, _ in batch]),
            "labels": torch.tensor([labels + [-100] * (width - len(labels)) for _, labels in batch]),
            "attention_mask": torch.tensor([[1] * len(ids) + [0] * (width - len(ids)) for ids, _ in batch]),
        }
