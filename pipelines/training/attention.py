"""What attention is given, and which of torch's kernels it runs on."""

from __future__ import annotations

import functools
import types
from typing import Any

import torch

ONE_LENGTH = ("cpt", "mlm")  # kinds of stages all of whose rows are of one length


def for_stage(kind: str) -> None:
    """Leaves cuDNN's attention out where the lengths of rows differ from batch to batch; call it before a trainer is made.

    It prepares itself for each new shape, which takes seconds on an H200 (torch 2.11); FlashAttention's and the memory-efficient kernels
    take any shape as it comes. The switch is the process's own, so that a stage of the other sort turns it back.
    """
    torch.backends.cuda.enable_cudnn_sdp(kind in ONE_LENGTH)


def padded_on_the_right(mask: torch.Tensor | None) -> bool:
    """Whether each row of a mask ``[batch, length]`` is ones and then zeros: a causal model computes the same of the ones without it.

    No token sees what comes behind it, and what the padding gives is not looked at. Without a mask attention takes its faster path,
    which computes half, and grouped keys are not repeated for each query head.
    """
    return mask is not None and mask.dim() == 2 and bool((mask[:, 1:] <= mask[:, :-1]).all())


def without_needless_masks(model: Any) -> None:
    """Drops the mask of rows that are padded on the right from the calls that the fused head answers."""
    inner = model.forward

    # Not compiled, as it looks at the values of the mask; what it calls is.
    @torch.compiler.disable(recursive=False)  # type: ignore[no-untyped-call, untyped-decorator]
    @functools.wraps(inner.__func__)
    def forward(self: Any, *args: Any, fused_lm_head: bool = False, **kwargs: Any) -> Any:
        if fused_lm_head and padded_on_the_right(kwargs.get("attention_mask")):
            kwargs["attention_mask"] = None
        return inner(*args, fused_lm_head=fused_lm_head, **kwargs)

    model.forward = types.MethodType(forward, model)
