"""Log-probabilities of continuations, with nothing computed twice: a prompt once for all of its options, and what all prompts begin with once.

The prompts of a few-shot task share their examples, which are nine tenths of their tokens; their keys and values serve every item. Prompts are
sorted by length and padded on the right, so that no mask is needed: a causal model's token never sees what comes behind it. Batches are small enough
that what a layer hands to the next stays in a processor's cache; on two cores batches of 2,048 tokens took half the time of those of 8,192.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from evals.tokens import tokenized

LEAST_SHARED = 32  # tokens that prompts begin with alike, from which on keeping their keys and values pays
MOST_LENGTHS = 8  # different lengths in a batch: at the end of each the output head is computed for every row
AT_ONCE = 4  # batches at once on a processor
KEPT = 8  # times the tokens of a batch: as many keys and values are held at most


@dataclass(frozen=True)
class _Row:
    """A prompt's tokens, continuations of it, and where their scores belong."""

    head: list[int]
    tails: list[list[int]]
    places: list[int]

    def __len__(self) -> int:
        return len(self.head) + sum(len(tail) for tail in self.tails)


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
        for start, its_rows in _by_beginning(rows):
            past = _past(model, start) if start else None
            if past is None:
                start = []
            batches = _batches(its_rows, len(start), batch_tokens)
            for batch, scores in _computed(model, batches, start, past):
                for row, values in zip(batch, scores, strict=True):
                    for place, value in zip(row.places, values, strict=True):
                        found[place] = value
                    bar.update(len(row.places))
    return found


def _rows(pairs: Sequence[tuple[list[int], list[int]]], limit: int, most: int) -> list[_Row]:
    """A row for each prompt with its continuations, or several where they are more than ``most`` tokens."""
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


def _by_beginning(rows: list[_Row]) -> Iterator[tuple[list[int], list[_Row]]]:
    """The tokens that most rows begin with, and those rows; then the others, as those whose beginning was cut away, with none."""
    middle = sorted(row.head for row in rows)[len(rows) // 2] if len(rows) > 1 else []
    shared = [row for row in rows if row.head[:LEAST_SHARED] == middle[:LEAST_SHARED]]
    if len(middle) <= LEAST_SHARED or len(shared) < 2:
        yield [], rows
        return
    first, last = min(row.head for row in shared), max(row.head for row in shared)
    length = next((place for place, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    length = min(length, min(len(row.head) for row in shared) - 1)  # a prompt's last token gives the first score
    yield first[:length], shared
    others = [row for row in rows if row.head[:LEAST_SHARED] != middle[:LEAST_SHARED]]
    if others:
        yield [], others


def _batches(rows: list[_Row], shared: int, most: int) -> Iterator[list[_Row]]:
    """Rows with continuations of like length together, the longest first, at most ``most`` tokens in each batch, padding included."""
    batch: list[_Row] = []
    lengths: set[int] = set()
    width = 0
    for row in sorted(rows, key=lambda row: (max(map(len, row.tails)), len(row.head)), reverse=True):
        width = max(width, len(row.head) - shared)
        full = (len(batch) + 1) * width + sum(sum(map(len, one.tails)) for one in [*batch, row]) > most
        kept = (len(batch) + 1) * (width + shared) > KEPT * most
        if batch and (full or kept or len(lengths | {len(row.head)}) > MOST_LENGTHS):
            yield batch
            batch, lengths, width = [], set(), len(row.head) - shared
        batch.append(row)
        lengths.add(len(row.head))
    if batch:
        yield batch


def _computed(
    model: Any, batches: Iterator[list[_Row]], start: list[int], past: Any
) -> Iterator[tuple[list[_Row], list[list[float]]]]:
    """Each batch with its scores: on a processor some batches at once, since the steps of one are too small to be shared by all cores."""

    def compute(batch: list[_Row]) -> tuple[list[_Row], list[list[float]]]:
        return batch, _tail_log_probs(model, batch, start, past)

    device = next(model.parameters()).device
    cores = torch.get_num_threads()
    if device.type != "cpu" or cores == 1:
        yield from map(compute, batches)
        return
    workers = min(cores, AT_ONCE)
    try:
        with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(cores // workers,)) as pool:
            yield from pool.map(compute, batches)
    finally:
        torch.set_num_threads(cores)


@torch.inference_mode()
def _past(model: Any, start: list[int]) -> Any:
    """Keys and values of the tokens that prompts begin with; None where the model keeps something else."""
    device = next(model.parameters()).device
    past = model(input_ids=torch.tensor([start], device=device), use_cache=True, logits_to_keep=1).past_key_values
    return past if _is_plain(past) else None


def _is_plain(cache: Any) -> bool:
    """Whether a cache holds all keys and values, and no window or state that padding would spoil."""
    from transformers.cache_utils import DynamicCache, DynamicLayer

    return isinstance(cache, DynamicCache) and all(type(layer) is DynamicLayer for layer in cache.layers)


@torch.inference_mode()
def _tail_log_probs(model: Any, rows: Sequence[_Row], start: list[int], past: Any) -> list[list[float]]:
    """Log-probability of each continuation of each row.

    Each prompt is computed once, and its keys and values serve all of its continuations. Only the last position of a prompt goes through the
    output head, which in a small model with a large vocabulary costs more than all layers together.
    """
    device = next(model.parameters()).device
    lengths = torch.tensor([len(row.head) - len(start) for row in rows], device=device)
    width = int(lengths.max())
    heads = torch.tensor([row.head[len(start) :] + [0] * (len(start) + width - len(row.head)) for row in rows])
    ends, at = torch.unique(lengths - 1, return_inverse=True)
    owners = torch.tensor([number for number, row in enumerate(rows) for _ in row.tails], device=device)
    tails = [tail for row in rows for tail in row.tails]
    longer = torch.tensor([number for number, tail in enumerate(tails) if len(tail) > 1], device=device)
    cache = None
    if past is not None:
        cache = copy.deepcopy(past)
        cache.batch_repeat_interleave(len(rows))
    output = model(
        input_ids=heads.to(device),
        past_key_values=cache,
        use_cache=cache is not None or len(longer) > 0,
        logits_to_keep=ends,
    )
    last = output.logits[torch.arange(len(rows), device=device), at]
    first = torch.log_softmax(last.float(), dim=-1)  # [rows, vocabulary]
    scores = first[owners, torch.tensor([tail[0] for tail in tails], device=device)]
    if len(longer):
        more = [tail for tail in tails if len(tail) > 1]
        if _is_plain(output.past_key_values):
            seen = torch.arange(width, device=device) < lengths[:, None]
            mask = torch.cat([seen.new_ones(len(rows), len(start)), seen], dim=1).long()
            scores[longer] += _rest_log_probs(model, output.past_key_values, mask, owners[longer], more)
        else:
            its_heads = [rows[int(owner)].head for owner in owners[longer]]
            scores[longer] += torch.tensor(
                [_whole(model, head, tail) for head, tail in zip(its_heads, more, strict=True)], device=device
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


def _whole(model: Any, head: list[int], tail: list[int]) -> float:
    """Log-probability of a continuation from its second token on, computed with its whole prompt."""
    device = next(model.parameters()).device
    logits = model(input_ids=torch.tensor([head + tail[:-1]], device=device), logits_to_keep=len(tail) - 1).logits
    log_probs = torch.log_softmax(logits[0].float(), dim=-1)
    return float(log_probs.gather(-1, torch.tensor(tail[1:], device=device)[:, None]).sum())
