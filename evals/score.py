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

    ``prompt`` takes the question's text and returns what stands before the answer; ``lead`` is put before each option, and
    ``end`` after it.
    """

    prompt: Callable[[str], str]
    lead: str
    end: str


def plain_asker() -> Asker:
    """``Question: …`` / ``Answer:``, for models that were not fine-tuned to chat."""
    return Asker(lambda question: f"Question: {question}\nAnswer:" if question else "Answer:", " ", "")


def chat_asker(tokenizer: Any, instruction: str) -> Asker:
    """The model's own chat template, the question and ``instruction`` as the user's turn."""

    def prompt(question: str) -> str:
        content = " ".join(part for part in (question, instruction) if part)
        messages = [{"role": "user", "content": content}]
        return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))

    return Asker(prompt, "", "")


def question_text(item: ExamItem, letters: bool) -> str:
    """The question as it is put, with its passage and, for ``letters``, its options."""
    text = f"{item.context}\n{item.question}" if item.context else item.question
    if letters:
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
    rows: list[tuple[list[int], int]] = []
    for before, after in pairs:
        tail = tokenizer(after, add_special_tokens=False)["input_ids"]
        head = tokenizer(before, add_special_tokens=False)["input_ids"]
        rows.append(([*head, *tail][-limit:], len(tail)))
    order = sorted(range(len(rows)), key=lambda place: len(rows[place][0]), reverse=True)
    found = [0.0] * len(rows)
    with tqdm(total=len(rows), desc=label, unit="option", leave=False, disable=None) as bar:
        start = 0
        while start < len(order):
            width = len(rows[order[start]][0])
            places = order[start : start + max(1, batch_tokens // width)]
            sums = _tail_log_probs(model, [rows[place] for place in places], width)
            for place, value in zip(places, sums, strict=True):
                found[place] = value
            start += len(places)
            bar.update(len(places))
    return found


@torch.inference_mode()
def _tail_log_probs(model: Any, rows: Sequence[tuple[list[int], int]], width: int) -> list[float]:
    """Log-probability of the last ``length`` tokens of each row.

    Rows are padded on the left, so that only the last positions go through the output head, which in a small model with a
    large vocabulary costs more than all layers together.
    """
    device = next(model.parameters()).device
    input_ids = torch.tensor([[0] * (width - len(ids)) + ids for ids, _ in rows], device=device)
    mask = torch.tensor([[0] * (width - len(ids)) + [1] * len(ids) for ids, _ in rows], device=device)
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    keep = min(width, max(length for _, length in rows) + 1)
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
        output = model(input_ids=input_ids, attention_mask=mask, position_ids=positions, logits_to_keep=keep)
    log_probs = torch.log_softmax(output.logits[:, :-1].float(), dim=-1)  # [batch, keep - 1, vocabulary]
    taken = log_probs.gather(-1, input_ids[:, width - keep + 1 :, None]).squeeze(-1).cpu()
    return [float(taken[row, -length:].sum()) for row, (_, length) in enumerate(rows)]


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
    options = [list(LETTERS[: len(item.options)]) if letters else [capital(o) for o in item.options] for item in items]
    pairs = [
        (asker.prompt(question_text(item, letters)), f"{asker.lead}{option}{asker.end}")
        for item, its_options in zip(items, options, strict=True)
        for option in its_options
    ]
    log_probs = continuation_log_probs(model, tokenizer, pairs, batch_tokens, label)
    if normalise == "unconditional":
        texts = sorted({after for _, after in pairs})
        alone = continuation_log_probs(
            model, tokenizer, [(asker.prompt(""), text) for text in texts], batch_tokens, f"{label}, no question"
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


def capital(text: str) -> str:
    """``text`` as an answer begins."""
    return text[:1].upper() + text[1:]
