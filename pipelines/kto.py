"""Kahneman-Tversky optimisation (Ethayarajh et al. 2024, https://arxiv.org/abs/2402.01306) with TRL.

Learns from answers that are each known to be good or bad; a pair counts as one of each. Supports full training and adapters
(the reference is the model with the adapter switched off; it is merged at the end). ``training.desirable_weight`` and
``undesirable_weight`` balance unequal numbers: the sums of the weights of good and of bad answers should be about equal.
Assumes a chat template and batches of two rows or more, as the mismatched answers by which the divergence from the reference
is estimated come from the same batch. Raises DataError and TrainingError.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from trl import KTOTrainer

from pipelines import loading, training
from pipelines.artifact import Draft
from pipelines.config import KtoStage
from pipelines.data import Sources
from pipelines.preference_data.pairs import rewards, single_rows
from pipelines.training import sharding
from pipelines.training.adapters import load_base, lora_config, merged, widen
from pipelines.training.plain_head import plain_head

DEFAULTS: dict[str, Any] = {
    "precompute_ref_log_probs": True,
    "max_length": 1024,
}


def kto(stage: KtoStage, seed: int, model_path: str | Path, sources: Sources, draft: Draft) -> None:
    """Trains the model at ``model_path`` on the stage's good and bad answers and writes it to ``draft``."""
    tokenizer = training.load_chat_tokenizer(model_path, "kto")
    rows = single_rows(stage.preferences, sources, seed)

    args = training.arguments("kto", draft, seed, {**DEFAULTS, **stage.training})
    torch.manual_seed(seed)
    with training.explained("kto"), plain_head():
        trainer = KTOTrainer(
            model=load_base(model_path, stage),
            args=args,
            train_dataset=sharding.dataset(rows, draft),
            processing_class=tokenizer,
            peft_config=lora_config(stage.lora),
        )
        widen(trainer.model)
        draft.metrics = training.run(trainer, draft, "kto", stage.spikes)

    model, told = merged(trainer.model, draft.folder / "adapter", lambda: loading.load_model(model_path))
    training.save_model(model, tokenizer, draft.folder / "model")
    draft.metrics |= {
        "good": sum(row["label"] for row in rows),
        "bad": sum(not row["label"] for row in rows),
        "rewards": rewards(trainer.state.log_history),
        **told,
    }
