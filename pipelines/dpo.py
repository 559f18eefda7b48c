"""Direct preference optimisation (Rafailov et al. 2023, https://arxiv.org/abs/2305.18290) and its variants, with TRL.

The variant is ``training.loss_type``, one of TRL's or several with ``loss_weights``: among them ``sigmoid`` (DPO), ``ipo``
(Azar et al. 2023), ``robust`` (Chowdhury et al. 2024, with ``label_smoothing``), ``sigmoid_norm`` (the rewards by token),
``sft`` (the likelihood of the chosen answer, beside another loss); ``ld_alpha`` weighs what the longer answer has beyond
the shorter. Supports full training and adapters (the reference is the model with the adapter switched off; it is merged at
the end). The reference's log-probabilities are computed once, before the first step. Assumes a chat template. Raises
DataError and TrainingError.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from trl import DPOTrainer

from pipelines import loading, training
from pipelines.artifact import Draft
from pipelines.config import DpoStage
from pipelines.data import Sources
from pipelines.preference_data.pairs import pair_rows, rewards
from pipelines.training import sharding
from pipelines.training.adapters import load_base, lora_config, merged, widen
from pipelines.training.plain_head import plain_head

DEFAULTS: dict[str, Any] = {
    "precompute_ref_log_probs": True,
    "max_length": 1024,
}


def dpo(stage: DpoStage, seed: int, model_path: str | Path, sources: Sources, draft: Draft) -> None:
    """Trains the model at ``model_path`` on the stage's preference pairs and writes it to ``draft``."""
    tokenizer = training.load_chat_tokenizer(model_path, "dpo")
    rows = pair_rows(stage.preferences, sources, "dpo")

    args = training.arguments("dpo", draft, seed, {**DEFAULTS, **stage.training})
    torch.manual_seed(seed)
    with training.explained("dpo"), plain_head():
        trainer = DPOTrainer(
            model=load_base(model_path, stage),
            args=args,
            train_dataset=sharding.dataset(rows, draft),
            processing_class=tokenizer,
            peft_config=lora_config(stage.lora),
        )
        widen(trainer.model)
        draft.metrics = training.run(trainer, draft, "dpo", stage.spikes)

    model, told = merged(trainer.model, draft.folder / "adapter", lambda: loading.load_model(model_path))
    training.save_model(model, tokenizer, draft.folder / "model")
    draft.metrics |= {"pairs": len(rows), "rewards": rewards(trainer.state.log_history), **told}
