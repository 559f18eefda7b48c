"""Odds ratio preference optimisation (Hong et al. 2024, https://arxiv.org/abs/2403.07691) with TRL.

One stage in the place of sft and dpo: the likelihood of the chosen conversation, and, weighed by ``training.beta`` (the
paper's lambda), the odds of the chosen answer over those of the rejected one. There is no reference model. Supports full
training and adapters, merged at the end. Assumes a chat template. TRL keeps this trainer among its experimental ones.
Raises DataError and TrainingError.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from trl.experimental.orpo import ORPOTrainer

from pipelines import loading, training
from pipelines.artifact import Draft
from pipelines.config import OrpoStage
from pipelines.data import Sources
from pipelines.preference_data.pairs import pair_rows, rewards
from pipelines.training import sharding
from pipelines.training.adapters import load_base, lora_config, merged, widen

DEFAULTS: dict[str, Any] = {"max_length": 1024, "remove_unused_columns": False}


def counted(collate: Callable[[Any], dict[str, Any]]) -> Callable[[Any], dict[str, Any]]:
    """The collator with the two entries beside its own by which transformers counts tokens: those of both conversations."""

    def with_counts(rows: Any) -> dict[str, Any]:
        batch = collate(rows)
        both = {
            name: torch.cat([batch[f"chosen_{name}"], batch[f"rejected_{name}"]], dim=1)  # [batch, seq + seq]
            for name in ("input_ids", "attention_mask")
        }
        return {**batch, **both}

    return with_counts


def orpo(stage: OrpoStage, seed: int, model_path: str | Path, sources: Sources, draft: Draft) -> None:
    """Trains the model at ``model_path`` on the stage's preference pairs and writes it to ``draft``."""
    tokenizer = training.load_chat_tokenizer(model_path, "orpo")
    rows = pair_rows(stage.preferences, sources, "orpo")

    args = training.arguments("orpo", draft, seed, {**DEFAULTS, **stage.training})
    torch.manual_seed(seed)
    with training.explained("orpo"):
        trainer = ORPOTrainer(
            model=load_base(model_path, stage),
            args=args,
            train_dataset=sharding.dataset(rows, draft),
            processing_class=tokenizer,
            peft_config=lora_config(stage.lora),
        )
        trainer.data_collator = counted(trainer.data_collator)
        widen(trainer.model)
        draft.metrics = training.run(trainer, draft, "orpo", stage.spikes)

    model, told = merged(trainer.model, draft.folder / "adapter", lambda: loading.load_model(model_path))
    training.save_model(model, tokenizer, draft.folder / "model")
    draft.metrics |= {"pairs": len(rows), "rewards": rewards(trainer.state.log_history), **told}
