"""Multiple-choice scoring by log-likelihood: the option that the model finds likeliest is its answer.

Two ways to ask, by the task's convention:

- ``text``: ``Question: …`` / ``Answer:`` and the options' texts, each scored as the continuation (OLMES, Gu et al. 2024,
  calls it the cloze format; the right one for small models, and for PubMedQA's yes, no and maybe).
- ``letters``: the options are listed as ``A. …`` and the letters scored, as MedQA and MedMCQA are usually asked.

A longer text is less likely, whatever it says. ``normalise`` says what is done about it: ``none``; ``bytes``, the
log-probability per byte (lm-eval's ``acc_norm``); or ``unconditional``, the gain over the text's log-probability without the
question (pointwise mutual information, Holtzman et al. 2021).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from corpora.records import ExamItem

LETTERS = "ABCDEFGHIJ"


@dataclass(frozen=True)
class Answer:
    """What a model made of one item."""

    item: str
    chosen: int
    right: bool
    scores: tuple[float, ...]  # one for each option, after normalisation


@dataclass(frozen=True)
class Asker:
    """How prompts and continuations are laid out for one model.

    ``prompt`` takes the question and its passage (either may be empty) and returns what stands before the answer; ``lead`` is
    put before each option.
    """

    prompt: Callable[[str, str], str]
    lead: str


def plain_asker() -> Asker:
    """``Abstract: …`` / ``Question: …`` / ``Answer:``, for models that were not fine-tuned to chat."""

    def prompt(question: str, passage: str = "") -> str:
        lines = [f"Abstract: {passage}"] if passage else []
        return "\n".join([*lines, *([f"Question: {question}"] if question else []), "Answer:"])

    return Asker(prompt, " ")


def chat_asker(tokenizer: Any, instruction: str) -> Asker:
    """The model's own chat template, the question and ``instruction`` as the user's turn."""

    def prompt(question: str, passage: str = "") -> str:
        content = " ".join(part for part in (question, instruction) if part)
        content = f"{passage}\n\n{content}" if passage else content
        messages = [{"role": "user", "content": content}]
        return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))

    return Asker(prompt, "")


def question_text(item: ExamItem, letters: bool) -> str:
    """The question as it is put, for ``letters`` with the options listed beneath it.

    A heading over the options, as MedMCQA has one, is in the item's ``meta``.
    """
    text = item.question
    if letters:
        text += f"\n{item.meta['options_heading']}" if "options_heading" in item.meta else ""
        text += "".join(f"\n{letter}. {option}" for letter, option in zip(LETTERS, item.options, strict=False))
    return text


def continuation_log_probs(
    model: nn.Module, tokenizer: Any, pairs: Sequence[tuple[str, str]], batch_tokens: int, label: str
) -> list[float]:
    """Log-probability in nats of each continuation given the text before it.

    Prompt and continuation are tokenized apart, as lm-eval does when the continuation begins a word. A prompt too long for
    the model keeps its end.
    """
    limit = int(getattr(model.config, "max_position_embeddings", 2048))  # type: ignore[union-attr]
    tokens: dict[str, list[int]] = {}
    for text in itertools.chain.from_iterable(pairs):
        if text not in tokens:
            tokens[text] = tokenizer(text, add_special_tokens=False)["input_ids"]
    # A row is a prompt with one continuation, or a prompt with all its continuations of a single token, which it scores at
    # once: letters, and most of yes, no and maybe.
    rows: list[_Row] = []
    together: dict[str, _Row] = {}
    for place, (before, after) in enumerate(pairs):
        head, tail = tokens[before], tokens[after]
        if len(tail) == 1 and before in together:
            together[before].places.append(place)
            together[before].tails.append(tail)
            continue
        keep = max(1, limit - len(tail))
        rows.append(_Row(head[-keep:], [tail], [place]))
        if len(tail) == 1:
            together[before] = rows[-1]
    rows.sort(key=lambda row: len(row), reverse=True)
    found = [0.0] * len(pairs)
    with tqdm(total=len(pairs), desc=label, unit="option", leave=False, disable=None) as bar:
        start = 0
        while start < len(rows):
            batch = rows[start : start + max(1, batch_tokens // len(rows[start]))]
            for row, values in zip(batch, _tail_log_probs(model, batch), strict=True):
                for place, value in zip(row.places, values, strict=True):
                    found[place] = value
                bar.update(len(row.places))
            start += len(batch)
    return found


@dataclass(frozen=True)
class _Row:
    """A prompt's tokens, one continuation of any length or several of one token, and where their scores belong."""

    head: list[int]
    tails: list[list[int]]
    places: list[int]

    def __len__(self) -> int:
        return len(self.head) + len(self.tails[0]) - 1  # the last token of a continuation predicts nothing


