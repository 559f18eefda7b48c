"""Which of torch's kernels attention runs on."""

from __future__ import annotations

import torch


def for_any_length() -> None:
    """Leaves cuDNN's attention out, for rows whose lengths differ from batch to batch.

    It prepares itself for each new shape, which takes seconds on an H200 (torch 2.11); FlashAttention's and the memory-efficient kernels
    take any shape as it comes.
    """
    torch.backends.cuda.enable_cudnn_sdp(False)
