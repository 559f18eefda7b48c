"""Attention of packed rows on a GPU: torch's FlashAttention for rows of any length, one after another in one batch.

TRL's collator of packed rows says where each row begins (``cu_seq_lens_q``); torch's kernel (``torch.nn.attention.varlen``) then computes each
row alone, with no mask and at a cost that grows with the rows' own lengths. It needs a GPU with bfloat16 (compute capability 8 and up) and
nothing that is installed beside torch. A batch that is not packed, as in an evaluation, goes to transformers' own use of torch's attention.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch.nn.attention.varlen import varlen_attn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "varlen"
# What some architectures ask of attention, and the kernel has not.
UNKNOWN = (
    "softcap",
    "s_aux",
    "position_bias",
    "cache",
)
HALF = (torch.bfloat16, torch.float16)  # the formats it computes in
# From torch 2.12 on it wants to be told that fewer keys than queries are meant; before, it took them as they came.
GROUPED: dict[str, Any] = {"enable_gqa": True} if "enable_gqa" in inspect.signature(varlen_attn).parameters else {}


def works() -> bool:
    """Whether the kernel runs on this machine's GPU."""
    return torch.cuda.is_available() and torch.cuda.get_device_capability() >= (8, 0)


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    cu_seq_lens_q: torch.Tensor | None = None,
    max_length_q: int | None = None,
    sliding_window: int | None = None,
    **given: Any,
) -> tuple[torch.Tensor, None]:
    """As transformers' attention functions are called: ``query`` ``[1, heads, tokens, features]``, the result ``[1, tokens, heads, features]``.

    ``cu_seq_lens_q`` ``[rows + 1]`` is where each row begins, and where the last one ends; ``max_length_q`` is the longest row's length.

    Raises:
        ValueError: the model asks attention for what the kernel has not, or computes in float32.
    """
    if cu_seq_lens_q is None or max_length_q is None:
        left: tuple[torch.Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout, scaling=scaling, **given
        )
        return left
    asked = [name for name in UNKNOWN if given.get(name) is not None] + ["dropout"] * (dropout > 0)
    device = query.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else query.dtype
    if dtype not in HALF:
        asked.append(str(dtype).removeprefix("torch."))
    if asked:
        raise ValueError(
            f"attention: {NAME} computes no {' and no '.join(asked)}, which this stage asks for; take `attention: flex_attention`"
        )
    q, k, v = (one[0].transpose(0, 1).to(dtype) for one in (query, key, value))
    window = (-1, 0) if sliding_window is None else (sliding_window - 1, 0)
    ends, longest = cu_seq_lens_q, max_length_q
    result = varlen_attn(q, k, v, ends, ends, longest, longest, scale=scaling, window_size=window, **GROUPED)
    assert isinstance(result, torch.Tensor)  # it returns more only where more is asked for
    return result[None], None


def mask(*given: Any, attention_mask: torch.Tensor | None = None, **more: Any) -> torch.Tensor | None:
    """The mask of a padded batch; a packed one comes without any, and needs none."""
    if attention_mask is None:
        return None
    made: torch.Tensor | None = sdpa_mask(*given, attention_mask=attention_mask, **more)
    return made


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, mask)
