"""Bits per byte: how well a model predicts running text, comparable between tokenizers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

BATCH_TOKENS = 4096  # of running text that are computed at once


@torch.inference_mode()
def token_log_probs(model: nn.Module, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    """Log-probability of each token given those before it.

    Args:
        model: a causal language model of transformers.
        input_ids: ``[batch, seq]``.
        attention_mask: ``[batch, seq]``, 1 on tokens and 0 on padding (on the right).

    Returns:
        ``[batch, seq - 1]`` in nats; entry ``t`` belongs to token ``t + 1``.
    """
    device = next(model.parameters()).device
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
        # No keys and values are kept: nothing follows.
        logits = model(input_ids=input_ids.to(device), attention_mask=attention_mask.to(device), use_cache=False).logits
    targets = input_ids[:, 1:].to(device)
    losses = nn.functional.cross_entropy(logits[:, :-1].float().flatten(0, 1), targets.flatten(), reduction="none")
    return -losses.view(targets.shape).cpu()


def bits_per_byte(
    model: nn.Module,
    tokenizer: Any,
    texts: Sequence[str],
    window: int = 512,
    batch_tokens: int = BATCH_TOKENS,
    label: str = "bits per byte",
) -> float:
    """Total negative log2-likelihood of ``texts`` over their length in UTF-8 bytes.

    Each text is cut into windows of ``window`` tokens that are predicted without what came before them; each window
    starts with the end-of-text token, so that its first token counts too.

    Raises:
        ValueError: ``texts`` holds no byte.
    """
    windows: list[list[int]] = []
    for text in texts:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        windows += [[tokenizer.eos_token_id, *ids[start : start + window]] for start in range(0, len(ids), window)]
    total_bytes = sum(len(text.encode()) for text in texts)
    if total_bytes == 0:
        raise ValueError("bits per byte of no text")
    windows.sort(key=len, reverse=True)
    nats = 0.0
    with tqdm(total=len(windows), desc=label, unit="window", leave=False, disable=None) as bar:
        start = 0
        while start < len(windows):
            width = len(windows[start])
            batch = windows[start : start + max(1, batch_tokens // width)]
            input_ids = torch.tensor([row + [tokenizer.eos_token_id] * (width - len(row)) for row in batch])
            mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in batch])
            nats -= float((token_log_probs(model, input_ids, mask) * mask[:, 1:]).sum())
            start += len(batch)
            bar.update(len(batch))
    return nats / math.log(2) / total_bytes
