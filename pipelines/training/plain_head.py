"""The output head that TRL's trainers use on a processor, and what attention is given beneath theirs on a GPU.

TRL 1.16 replaces the head of the model by a fused one (``trl.trainer.utils.add_fused_lm_head``) that is written for GPUs: without
Triton it projects every position, prompts and padding too, in small float32 tiles, which on a processor takes several times
as long as the rest of the step. The head here answers the same call with the same numbers from plain torch, and projects only
the positions that have a label.
"""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn import functional
from trl.trainer.utils import FusedCausalLMOutput

from pipelines.training import attention
from pipelines.training.fused_head import has_experts

TRAINERS = tuple(f"trl.trainer.{name}_trainer" for name in ("sft", "dpo", "kto", "grpo"))
ALL_FIELDS = ("entropy", "mean_logits", "is_top1")
# Fields of a config by which some architectures scale or cap their logits; those models keep TRL's head.
SCALED = ("final_logit_softcapping", "logit_scale", "output_multiplier", "lm_head_multiplier", "logits_scaling")


@contextmanager
def plain_head() -> Iterator[None]:
    """TRL's SFT, DPO, KTO and GRPO trainers that are made inside the block use the plain head where it applies.

    Their classes are imported before: TRL's module of GRPO imports vLLM, for which no other stage waits.
    """
    loaded: list[Any] = [sys.modules[name] for name in TRAINERS if name in sys.modules]
    makers = [(module, module.add_fused_lm_head) for module in loaded]
    for module, fused in makers:
        module.add_fused_lm_head = functools.partial(_add_head, fused)
    try:
        yield
    finally:
        for module, fused in makers:
            module.add_fused_lm_head = fused


def _add_head(fused: Callable[..., None], model: Any, **settings: Any) -> None:
    """Adds the plain head to a model on a processor, and ``fused`` to any other or where the plain one does not apply."""
    config = model.config.get_text_config()
    on_processor = not torch.cuda.is_available() and next(model.parameters()).device.type == "cpu"
    scaled = any(getattr(config, field, None) is not None for field in SCALED)
    asked = set(settings.get("outputs", ())) - {"log_probs", *ALL_FIELDS}
    if not on_processor or scaled or has_experts(model) or asked or settings.get("temperature", 1.0) != 1.0:
        fused(model, **settings)
        if not on_processor and not has_experts(model):  # whose balance is that of the tokens under the mask
            attention.without_needless_masks(model)
        return

    fields = frozenset(settings.get("outputs", ()))

    # Not compiled itself, as the number of labelled positions differs from step to step; what it calls is.
    @torch.compiler.disable(recursive=False)  # type: ignore[no-untyped-call, untyped-decorator]
    @functools.wraps(type(model).forward)
    def forward(self: Any, *args: Any, fused_lm_head: bool = False, labels: Any = None, **kwargs: Any) -> Any:
        if not fused_lm_head:
            return type(self).forward(self, *args, labels=labels, **kwargs)
        kwargs.pop("num_items_in_batch", None)
        hidden = self.base_model(*args, **{**kwargs, "use_cache": False}).last_hidden_state[:, :-1]
        return score_labels(hidden, self.get_output_embeddings(), labels[:, 1:], fields)

    model.forward = types.MethodType(forward, model)


def score_labels(
    hidden: torch.Tensor, head: torch.nn.Module, labels: torch.Tensor, fields: Collection[str] = ALL_FIELDS
) -> FusedCausalLMOutput:
    """Per-token figures of the labelled positions, zero elsewhere.

    Args:
        hidden: ``[batch, seq, hidden]``.
        head: from hidden states to logits.
        labels: ``[batch, seq]``, -100 where there is none.
        fields: those of ``FusedCausalLMOutput`` that are wanted beside ``log_probs``; the others are None.
    """
    mask = labels != -100
    chosen, entropy, mean_logits, top = _figures(head, hidden[mask], labels[mask], fields)

    def spread(values: torch.Tensor | None) -> torch.Tensor | None:
        return None if values is None else values.new_zeros(mask.shape).masked_scatter(mask, values)

    return FusedCausalLMOutput(
        loss=-chosen.sum() / mask.sum().clamp(min=1),
        log_probs=spread(chosen),
        entropy=spread(entropy),
        mean_logits=spread(mean_logits),
        is_top1=spread(top),
        label_mask=mask,
    )


def _figures(
    head: torch.nn.Module, hidden: torch.Tensor, targets: torch.Tensor, fields: Collection[str]
) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]:
    """Log-probability of each target, and entropy, mean logit and whether it is the likeliest where wanted, each ``[labelled]``."""
    logits = head(hidden).float()  # [labelled, vocabulary]
    log_probs = functional.log_softmax(logits, dim=-1)
    chosen = log_probs.gather(-1, targets[:, None]).squeeze(-1)
    with torch.no_grad():
        entropy = -(log_probs.exp() * log_probs).sum(dim=-1) if "entropy" in fields else None
        mean_logits = logits.mean(dim=-1) if "mean_logits" in fields else None
        top = logits.argmax(dim=-1) == targets if "is_top1" in fields else None
    return chosen, entropy, mean_logits, top
