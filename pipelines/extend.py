"""A base model whose vocabulary is extended by the words of a new field, before it is pretrained further on them.

A tokenizer learnt from general text cuts "glucocorticoid" into seven pieces; a model then spends its steps on spelling. Here
byte-pair merging goes on from where the base's tokenizer stopped, on the new text, and its merges are appended to the base's
("continued BPE training", Purason et al. 2025, https://arxiv.org/abs/2512.03989): general text is cut as before but for
the new words, and the old tokens keep their ids. The row of a new token in the embeddings, and in the output head, begins as
the mean of the rows of the old tokens that it stands for; the loss on the corpora, in bits per byte, is measured before and after.

Supports models with a byte-pair tokenizer that cuts text into words first (Qwen, Llama 3, GPT-2). Assumes that the counts
of the distinct words of the corpora fit in memory. Raises DataError, and TrainingError for a tokenizer of another kind.
"""

from __future__ import annotations

import collections
import heapq
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from corpora.records import Document
from evals.likelihood import bits_per_byte
from pipelines import loading, training
from pipelines.artifact import Draft
from pipelines.config import ExtendStage
from pipelines.data import Sources, records

Pair = tuple[str, str]

EXAMINED = 64  # documents on which the loss is measured before and after


def further_merges(words: dict[str, int], pieces: dict[str, list[str]], count: int, min_count: int) -> list[Pair]:
    """The next ``count`` byte-pair merges (Sennrich et al. 2016), most frequent pair first.

    Args:
        words: how often each word occurs.
        pieces: how each word is cut now; changed in place to how it is cut at the end.
        count: merges wanted; fewer are found when no pair occurs ``min_count`` times any more.
        min_count: least occurrences of a pair. Of pairs that occur equally often the first in the alphabet is merged.
    """
    counts: collections.Counter[Pair] = collections.Counter()
    where: dict[Pair, set[str]] = collections.defaultdict(set)

    def add(word: str, sign: int) -> list[Pair]:
        """Counts the pairs of a word, or with ``sign`` -1 takes them back."""
        pairs = list(zip(pieces[word], pieces[word][1:], strict=False))
        for pair in pairs:
            counts[pair] += sign * words[word]
            where[pair].add(word)
        return pairs

    for word in words:
        add(word, 1)
    heap = [(-number, pair) for pair, number in counts.items()]
    heapq.heapify(heap)
    found: list[Pair] = []
    with tqdm(total=count, desc="vocabulary", unit="token", dynamic_ncols=True) as bar:
        while heap and len(found) < count:
            number, pair = heapq.heappop(heap)
            if counts[pair] < min_count:
                continue
            if -number != counts[pair]:  # counted before a merge took some away
                heapq.heappush(heap, (-counts[pair], pair))
                continue
            found.append(pair)
            bar.update(1)
            touched: set[Pair] = set()
            for word in list(where[pair]):
                add(word, -1)
                pieces[word] = merged(pieces[word], pair)
                touched.update(add(word, 1))
            for other in sorted(touched):
                heapq.heappush(heap, (-counts[other], other))
    return found


def merged(cut: list[str], pair: Pair) -> list[str]:
    """``cut`` with each occurrence of ``pair``, from the left, made one piece."""
    found: list[str] = []
    place = 0
    while place < len(cut):
        if place + 1 < len(cut) and (cut[place], cut[place + 1]) == pair:
            found.append(pair[0] + pair[1])
            place += 2
        else:
            found.append(cut[place])
            place += 1
    return found


def count_words(tokenizer: PreTrainedTokenizerBase, texts: Iterable[str]) -> collections.Counter[str]:
    """How often each word, as the tokenizer cuts text before its merges, occurs in ``texts``."""
    backend = tokenizer.backend_tokenizer
    words: collections.Counter[str] = collections.Counter()
    for text in texts:
        if backend.normalizer is not None:
            text = backend.normalizer.normalize_str(text)
        words.update(word for word, _ in backend.pre_tokenizer.pre_tokenize_str(text))
    return words


def cut(tokenizer: PreTrainedTokenizerBase, words: Iterable[str]) -> dict[str, list[str]]:
    """How the tokenizer's merges cut each word."""
    model = tokenizer.backend_tokenizer.model
    return {word: [piece.value for piece in model.tokenize(word)] for word in words}


