"""A second loss that keeps a model near another one on text that is not being taught.

While a model learns from one corpus, the anchor asks it to go on predicting other text as the model it started from does: the
Kullback-Leibler divergence from the older model's distribution over the vocabulary to the newer one's, at every position of a
few rows of that text in every step ("Learning without Forgetting", Li and Hoiem 2016, https://arxiv.org/abs/1606.09282).
Against replaying the same text with the usual loss, each position says how likely every token should be and not only
which one came next, so that far less text is needed.

``anchored`` adds it to any Trainer class, TRL's included, through ``compute_loss``. Assumes that both models share a
vocabulary, to which the newer one may have added (stage ``extend``). Raises DataError and TrainingError.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional
from transformers import PreTrainedModel

from corpora.records import Document
from pipelines import loading
from pipelines.config import Anchor
from pipelines.data import Sources, records
from pipelines.training import sharding
from pipelines.training.blocks import blocks


def divergence(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """Mean over positions of KL(teacher || student), in nats.

    Args:
        student: logits ``[batch, seq, vocabulary]``.
        teacher: logits of the same shape, or of fewer tokens; those that it does not know have probability 0 for it.
    """
    student, teacher = student.float().flatten(0, 1), teacher.float().flatten(0, 1)
    return functional.kl_div(
        functional.log_softmax(student, dim=-1)[:, : teacher.shape[-1]],
        functional.log_softmax(teacher, dim=-1),
        reduction="batchmean",
        log_target=True,
    )


class AnchorLoss:
    """Rows of the anchor's text and the model whose predictions on them are to be kept."""

    def __init__(self, anchor: Anchor, place: str, sources: Sources) -> None:
        documents = records(anchor.corpora, sources, Document)
        # Cut as the older model knows it: of a token that the newer one has added it could say nothing.
        rows = blocks(documents, loading.load_tokenizer(place), anchor.sequence_length)
        self.rows = torch.tensor(rows["input_ids"])
        self.order = torch.randperm(len(self.rows), generator=torch.Generator().manual_seed(sources.seed))
        self.anchor = anchor
        self.teacher: PreTrainedModel = loading.load_model(place, training=False).eval().requires_grad_(False)

    def batch(self, step: int) -> torch.Tensor:
        """This process's rows of an optimizer step, ``[rows / processes, sequence_length]``: the same when a run is resumed at it.

        The trainer averages gradients over the processes, so that an even share of the rows for each makes the same step as all
        of them in one.
        """
        places = torch.arange(step * self.anchor.rows, (step + 1) * self.anchor.rows) % len(self.rows)
        return self.rows[self.order[places[sharding.rank() :: sharding.processes()]]]

    def __call__(self, model: Any, step: int) -> torch.Tensor:
        """The weighted divergence of ``model`` from the teacher on the rows of ``step``."""
        # These rows have a shape of their own, for which compiling again would take longer than it saves.
        student = getattr(model, "_orig_mod", model)
        # DistributedDataParallel expects one forward pass for each backward one; its hooks are on the weights, and see both losses.
        student = getattr(student, "module", student)
        device = next(student.parameters()).device
        rows = self.batch(step).to(device)
        with torch.no_grad():
            teacher = self.teacher.to(device)(input_ids=rows, use_cache=False).logits
        return self.anchor.weight * divergence(student(input_ids=rows, use_cache=False).logits, teacher)


def anchored(trainer_class: type[Any], loss: AnchorLoss | None) -> type[Any]:
    """``trainer_class`` with the anchor's loss added to its own; the class itself where there is no anchor."""
    if loss is None:
        return trainer_class
    anchor = loss

    class Anchored(trainer_class):  # type: ignore[misc, valid-type]
        """The trainer with a second loss, which its log shows apart as ``anchor_loss``."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self.anchor_losses: dict[int, float] = {}  # by optimizer step, since the last log
            super().__init__(*args, **kwargs)

        def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **kwargs: Any) -> Any:
            found = super().compute_loss(model, inputs, return_outputs=return_outputs, **kwargs)
            if not model.training:
                return found
            step = self.state.global_step
            # The rows of a step are the same for all of its micro-batches: the first of them reads them.
            if step in self.anchor_losses:
                return found
            # The trainer divides a loss that it knows to be a mean by the micro-batches of a step, and sums any other.
            parts = self.current_gradient_accumulation_steps if kwargs.get("num_items_in_batch") is None else 1
            extra = anchor(model, step)
            self.anchor_losses[step] = float(extra.detach())
            extra = extra * parts
            return (found[0] + extra, found[1]) if return_outputs else found + extra

        def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
            if "loss" in logs and self.anchor_losses:
                mean = sharding.mean_over_processes(sum(self.anchor_losses.values()) / len(self.anchor_losses))
                self.anchor_losses.clear()
                logs |= {"loss": logs["loss"] - mean, "anchor_loss": mean}
            super().log(logs, *args, **kwargs)

    Anchored.__name__ = trainer_class.__name__
    return Anchored


def anchor_loss(anchor: Anchor | None, place: str | None, sources: Sources) -> AnchorLoss | None:
    """The loss that a recipe's ``anchor`` block asks for."""
    return AnchorLoss(anchor, place, sources) if anchor is not None and place is not None else None
