"""Masked-language pretraining of an encoder: words that were taken out of running text are predicted from both sides.

Supports every encoder of transformers with a masked-language head and a fast tokenizer that has a mask, a classifier's and a
separator's token (BERT, RoBERTa, ModernBERT), from random weights (recipe ``nano-encoder``) or going on from a model. There is
no next-sentence task: leaving it out does not harm (Liu et al. 2019, section 4.2). Documents must fit in memory as tokens. The
held-out documents are fixed by their subjects, and their masks by a seed of their own, so that two models with one tokenizer
are examined on the same words whatever the seed of their runs. Raises DataError and TrainingError.
"""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional
from torch.utils.data import DataLoader
from transformers import AutoModelForMaskedLM, Trainer, default_data_collator

from corpora.records import Document
from pipelines import loading, training
from pipelines.artifact import Draft
from pipelines.config import MlmStage
from pipelines.data import Sources, in_held_out, records
from pipelines.training import sharding
from pipelines.training.masking import MaskedRows, NewMasks, encoder_rows

FIXED = 0  # the seed of the masks that a model is examined on


@torch.inference_mode()
def masked_loss(model: Any, rows: MaskedRows, batch_size: int = 16) -> dict[str, Any]:
    """Cross-entropy in nats and accuracy over the masked tokens of ``rows``: the "pseudo-loss" of an encoder.

    Every masked token counts alike; it is not the mean of the batches' means. Raises TrainingError where no token is masked.
    """
    nats, right, count = 0.0, 0, 0
    for batch in DataLoader(rows, batch_size=batch_size, collate_fn=default_data_collator):
        masked = batch["labels"] != -100
        targets = batch["labels"][masked].to(model.device)
        logits = model(input_ids=batch["input_ids"].to(model.device)).logits[masked.to(model.device)].float()
        nats += float(functional.cross_entropy(logits, targets, reduction="sum"))
        right += int((logits.argmax(dim=-1) == targets).sum())
        count += len(targets)
    if not count:
        raise loading.TrainingError(
            "no token of the held-out documents can be masked: the tokenizer knows none of their words (all are its unknown token); take a "
            "base model of their language"
        )
    loss = nats / count
    return {
        "loss": round(loss, 4),
        "perplexity": round(math.exp(loss), 3),
        "accuracy": round(right / count, 4),
        "masked_tokens": count,
    }


def mlm(stage: MlmStage, seed: int, model_path: str | Path, sources: Sources, draft: Draft) -> None:
    """Trains the encoder at ``model_path`` on the stage's documents and writes it to ``draft``."""
    tokenizer = loading.load_tokenizer(model_path)
    missing = [name for name in ("mask_token", "cls_token", "sep_token") if getattr(tokenizer, name) is None]
    if missing or not tokenizer.is_fast:
        lacks = ", ".join(missing) or "offsets (it is not a fast tokenizer)"
        raise loading.TrainingError(f"{model_path}: mlm needs an encoder's tokenizer, and this one lacks {lacks}")
    model = loading.load_model(model_path, auto=AutoModelForMaskedLM)
    positions = getattr(model.config, "max_position_embeddings", stage.sequence_length)
    if stage.sequence_length > positions:
        raise loading.TrainingError(
            f"{model_path}: the model has {positions} positions; lower sequence_length ({stage.sequence_length})"
        )

    documents = records(stage.corpora, sources, Document)
    random.Random(seed).shuffle(documents)
    held_out = [document for document in documents if in_held_out(document, stage.held_out)]
    learnt = [document for document in documents if not in_held_out(document, stage.held_out)]

    def masked(some: list[Document], by: int) -> MaskedRows:
        rows = encoder_rows(some, tokenizer, stage.sequence_length, stage.chinese_words)
        return MaskedRows(rows, tokenizer, by, stage.mask_share, stage.whole_words)

    rows = masked(learnt, seed)
    examined = masked(sorted(held_out, key=lambda document: document.id), FIXED) if held_out else None
    args = training.arguments("mlm", draft, seed, stage.training)
    before = masked_loss(model.to(args.device).eval(), examined) if examined else None
    with training.explained("mlm"):
        trainer = Trainer(
            model=model,
            args=args,
            train_dataset=rows,
            data_collator=default_data_collator,
            processing_class=tokenizer,
            callbacks=[NewMasks(rows)],
        )
        # BERT takes the number of masked tokens of a step and does not divide by it: the trainer has to average the micro-batches.
        trainer.model_accepts_loss_kwargs = False
        draft.metrics = training.run(trainer, draft, "mlm", stage.spikes)
    trained = sharding.whole(trainer.model)
    if examined is not None and trained is not None:
        draft.metrics |= {"held_out_before": before, "held_out": masked_loss(trained.eval(), examined)}

    training.save_model(trained, tokenizer, draft.folder / "model")
    draft.metrics |= {
        "documents": len(learnt),
        "held_out_documents": len(held_out),
        "licences": sorted({document.licence for document in documents}),
        "rows": len(rows),
    }
