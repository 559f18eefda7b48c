"""Which tokens are masked: whole words, drawn anew in each epoch, the same whenever a run is repeated or resumed.

Of each row 15% of the tokens are chosen; of these 80% become the mask token, 10% a random token, and 10% stay (Devlin et al.
2019, section 3.1). Words are chosen whole, in random order until the share is reached, as BERT's later releases do
(``create_pretraining_data.py``, ``do_whole_word_mask``); Cui et al. 2021 (https://arxiv.org/abs/1906.08101) do so for Chinese.

The collator of transformers replaces the chosen tokens here. Its own ``whole_word_mask=True`` is not used: it turns the random
and the kept tokens off, and takes all that stands without a space between for one word, so that a sentence of Chinese, or a
text of a byte-level BPE whose offsets include the space, is a single word. Nor is its seed: the state of its generator is not
in a checkpoint, and a resumed run would mask other words.
"""

from __future__ import annotations

import hashlib
import logging
import multiprocessing
from functools import partial
from typing import Any

import datasets
import jieba
import torch
from torch.utils.data import Dataset
from transformers import (
    DataCollatorForLanguageModeling,
    PreTrainedTokenizerBase,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from trl import pack_dataset

from corpora.curate.units import HAN
from corpora.errors import DataError
from corpora.records import Document

jieba.setLogLevel(logging.WARNING)


def chinese_words(text: str, how: str) -> list[int]:
    """For each character of ``text`` the number of the Chinese word that it is of, or -1 where it is not Chinese.

    ``how`` is "characters" (each is a word) or "jieba" (each run of Chinese is cut by jieba).
    """
    numbers = [-1] * len(text)
    place = word = 0
    while place < len(text):
        end = place
        while end < len(text) and HAN.match(text[end]):
            end += 1
        for piece in jieba.cut(text[place:end]) if how == "jieba" else text[place:end]:
            numbers[place : place + len(piece)] = [word] * len(piece)
            place, word = place + len(piece), word + 1
        place = max(place, end + 1)
    return numbers


def word_starts(text: str, offsets: list[tuple[int, int]], word_ids: list[int | None], how: str) -> list[int]:
    """1 for each token that begins a word, 0 for one that goes on with the word before it.

    A word is what the tokenizer cuts text into before its merges, but in Chinese what ``how`` says, since a tokenizer on bytes
    takes a run of Chinese for one word. A token that holds parts of two words joins them into one.

    Args:
        text: what was tokenized.
        offsets: of each token the characters that it stands for; those of a part of a character are of the whole character.
        word_ids: of each token the tokenizer's own word.
        how: as in ``chinese_words``.
    """
    chinese = chinese_words(text, how)
    starts: list[int] = []
    before: tuple[int, int, int | None] | None = None  # of the token before: its end, the Chinese word there, its word
    for (start, end), word in zip(offsets, word_ids, strict=True):
        seen = [place for place in range(start, end) if not text[place].isspace()]
        first, last = (chinese[seen[0]], chinese[seen[-1]]) if seen else (-1, -1)
        if before is None:
            starts.append(1)
        elif start < before[0]:
            starts.append(0)
        elif first != -1 or before[1] != -1:
            starts.append(int(first != before[1]))
        else:
            starts.append(int(word != before[2]))
        before = (end, last, word)
    return starts


def _tokens(batch: dict[str, list[str]], tokenizer: PreTrainedTokenizerBase, how: str) -> dict[str, list[list[int]]]:
    """The tokens of each text and which of them begin words; the separator ends a text."""
    cut = tokenizer(batch["text"], add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    ids, starts = [], []
    for number, text in enumerate(batch["text"]):
        ids.append([*cut["input_ids"][number], tokenizer.sep_token_id])
        starts.append([*word_starts(text, cut["offset_mapping"][number], cut.word_ids(number), how), 1])
    return {"input_ids": ids, "starts": starts}


def encoder_rows(
    documents: list[Document], tokenizer: PreTrainedTokenizerBase, length: int, how: str = "characters"
) -> datasets.Dataset:
    """Documents joined and cut into rows of ``length`` tokens, the classifier's token first and the separator last.

    A separator stands between two documents (RoBERTa's "full sentences", Liu et al. 2019, section 4.2); the rest that fills no
    row is dropped. A word that the end of a row cuts counts as one word on each side.

    Returns:
        Rows of ``input_ids`` and ``starts``, both ``[length]``.

    Raises:
        DataError: the documents do not fill one row.
    """
    texts = datasets.Dataset.from_dict({"text": [document.text for document in documents]})
    tokens = texts.map(
        partial(_tokens, tokenizer=tokenizer, how=how), batched=True, remove_columns=["text"], keep_in_memory=True
    )
    packed = pack_dataset(tokens, seq_length=length - 2, strategy="wrapped", map_kwargs={"keep_in_memory": True})
    packed = packed.filter(lambda row: len(row["input_ids"]) == length - 2, keep_in_memory=True)
    if len(packed) == 0:
        raise DataError(
            f"the documents hold fewer than {length - 2} tokens, which is less than one row; lower sequence_length"
        )
    first, last = tokenizer.cls_token_id, tokenizer.sep_token_id
    return packed.map(
        lambda row: {"input_ids": [first, *row["input_ids"], last], "starts": [1, 1, *row["starts"][1:], 1]},
        keep_in_memory=True,
    )


def draw(words: torch.Tensor, share: float, generator: torch.Generator) -> torch.Tensor:
    """Which tokens are masked: whole words in random order, as many as fit in ``share`` of the tokens, at least one token's worth.

    Args:
        words: ``[seq]``, the word of each token; -1 where none may be masked.
        share: of the tokens that may be masked.
        generator: of the random order.

    Returns:
        ``[seq]``, true where masked.
    """
    numbers, lengths = torch.unique(words[words >= 0], return_counts=True)
    left = max(1, round(share * int(lengths.sum()))) if len(numbers) else 0
    chosen: list[int] = []
    for place in torch.randperm(len(numbers), generator=generator).tolist():
        if left == 0:
            break
        if lengths[place] <= left:
            chosen.append(int(numbers[place]))
            left -= int(lengths[place])
    return torch.isin(words, torch.tensor(chosen, dtype=words.dtype))


class MaskedRows(Dataset[dict[str, torch.Tensor]]):
    """Rows with a part of their tokens masked, by a draw that depends on the seed, the epoch and the row alone.

    So the same row is masked otherwise in each epoch (RoBERTa's "dynamic masking"), and in the same way whatever was drawn before.
    """

    def __init__(
        self,
        rows: datasets.Dataset,
        tokenizer: PreTrainedTokenizerBase,
        seed: int,
        share: float = 0.15,
        whole_words: bool = True,
    ) -> None:
        self.rows = rows.with_format("torch")
        self.seed = seed
        self.share = share
        self.whole_words = whole_words
        self.special = torch.tensor(sorted(set(tokenizer.all_special_ids)))
        # Chosen tokens are given to the collator as the only ones that are not special, with a probability of 1.
        self.collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=1.0)
        self._epoch = multiprocessing.Value("q", 0)  # seen by workers that outlive an epoch

    def __len__(self) -> int:
        return len(self.rows)

    def set_epoch(self, epoch: int) -> None:
        """Masks by the draw of this epoch from now on."""
        self._epoch.value = epoch

    def __getitem__(self, place: int) -> dict[str, torch.Tensor]:
        """``input_ids`` with masks, and ``labels``, -100 where nothing is to be predicted; both ``[seq]``."""
        row = self.rows[place]
        ids, starts = row["input_ids"], row["starts"]
        words = starts.cumsum(0) if self.whole_words else torch.arange(len(ids))
        words = words.masked_fill(torch.isin(ids, self.special), -1)
        digest = hashlib.sha256(f"{self.seed}/{self._epoch.value}/{place}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
        chosen = draw(words, self.share, generator)
        self.collator.generator = generator
        inputs, labels = self.collator.torch_mask_tokens(ids[None].clone(), special_tokens_mask=~chosen[None])
        return {"input_ids": inputs[0], "labels": labels[0]}


class NewMasks(TrainerCallback):  # type: ignore[misc]
    """Tells the rows which epoch begins, from the first step or from the checkpoint that a run goes on from."""

    def __init__(self, rows: MaskedRows) -> None:
        self.rows = rows

    def on_epoch_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Sets the epoch; a run that goes on in the middle of one has a fraction of it behind it."""
        self.rows.set_epoch(int(state.epoch or 0))
