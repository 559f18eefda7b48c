"""Multiple-choice scoring by log-likelihood: the option that the model finds likeliest is its answer.

Two ways to ask, by the task's convention:

- ``text``: ``Question: …`` / ``Answer:`` and the options' texts, each scored as the continuation (OLMES, Gu et al. 2024,
  calls it the cloze format; the right one for small models, and for PubMedQA's yes, no and maybe).
- ``letters``: the options are listed as ``A. …`` and the letters scored, as MedQA and MedMCQA are usually asked.

A longer text is less likely, whatever it says. ``normalise`` says what is done about it: ``none``; ``bytes``, the
log-probability per byte of the option (lm-eval's ``acc_bytes``); or ``unconditional``, the gain over the text's log-probability without the
question (pointwise mutual information, Holtzman et al. 2021).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from corpora.records import LETTERS, ExamItem


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

    Prompt and continuation are tokenized together and then parted, as lm-eval does: a tokenizer may write the start of a word
    in another way after a text than alone. A prompt too long for the model keeps its end.
    """
    limit = int(getattr(model.config, "max_position_embeddings", 2048))  # type: ignore[union-attr]
    rows = _rows(tokenized(tokenizer, pairs), limit, batch_tokens)
    found = [0.0] * len(pairs)
    with tqdm(total=len(pairs), desc=label, unit="option", leave=False, disable=None) as bar:
        for batch in _batches(rows, batch_tokens):
            for row, values in zip(batch, _tail_log_probs(model, batch), strict=True):
                for place, value in zip(row.places, values, strict=True):
                    found[place] = value
                bar.update(len(row.places))
    return found


def tokenized(tokenizer: Any, pairs: Sequence[tuple[str, str]]) -> list[tuple[list[int], list[int]]]:
    """The tokens of each prompt and of its continuation.

    The tokens that the tokenizer puts before every text stand before the prompt, unless a chat template has put them there. Where a
    prompt ends in a space, the space is the continuation's.
    """
    parted = []
    for before, after in pairs:
        bare = before.rstrip(" ")
        parted.append((bare, before[len(bare) :] + after))
    prompts = list(dict.fromkeys(before for before, _ in parted))
    whole = list(dict.fromkeys(before + after for before, after in parted))
    tokens = dict(zip([*prompts, *whole], _encoded(tokenizer, [*prompts, *whole]), strict=True))
    found = []
    for before, after in parted:
        head = tokens[before] or [tokenizer.eos_token_id]  # nothing before it: as at the start of a document
        tail = tokens[before + after][len(tokens[before]) :]
        found.append((head, tail or tokenizer(after, add_special_tokens=False)["input_ids"]))
    return found


def _encoded(tokenizer: Any, texts: list[str]) -> list[list[int]]:
    """Tokens of each text; a beginning that the text has already is not put before it again."""
    start = tokenizer.bos_token or ""
    found: list[list[int]] = [[] for _ in texts]
    for given in (False, True):
        places = [place for place, text in enumerate(texts) if bool(start and text.startswith(start)) is given]
        if places:
            chosen = [texts[place] for place in places]
            ids = tokenizer(chosen, add_special_tokens=not given)["input_ids"]
            for place, row in zip(places, ids, strict=True):
                found[place] = row
    return found


@dataclass(frozen=True)
class _Row:
    """A prompt's tokens, continuations of it, and where their scores belong."""

    head: list[int]
    tails: list[list[int]]
    places: list[int]

    def __len__(self) -> int:
        return len(self.head) + sum(len(tail) for tail in self.tails)


def _rows(pairs: Sequence[tuple[list[int], list[int]]], limit: int, most: int) -> list[_Row]:
    """A row for each prompt with its continuations, the longest first, or several where they are more than ``most`` tokens."""
    grouped: dict[tuple[int, ...], list[int]] = {}
    for place, (head, _) in enumerate(pairs):
        grouped.setdefault(tuple(head), []).append(place)
    rows: list[_Row] = []
    for prompt, places in grouped.items():
        longest = max(len(pairs[place][1]) for place in places)
        head = list(prompt)[-max(1, limit + 1 - longest) :]  # no position is needed for a text's last token
        row = _Row(head, [], [])
        for place in sorted(places, key=lambda place: len(pairs[place][1]), reverse=True):
            tail = pairs[place][1]
            if row.tails and len(row) + len(tail) > most:
                rows.append(row)
                row = _Row(head, [], [])
            row.tails.append(tail)
            row.places.append(place)
        rows.append(row)
    return rows


