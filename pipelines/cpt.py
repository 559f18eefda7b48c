"""Continued pretraining: next-token prediction on running text.

Supports full training of any causal language model of transformers, from random weights (recipe ``nano-base``) or going on
from a model. Documents are shuffled by seed, joined by the end-of-text token and cut into blocks of
``sequence_length`` tokens, so that no position is padding. A share of the documents can be held out; bits per byte on it
is reported. Assumes that all documents fit in memory as tokens. Raises DataError and TrainingError.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import datasets
from transformers import PreTrainedTokenizerBase, Trainer, default_data_collator
from trl import pack_dataset

from corpora.errors import DataError
from corpora.records import Document
from evals.likelihood import bits_per_byte
from pipelines import training
from pipelines.artifact import Draft
from pipelines.config import CptStage
from pipelines.data import Sources, records


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


def cpt(stage: CptStage, seed: int, model_path: str | Path, sources: Sources, draft: Draft) -> None:
    """Trains the model at ``model_path`` on the stage's corpora and writes it to ``draft``."""
    tokenizer = training.load_tokenizer(model_path)
    model = training.load_model(model_path)

    documents = records(stage.corpora, sources, Document)
    random.Random(seed).shuffle(documents)
    kept = round(len(documents) * stage.held_out)
    held_out, documents = documents[:kept], documents[kept:]
    train_dataset = blocks(documents, tokenizer, stage.sequence_length)

    args = training.arguments("cpt", draft, seed, stage.training)
    trainer = Trainer(
        model=model,
        args=args,
        train_dataset=train_dataset,
        data_collator=default_data_collator,
        processing_class=tokenizer,
        optimizers=training.optimizers(stage.optimizer, model, args),
    )
    draft.metrics = training.run(trainer, draft, "cpt")

    training.save_model(model, tokenizer, draft.folder / "model")
    licences = sorted({document.licence for document in documents})
    draft.metrics |= {"documents": len(documents), "blocks": len(train_dataset), "licences": licences}
    if held_out:
        with (draft.folder / "held_out.json").open("w", encoding="utf-8") as stream:
            json.dump([document.id for document in held_out], stream, indent=1)
        texts = [document.text for document in held_out]
        draft.metrics["held_out_bits_per_byte"] = round(bits_per_byte(model.eval(), tokenizer, texts), 4)