@torch.inference_mode()
def _tail_log_probs(model: Any, rows: Sequence[_Row]) -> list[list[float]]:
    """Log-probability of each continuation of each row.

    Rows are padded on the left, so that only the last positions go through the output head, which in a small model with a
    large vocabulary costs more than all layers together.
    """
    device = next(model.parameters()).device
    width = max(len(row) for row in rows)
    inputs = [row.head + row.tails[0][:-1] for row in rows]
    input_ids = torch.tensor([[0] * (width - len(ids)) + ids for ids in inputs], device=device)
    mask = torch.tensor([[0] * (width - len(ids)) + [1] * len(ids) for ids in inputs], device=device)
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    keep = max(len(row.tails[0]) for row in rows)
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
        output = model(input_ids=input_ids, attention_mask=mask, position_ids=positions, logits_to_keep=keep)
    log_probs = torch.log_softmax(output.logits.float(), dim=-1).cpu()  # [batch, keep, vocabulary]
    found = []
    for row, values in zip(rows, log_probs, strict=True):
        length = len(row.tails[0])
        at = torch.arange(keep - length, keep)
        found.append([float(values[at, torch.tensor(tail)].sum()) for tail in row.tails])
    return found


def score_items(
    model: nn.Module,
    tokenizer: Any,
    items: Sequence[ExamItem],
    asker: Asker,
    letters: bool = False,
    normalise: str = "none",
    batch_tokens: int = 2048,
    label: str = "exam",
) -> list[Answer]:
    """Every item's answer, in the order of ``items``.

    Raises:
        ValueError: an unknown way to normalise.
    """
    if normalise not in ("none", "bytes", "unconditional"):
        raise ValueError(f"normalise is none, bytes or unconditional, not {normalise!r}")
    model.eval()
    options = [list(LETTERS[: len(item.options)]) if letters else item.options for item in items]
    pairs = [
        (asker.prompt(question_text(item, letters), item.context), f"{asker.lead}{option}")
        for item, its_options in zip(items, options, strict=True)
        for option in its_options
    ]
    log_probs = continuation_log_probs(model, tokenizer, pairs, batch_tokens, label)
    if normalise == "unconditional":
        texts = sorted({after for _, after in pairs})
        alone = continuation_log_probs(
            model, tokenizer, [(asker.prompt("", ""), text) for text in texts], batch_tokens, f"{label}, no question"
        )
        prior = dict(zip(texts, alone, strict=True))
        log_probs = [value - prior[after] for value, (_, after) in zip(log_probs, pairs, strict=True)]
    elif normalise == "bytes":
        log_probs = [value / len(after.encode()) for value, (_, after) in zip(log_probs, pairs, strict=True)]
    answers: list[Answer] = []
    start = 0
    for item in items:
        scores = tuple(log_probs[start : start + len(item.options)])
        start += len(item.options)
        chosen = max(range(len(scores)), key=scores.__getitem__)
        answers.append(Answer(item.id, chosen, chosen == item.answer, scores))
    return answers
