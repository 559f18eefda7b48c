"""``torch.compile`` on a GPU, layer by layer.

Trainer compiles the model as one graph. On a GPU that costs what it should save: inside a compiled graph transformers cannot see that
nothing is masked, writes out a mask of ``length x length``, and attention leaves its fast path (``masking_utils._ignore_causal_mask_sdpa``
skips the mask under compilation from torch 2.14 on). The layers alone are the same graph many times, compiled once, and the mask is made
outside of them. Checkpointed layers stay so, as the checkpoint is around the compiled part.

Beside a base of half precision an adapter's layers are compiled with the roundings of the uncompiled model. Inductor otherwise leaves out those
between the operations that it joins. What a young adapter adds, far less than the last place of what it is added to, then decides all the ties of the
next rounding the same way: after one step of DPO at 8B with a learning rate of 1e-6 the margins were 16, where at most 0.8 is possible by the gradient,
the loss was 0, and nothing was learnt any more. In float32, or with float32 between the layers, there is no such thing.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers.modeling_layers import GradientCheckpointingLayer

KEYS = ("torch_compile", "torch_compile_backend", "torch_compile_mode")  # of a trainer's config
ROUNDED = {"emulate_precision_casts": True}


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
    if settings.get("backend", "inductor") == "inductor" and has_half(model):
        mode = settings.pop("mode", None)  # torch.compile takes a mode or options
        settings["options"] = {**(torch._inductor.list_mode_options(mode) if mode else {}), **ROUNDED}
    for layer in layers:
        layer.compile(**settings)
    return len(layers)


def has_half(model: nn.Module) -> bool:
    """Whether some weights are of half precision, and with them what goes from layer to layer."""
    return any(weight.dtype in (torch.bfloat16, torch.float16) for weight in model.parameters())
