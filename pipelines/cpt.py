"""Continued pretraining: next-token prediction on running text.

Supports full training of any causal language model of transformers, from random weights (recipe ``nano-base``) or going on
from a model, and adapters (``lora``, with ``quantization`` QLoRA; merged at the end) where memory is short. Documents are shuffled by
seed, joined by the end-of-text token and cut into blocks of ``sequence_length`` tokens, so that no position is padding. A share of the
documents can be held out; bits per byte on it is reported. An ``anchor`` keeps the model near an older one on other text. Documents of
``corpora`` must fit in memory as tokens; those of a tokenize stage (``tokens``) are read from disk as they are needed. Raises DataError
and TrainingError.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import peft
import torch
from transformers import Trainer, default_data_collator

from corpora.records import Document
from evals.likelihood import bits_per_byte
from pipelines import loading, training
from pipelines.artifact import Draft
from pipelines.config import CptStage
from pipelines.data import Sources, records
from pipelines.tokens import windows
from pipelines.training.adapters import load_base, lora_config, merged
from pipelines.training.anchor import anchor_loss, anchored
from pipelines.training.blocks import blocks
from pipelines.training.fused_head import fused, has_experts
from serving.hardware import has_gpu


def cpt(
    stage: CptStage, seed: int, model_path: str | Path, sources: Sources, draft: Draft, anchor_path: str | None = None
) -> None:
    """Trains the model at ``model_path`` on the stage's corpora or tokens and writes it to ``draft``.

    ``anchor_path`` is where the model is that the stage's anchor, if it has one, holds on to.
    """
    tokenizer = loading.load_tokenizer(model_path)
    train_dataset: Any
    if stage.tokens is not None:
        train_dataset, held_out, told = windows(
            sources.artifacts[stage.tokens].folder, tokenizer, stage.sequence_length
        )
    else:
        documents = records(stage.corpora, sources, Document)
        random.Random(seed).shuffle(documents)
        kept = round(len(documents) * stage.held_out)
        held_out, documents = documents[:kept], documents[kept:]
        train_dataset = blocks(documents, tokenizer, stage.sequence_length)
        licences = sorted({document.licence for document in documents})
        told = {"documents": len(documents), "licences": licences}

    args = training.arguments("cpt", draft, seed, stage.training)
    torch.manual_seed(seed)
    model: Any = load_base(model_path, stage)
    trainer_class = fused(model) if has_gpu() and not has_experts(model) and not args.use_liger_kernel else Trainer
    adapter = lora_config(stage.lora)
    if adapter is not None:
        model = peft.get_peft_model(model, adapter)
        if args.gradient_checkpointing:  # else no gradient passes the frozen embedding
            model.enable_input_require_grads()
    loss = anchor_loss(stage.anchor, anchor_path, sources)
    with training.explained("cpt"):
        trainer = anchored(trainer_class, loss)(
            model=model,
            args=args,
            train_dataset=train_dataset,
            data_collator=default_data_collator,
            processing_class=tokenizer,
            optimizers=training.optimizers(stage.optimizer, model, args, stage.muon_steps),
        )
        draft.metrics = training.run(trainer, draft, "cpt", stage.spikes)

    model, merge = merged(trainer.model, draft.folder / "adapter", lambda: loading.load_model(model_path))
    saved = training.save_model(model, tokenizer, draft.folder / "model")
    draft.metrics |= {**told, "blocks": len(train_dataset), **merge}
    if held_out and saved is not None:
        with (draft.folder / "held_out.json").open("w", encoding="utf-8") as stream:
            json.dump([document.id for document in held_out], stream, indent=1)
        texts = [document.text for document in held_out]
        draft.metrics["held_out_bits_per_byte"] = round(bits_per_byte(saved.eval(), tokenizer, texts), 4)
