"""From documents to rows of tokens of one length."""

from __future__ import annotations

import datasets
from transformers import PreTrainedTokenizerBase
from trl import pack_dataset

from corpora.errors import DataError
from corpora.records import Document


def blocks(documents: list[Document], tokenizer: PreTrainedTokenizerBase, length: int) -> datasets.Dataset:
    """Rows of exactly ``length`` tokens, ``input_ids`` and equal ``labels``; the rest of the last one is dropped."""
    texts = datasets.Dataset.from_dict({"text": [document.text for document in documents]})
    tokens = texts.map(
        lambda batch: {
            "input_ids": [
                [*ids, tokenizer.eos_token_id]
                for ids in tokenizer(batch["text"], add_special_tokens=False)["input_ids"]
            ]
        },
        batched=True,
        remove_columns=["text"],
        keep_in_memory=True,
    )
    packed = pack_dataset(tokens, seq_length=length, strategy="wrapped", map_kwargs={"keep_in_memory": True})
    packed = packed.filter(lambda row: len(row["input_ids"]) == length, keep_in_memory=True)
    if len(packed) == 0:
        raise DataError(
            f"the corpora hold fewer than {length} tokens, which is less than one sequence; lower sequence_length"
        )
    return packed.map(lambda batch: {"labels": batch["input_ids"]}, batched=True, keep_in_memory=True)
