"""``torch.compile`` on a GPU, layer by layer.

Trainer compiles the model as one graph. On a GPU that costs what it should save: inside a compiled graph transformers cannot see that
nothing is masked, writes out a mask of ``length x length``, and attention leaves its fast path (``masking_utils._ignore_causal_mask_sdpa``
skips the mask under compilation from torch 2.14 on). The layers alone are the same graph many times, compiled once, and the mask is made
outside of them. Checkpointed layers stay so, as the checkpoint is around the compiled part.
"""

from __future__ import annotations

from typing import Any

from torch import nn
from transformers.modeling_layers import GradientCheckpointingLayer

KEYS = ("torch_compile", "torch_compile_backend", "torch_compile_mode")  # of a trainer's config


def taken(values: dict[str, Any]) -> dict[str, Any] | None:
    """The arguments for ``compile_layers`` out of a trainer's settings, which lose them; None where nothing is to be compiled."""
    wanted, backend, mode = (values.pop(key, None) for key in KEYS)
    if not (wanted or backend or mode):
        return None
    return {"backend": backend or "inductor", "mode": mode}


def compile_layers(model: nn.Module, **settings: Any) -> int:
    """Has each of the model's repeated layers compiled when it is first called, and returns how many they are.

    Args:
        model: a model of transformers, or one with adapters in it.
        settings: arguments of ``torch.compile``.
    """
    layers = [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]
    for layer in layers:
        layer.compile(**settings)
    return len(layers)
