"""Which of torch's kernels attention runs on."""

from __future__ import annotations

import torch

ONE_LENGTH = ("cpt", "mlm")  # kinds of stages all of whose rows are of one length


def for_stage(kind: str) -> None:
    """Leaves cuDNN's attention out where the lengths of rows differ from batch to batch; call it before a trainer is made.

    It prepares itself for each new shape, which takes seconds on an H200 (torch 2.11); FlashAttention's and the memory-efficient kernels
    take any shape as it comes. The switch is the process's own, so that a stage of the other sort turns it back.
    """
    torch.backends.cuda.enable_cudnn_sdp(kind in ONE_LENGTH)
