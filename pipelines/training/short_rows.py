"""Attention of short rows on a processor, in bfloat16: torch's forward pass, and a backward pass of matrix products.

The backward pass of torch's attention for processors (2.13) leaves the matrix units for bfloat16 alone: with 16 rows of 128 tokens it takes ten
times as long as the forward pass, and a sixth of a small model's whole step. As batched matrix products it is several times as fast, until
the scores of a row no longer stay in the cache; rows of more than ``LONGEST`` tokens are left to torch, as all else is that
is not training in bfloat16 on a processor. The loss is the same to the bit, and what is kept for the backward pass no more.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn import functional
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "sdpa_short_rows"
LONGEST = 256  # tokens; at 64 features a head, 256 is where both take as long, and at 128 features half of torch's time


def use(model: Any) -> bool:
    """Has a model that uses torch's attention use this one; whether it does."""
    whole = model.get_base_model() if hasattr(model, "get_base_model") else model
    if not isinstance(whole, PreTrainedModel) or whole.config._attn_implementation != "sdpa":
        return False
    whole.set_attn_implementation(NAME)
    return bool(whole.config._attn_implementation == NAME)


class _Attention(torch.autograd.Function):
    """Attention of ``query`` ``[batch, heads, length, features]`` over keys and values of as many heads, or of a divisor of them.

    ``mask`` is True where a token is seen, ``[batch or 1, heads or 1, length, length]``, or None for all tokens, up to its own where ``causal``.
    """

    @staticmethod
    def forward(
        ctx: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        mask: torch.Tensor | None,
        causal: bool,
        scale: float,
    ) -> torch.Tensor:
        """The values that each token takes up, as ``query``."""
        ctx.save_for_backward(query, key, value, mask)
        ctx.causal, ctx.scale = causal, scale
        groups = query.shape[1] // key.shape[1]
        result: torch.Tensor = functional.scaled_dot_product_attention(
            query, repeat_kv(key, groups), repeat_kv(value, groups), attn_mask=mask, is_causal=causal, scale=scale
        )
        return result

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: FunctionCtx, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """The gradients of query, key and value."""
        query, key, value, mask = ctx.saved_tensors  # type: ignore[attr-defined]
        batch, heads, length, features = query.shape
        groups = heads // key.shape[1]
        scale: float = ctx.scale  # type: ignore[attr-defined]
        gradient = gradients[0]
        if mask is None:
            seen = torch.ones(length, length, dtype=torch.bool)
            added = _added(seen.tril() if ctx.causal else seen, query.dtype)  # type: ignore[attr-defined]
        else:
            added = _added(mask, query.dtype).expand(batch, heads, length, length).reshape(-1, length, length)
            gradient = gradient * mask.any(dim=-1, keepdim=True)  # padding that sees nothing takes up nothing
        given = (query * scale, repeat_kv(key, groups), repeat_kv(value, groups), gradient)
        q, k, v, g = (one.reshape(batch * heads, length, features) for one in given)
        shares = torch.baddbmm(added, q, k.transpose(1, 2)).softmax(-1)
        of_value = torch.bmm(shares.transpose(1, 2), g)
        of_shares = torch.bmm(g, v.transpose(1, 2))
        of_scores = torch._softmax_backward_data(of_shares, shares, -1, q.dtype)
        of_query = torch.bmm(of_scores, k).mul_(scale)
        of_key = torch.bmm(of_scores.transpose(1, 2), q)
        parts = (batch, heads // groups, groups, length, features)
        return (
            of_query.view(query.shape),
            of_key.view(parts).sum(2),
            of_value.view(parts).sum(2),
            None,
            None,
            None,
        )


def _added(seen: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Zero where a token is seen, and elsewhere the least number, which gives no NaN where nothing is seen."""
    return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill_(~seen, torch.finfo(dtype).min)


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    is_causal: bool | None = None,
    **given: Any,
) -> tuple[torch.Tensor, None]:
    """As transformers' attention functions are called; ``[batch, length, heads, features]``."""
    dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else query.dtype
    short = query.shape[2] == key.shape[2] <= LONGEST and query.shape[3] == value.shape[3]
    ours = query.device.type == "cpu" and torch.is_grad_enabled() and dtype == torch.bfloat16 and dropout == 0.0
    plain = attention_mask is None or attention_mask.dtype == torch.bool
    if not (ours and short and plain) or given.get("position_bias") is not None or given.get("cache") is not None:
        left: tuple[torch.Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout, scaling=scaling, is_causal=is_causal, **given
        )
        return left
    causal = attention_mask is None and (is_causal if is_causal is not None else getattr(module, "is_causal", True))
    scale = scaling if scaling is not None else query.shape[3] ** -0.5
    with torch.autocast("cpu", enabled=False):
        rows = (one.to(dtype) for one in (query, key, value))
        result: torch.Tensor = _Attention.apply(*rows, attention_mask, causal, scale)  # type: ignore[no-untyped-call]
    return result.transpose(1, 2).contiguous(), None


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, sdpa_mask)
