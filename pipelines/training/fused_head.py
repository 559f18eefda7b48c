"""The loss of running text on a GPU, without the logits of all positions.

transformers' own loss holds them several times over in float32: with a vocabulary of 150,000 and 16,000 tokens that is 30 GiB and more. TRL's
head, which its own trainers use, computes them tile by tile and again for the gradient. Both give the same loss
(tests/pipelines/test_fused_head.py).
"""

from __future__ import annotations

from typing import Any

from transformers import Trainer
from trl.trainer.utils import add_fused_lm_head


def has_experts(model: Any) -> bool:
    """Whether the model routes tokens to experts, whose balance is a term of its own loss."""
    return hasattr(model.config.get_text_config(), "output_router_logits")


def fused(model: Any) -> type[Trainer]:
    """Adds the head to the model, and returns a Trainer that takes its loss from it."""
    add_fused_lm_head(model)
    return FusedTrainer


class FusedTrainer(Trainer):  # type: ignore[misc]
    """Trainer with the loss of the fused head."""

    def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """The mean negative log-probability of the labelled tokens."""
        return super().compute_loss(model, {**inputs, "fused_lm_head": True}, *args, **kwargs)
