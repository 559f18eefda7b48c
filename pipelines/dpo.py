"""Direct preference optimisation (Rafailov et al. 2023, https://arxiv.org/abs/2305.18290) with TRL.

Supports LoRA (the reference is the model with the adapter switched off; the adapter is merged at the end) and full training.
The reference's log-probabilities are computed once, before the first step. Raises DataError and TrainingError.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from trl import DPOTrainer

from corpora.records import Preference
from pipelines import sharding, training
from pipelines.artifact import Draft
from pipelines.config import DpoStage
from pipelines.data import Sources, records
from pipelines.plain_head import plain_head
from pipelines.sft import lora_config, merged

DEFAULTS: dict[str, Any] = {
    "precompute_ref_log_probs": True,
    "max_length": 1024,
}


def dpo(stage: DpoStage, seed: int, model_path: str | Path, sources: Sources, draft: Draft) -> None:
    """Trains the model at ``model_path`` on the stage's preference pairs and writes it to ``draft``."""
    tokenizer = training.load_tokenizer(model_path)
    pairs = records([stage.preferences], sources, Preference)
    single = sum(pair.chosen is None or pair.rejected is None for pair in pairs)
    if single:
        raise training.TrainingError(
            f"corpus '{stage.preferences.name}': {single} of {len(pairs)} rows have one answer only (KTO), and DPO compares two; "
            "use pairs of a chosen and a rejected answer"
        )
    rows = [
        {
            "prompt": [message.as_dict() for message in pair.prompt],
            "chosen": [{"role": "assistant", "content": pair.chosen}],
            "rejected": [{"role": "assistant", "content": pair.rejected}],
        }
        for pair in pairs
    ]

    args = training.arguments("dpo", draft, seed, {**DEFAULTS, **stage.training})
    torch.manual_seed(seed)
    model = training.load_model(model_path)
    with training.explained("dpo"), plain_head():
        trainer = DPOTrainer(
            model=model,
            args=args,
            train_dataset=sharding.dataset(rows, draft),
            processing_class=tokenizer,
            peft_config=lora_config(stage.lora),
        )
        draft.metrics = training.run(trainer, draft, "dpo", stage.spikes)

    training.save_model(merged(trainer.model), tokenizer, draft.folder / "model")
    rewards = [entry for entry in trainer.state.log_history if "rewards/margins" in entry]
    draft.metrics |= {
        "pairs": len(pairs),
        "rewards": [
            {"step": entry["step"], "margin": entry["rewards/margins"], "accuracy": entry["rewards/accuracies"]}
            for entry in rewards
        ],
    }
