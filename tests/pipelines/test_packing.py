"""Packed rows do not see one another: the loss is that of the dialogues one by one."""

from __future__ import annotations

from pathlib import Path

import datasets
import pytest
import torch
from trl import SFTTrainer

from pipelines import loading, training
from pipelines.sft import DEFAULTS
from pipelines.training.plain_head import plain_head

ROWS = [
    {
        "messages": [
            {"role": "user", "content": f"What is condition {number}?"},
            {"role": "assistant", "content": f"Condition {number} is a disease of the {'left ' * number}lung."},
        ]
    }
    for number in range(6)
]


def labelled_losses(
    tiny_model: Path, draft, attention: str = "sdpa", dtype: torch.dtype = torch.float32, **settings
) -> torch.Tensor:
    """Negative log-probabilities of all labelled tokens of the rows, in order of size."""
    args = training.arguments(
        "sft", draft, 0, {**DEFAULTS, "per_device_train_batch_size": 6, "report_to": [], "bf16": False, **settings}
    )
    with plain_head():
        trainer = SFTTrainer(
            model=loading.load_model(tiny_model, attn_implementation=attention, dtype=dtype),
            args=args,
            train_dataset=datasets.Dataset.from_list(ROWS),
            processing_class=loading.load_tokenizer(tiny_model),
        )
    found = []
    with torch.no_grad():
        for batch in trainer.get_train_dataloader():
            labels = batch.pop("labels")
            logits = trainer.model(**{**batch, "use_cache": False}).logits[:, :-1]
            losses = torch.nn.functional.cross_entropy(
                logits.flatten(0, 1).float(), labels[:, 1:].flatten(), ignore_index=-100, reduction="none"
            )
            found.append(losses[labels[:, 1:].flatten() != -100])
    return torch.cat(found).sort().values


@pytest.mark.parametrize(("max_length", "attention"), [(64, "sdpa"), (256, "sdpa"), (256, "flex_attention")])
def test_packed_dialogues_have_the_losses_of_single_ones(tiny_model: Path, draft, max_length: int, attention: str):
    alone = labelled_losses(tiny_model, draft, per_device_train_batch_size=1)
    settings = {"packing": True, "max_length": max_length, "train_sampling_strategy": "random"}
    packed = labelled_losses(tiny_model, draft, attention, **settings)
    assert len(packed) == len(alone)
    assert torch.allclose(packed, alone, atol=1e-4)
