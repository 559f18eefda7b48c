"""Log-probabilities of continuations, with nothing computed twice: a prompt once for all of its options, and what all prompts begin with once.

The prompts of a few-shot task share their examples, which are nine tenths of their tokens; their keys and values serve every item. Prompts are
sorted by length and padded on the right, so that no mask is needed: a causal model's token never sees what comes behind it. Batches are small enough
that what a layer hands to the next stays in a processor's cache; on two cores batches of 2,048 tokens took half the time of those of 8,192.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from evals.engines.prompt_batches import PromptRow, batched, by_beginning, prompt_rows
from evals.engines.tokens import tokenized

AT_ONCE = 4  # batches at once on a processor


def continuation_log_probs(
    model: nn.Module, tokenizer: Any, pairs: Sequence[tuple[str, str]], batch_tokens: int, label: str
) -> list[float]:
    """Log-probability in nats of each continuation given the text before it.

    Prompt and continuation are tokenized together and then parted, as lm-eval does: a tokenizer may write the start of a word
    in another way after a text than alone. A prompt too long for the model keeps its end.
    """
    limit = int(getattr(model.config, "max_position_embeddings", 2048))  # type: ignore[union-attr]
    rows = prompt_rows(tokenized(tokenizer, pairs), limit, batch_tokens)
    found = [0.0] * len(pairs)
    with tqdm(total=len(pairs), desc=label, unit="option", leave=False, disable=None) as bar:
        for start, its_rows in by_beginning(rows):
            past = _past(model, start) if start else None
            if past is None:
                start = []
            batches = batched(its_rows, len(start), batch_tokens)
            for batch, scores in _computed(model, batches, start, past):
                for row, values in zip(batch, scores, strict=True):
                    for place, value in zip(row.places, values, strict=True):
                        found[place] = value
                    bar.update(len(row.places))
    return found


def _computed(
    model: Any, batches: Iterator[list[PromptRow]], start: list[int], past: Any
) -> Iterator[tuple[list[PromptRow], list[list[float]]]]:
    """Each batch with its scores: on a processor some batches at once, since the steps of one are too small to be shared by all cores."""

    def compute(batch: list[PromptRow]) -> tuple[list[PromptRow], list[list[float]]]:
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
def _tail_log_probs(model: Any, rows: Sequence[PromptRow], start: list[int], past: Any) -> list[list[float]]:
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
    # On the processor: of a model that is cut over several GPUs, each layer's keys and values lie on its own.
    cache.batch_select_indices(owners.cpu())
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