def _batches(rows: list[_Row], most: int) -> Iterator[list[_Row]]:
    """Rows with continuations of like length together, the longest first, at most ``most`` tokens in each batch.

    Continuations are padded to the longest of a batch, and at each of their positions the output head is computed.
    """
    batch: list[_Row] = []
    for row in sorted(rows, key=lambda row: (max(map(len, row.tails)), len(row.head)), reverse=True):
        if batch and sum(map(len, batch)) + len(row) > most:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


@torch.inference_mode()
def _tail_log_probs(model: Any, rows: Sequence[_Row]) -> list[list[float]]:
    """Log-probability of each continuation of each row.

    Each prompt is computed once, and its keys and values serve all of its continuations. Prompts are padded on the left,
    continuations on the right; only the last position of a prompt goes through the output head, which in a small model
    with a large vocabulary costs more than all layers together.
    """
    device = next(model.parameters()).device
    width = max(len(row.head) for row in rows)
    heads = torch.tensor([[0] * (width - len(row.head)) + row.head for row in rows], device=device)
    mask = torch.tensor([[0] * (width - len(row.head)) + [1] * len(row.head) for row in rows], device=device)
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    owners = torch.tensor([number for number, row in enumerate(rows) for _ in row.tails], device=device)
    tails = [tail for row in rows for tail in row.tails]
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
        output = model(input_ids=heads, attention_mask=mask, position_ids=positions, use_cache=True, logits_to_keep=1)
        first = torch.log_softmax(output.logits[:, -1].float(), dim=-1)  # [rows, vocabulary]
        scores = first[owners, torch.tensor([tail[0] for tail in tails], device=device)]
        longer = torch.tensor([number for number, tail in enumerate(tails) if len(tail) > 1], device=device)
        if len(longer):
            scores[longer] += _rest_log_probs(
                model, output.past_key_values, mask, owners[longer], [tail for tail in tails if len(tail) > 1]
            )
    values = iter(scores.cpu().tolist())
    return [[next(values) for _ in row.tails] for row in rows]


def _rest_log_probs(
    model: Any, cache: Any, mask: torch.Tensor, owners: torch.Tensor, tails: list[list[int]]
) -> torch.Tensor:
    """Log-probability of each continuation from its second token on, ``[tails]``.

    Args:
        model: the model.
        cache: keys and values of the prompts.
        mask: ``[prompts, width]``, 0 where a prompt is padded.
        owners: ``[tails]``, the prompt of each continuation.
        tails: continuations of two tokens or more.
    """
    cache.batch_select_indices(owners)
    width = max(len(tail) for tail in tails) - 1
    padded = [tail + [0] * (width + 1 - len(tail)) for tail in tails]
    ids = torch.tensor(padded, device=mask.device)
    counts = torch.tensor([[1] * (len(tail) - 1) + [0] * (width + 1 - len(tail)) for tail in tails], device=mask.device)
    positions = mask[owners].sum(dim=1, keepdim=True) + torch.arange(width, device=mask.device)
    logits = model(
        input_ids=ids[:, :-1],
        attention_mask=torch.cat([mask[owners], counts], dim=1),
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
    ).logits
    log_probs = torch.log_softmax(logits.float(), dim=-1).gather(-1, ids[:, 1:, None]).squeeze(-1)
    return (log_probs * counts).sum(dim=1)


def normalised(
    log_probs: Sequence[float],
    pairs: Sequence[tuple[str, str]],
    normalise: str,
    without_question: str,
    log_probs_of: Callable[[Sequence[tuple[str, str]]], list[float]],
) -> list[float]:
    """The log-probabilities of ``pairs``, normalised as ``normalise`` says (see the module's text).

    Args:
        log_probs: one for each pair.
        pairs: prompts and continuations.
        normalise: none, bytes or unconditional.
        without_question: the prompt that asks nothing, for unconditional.
        log_probs_of: computes those of further pairs.
    """
    if normalise == "unconditional":
        texts = sorted({after for _, after in pairs})
        prior = dict(zip(texts, log_probs_of([(without_question, text) for text in texts]), strict=True))
        return [value - prior[after] for value, (_, after) in zip(log_probs, pairs, strict=True)]
    if normalise == "bytes":
        return [value / len(after.strip().encode()) for value, (_, after) in zip(log_probs, pairs, strict=True)]
    return list(log_probs)


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

    def log_probs_of(asked: Sequence[tuple[str, str]]) -> list[float]:
        return continuation_log_probs(model, tokenizer, asked, batch_tokens, label)

    log_probs = normalised(log_probs_of(pairs), pairs, normalise, asker.prompt("", ""), log_probs_of)
    answers: list[Answer] = []
    start = 0
    for item in items:
        scores = tuple(log_probs[start : start + len(item.options)])
        start += len(item.options)
        chosen = max(range(len(scores)), key=scores.__getitem__)
        answers.append(Answer(item.id, chosen, chosen == item.answer, scores))
    return answers
