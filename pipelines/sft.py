"""Supervised fine-tuning on dialogues, with loss on the assistant's tokens only.

Supports full training and adapters (``lora``, with ``quantization`` QLoRA; merged at the end) of any model whose chat template marks the
assistant's turns, or is one that TRL knows how to mark. Rows are one dialogue each, grouped by length, so that no dialogue sees another and little is
padding. Raises DataError and TrainingError.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from trl import SFTTrainer

from corpora.records import Dialogue
from pipelines import loading, training
from pipelines.artifact import Draft
from pipelines.config import SftStage
from pipelines.data import Sources, records
from pipelines.training import sharding
from pipelines.training.adapters import load_base, lora_config, merged, widen
from pipelines.training.anchor import anchor_loss, anchored
from pipelines.training.plain_head import plain_head

# One dialogue a row: on a processor, packed rows without padding run attention over the whole flattened batch.
DEFAULTS: dict[str, Any] = {
    "assistant_only_loss": True,
    "packing": False,
    "train_sampling_strategy": "group_by_length",
    "max_length": 1024,
}


def row(dialogue: Dialogue) -> dict[str, Any]:
    """A dialogue as TRL takes it; the tools are JSON in a string, as a table would fill their keys up with those of other tools."""
    tools = json.dumps(dialogue.tools, ensure_ascii=False) if dialogue.tools else None
    return {"messages": [message.as_dict() for message in dialogue.messages], "tools": tools}


def sft(
    stage: SftStage, seed: int, model_path: str | Path, sources: Sources, draft: Draft, anchor_path: str | None = None
) -> None:
    """Trains the model at ``model_path`` on the stage's dialogues and writes it to ``draft``.

    ``anchor_path`` is where the model is that the stage's anchor, if it has one, holds on to.
    """
    tokenizer = training.load_chat_tokenizer(model_path, "sft", stage.training.get("chat_template_path"))
    dialogues = records(stage.corpora, sources, Dialogue)
    rows = [row(dialogue) for dialogue in dialogues]

    args = training.arguments("sft", draft, seed, {**DEFAULTS, **stage.training})
    torch.manual_seed(seed)
    model = load_base(model_path, stage)
    loss = anchor_loss(stage.anchor, anchor_path, sources)
    with training.explained("sft"), plain_head():
        trainer = anchored(SFTTrainer, loss)(
            model=model,
            args=args,
            train_dataset=sharding.dataset(rows, draft),
            processing_class=tokenizer,
            peft_config=lora_config(stage.lora),
            optimizers=training.optimizers(stage.optimizer, model, args, stage.muon_steps),
        )
        widen(trainer.model)
        draft.metrics = training.run(trainer, draft, "sft", stage.spikes)

    model, told = merged(trainer.model, draft.folder / "adapter", lambda: loading.load_model(model_path))
    training.save_model(model, tokenizer, draft.folder / "model")
    draft.metrics |= {"dialogues": len(dialogues), **told}