def extend_tokenizer(
    tokenizer: PreTrainedTokenizerBase, texts: Iterable[str], tokens: int, min_count: int, folder: Path
) -> tuple[PreTrainedTokenizerBase, list[list[int]]]:
    """The tokenizer with up to ``tokens`` more entries, written to ``folder``.

    Returns:
        The new tokenizer, and for each new token in order of its id the old ids that it stands for.

    Raises:
        TrainingError: it is not a byte-pair tokenizer that cuts text into words first.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None or type(backend.model).__name__ != "BPE" or backend.pre_tokenizer is None:
        raise loading.TrainingError(
            f"{tokenizer.name_or_path}: extend goes on with the byte-pair merges of a tokenizer that first cuts text into "
            "words, and this is none; leave the extend stage out"
        )
    words = count_words(tokenizer, texts)
    pieces = cut(tokenizer, words)
    pairs = further_merges(dict(words), pieces, tokens, min_count)

    tokenizer.save_pretrained(folder)
    file = folder / "tokenizer.json"
    layout: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    vocabulary: dict[str, int] = layout["model"]["vocab"]
    # An added token that the merges' vocabulary lacks would be given a new id, after the new tokens, on reading.
    for added in layout["added_tokens"]:
        vocabulary.setdefault(added["content"], added["id"])
    old = max(vocabulary.values()) + 1
    stands_for: dict[str, list[int]] = {}
    for pair in pairs:
        token = pair[0] + pair[1]
        if token in vocabulary:  # reached by other merges as well
            layout["model"]["merges"].append(list(pair))
            continue
        stands_for[token] = [
            place
            for piece in pair
            for place in stands_for.get(piece, [vocabulary[piece]] if piece in vocabulary else [])
        ]
        vocabulary[token] = old + len(stands_for) - 1
        layout["model"]["merges"].append(list(pair))
    file.write_text(json.dumps(layout, ensure_ascii=False), encoding="utf-8")
    return loading.load_tokenizer(folder), list(stands_for.values())


@torch.no_grad()
def extend_model(model: PreTrainedModel, first: int, stands_for: list[list[int]]) -> None:
    """Gives ``model`` a row for each new token, of ids ``first`` and on: the mean of the rows that it stands for."""
    if first + len(stands_for) > model.get_input_embeddings().weight.shape[0]:
        model.resize_token_embeddings(first + len(stands_for), mean_resizing=False)
    for module in {model.get_input_embeddings(), model.get_output_embeddings()} - {None}:
        for place, old in enumerate(stands_for, start=first):
            module.weight[place] = module.weight[old].float().mean(dim=0)


def extend(stage: ExtendStage, model_path: str | Path, sources: Sources, draft: Draft) -> None:
    """Writes the model at ``model_path`` with the vocabulary of the stage's corpora added to ``draft``."""
    documents = records(stage.corpora, sources, Document)
    texts = [document.text for document in documents]
    before = loading.load_tokenizer(model_path)
    folder = draft.folder / "model"
    tokenizer, stands_for = extend_tokenizer(before, texts, stage.tokens, stage.min_count, folder)
    model = loading.load_model(model_path).eval()
    first = len(tokenizer) - len(stands_for)
    few = texts[:: max(1, len(texts) // EXAMINED)][:EXAMINED]
    loss_before = bits_per_byte(model, before, few)
    extend_model(model, first, stands_for)
    loss = bits_per_byte(model, tokenizer, few)
    training.save_model(model, tokenizer, folder)

    sample = texts[:: max(1, len(texts) // 1000)]
    size = sum(len(text.encode()) for text in sample)
    draft.metrics = {
        "new_tokens": len(stands_for),
        "vocabulary": len(tokenizer),
        "bytes_per_token_before": round(size / sum(map(len, before(sample)["input_ids"])), 3),
        "bytes_per_token": round(size / sum(map(len, tokenizer(sample)["input_ids"])), 3),
        "bits_per_byte_before": round(loss_before, 4),
        "bits_per_byte": round(loss, 4),  # before any training of the new rows
        "longest": sorted(
            (tokenizer.decode([place]).strip() for place in range(first, len(tokenizer))), key=len, reverse=True
        )[:20],
    }
