"""Block expansion (Wu et al. 2024, "LLaMA Pro", https://arxiv.org/abs/2401.02415): new layers learn, the old ones stay as they are.

Copies of the topmost layer are put on top of the model with their output projections at zero, so that the expanded model at
first computes exactly what the base did. Only the new layers are trained afterwards: what the base knew cannot be overwritten,
only overridden, and no gradient is needed below the new layers, which makes a step cheaper than full training.
"""

from __future__ import annotations

import copy
from typing import Any

from torch import nn
from transformers import PreTrainedModel

from corpora.errors import OslerError

OUTPUTS = ("o_proj", "down_proj")  # the two projections that write a layer's result, in Llama, Qwen and Mistral models


def expand(model: PreTrainedModel, layers: int) -> PreTrainedModel:
    """Adds ``layers`` identity layers on top of ``model``, in place.

    Raises:
        OslerError: the model's layers are not laid out as in Llama, Qwen or Mistral.
    """
    blocks: Any = getattr(getattr(model, "model", None), "layers", None)
    if not isinstance(blocks, nn.ModuleList):
        raise OslerError(
            f"block expansion knows models of the Llama, Qwen and Mistral families, not {type(model).__name__}"
        )
    config: Any = model.config
    for _ in range(layers):
        block: Any = copy.deepcopy(blocks[-1])
        written = [module for name, module in block.named_modules() if name.rpartition(".")[2] in OUTPUTS]
        if len(written) != len(OUTPUTS):
            raise OslerError(f"block expansion finds no {' and '.join(OUTPUTS)} in {type(block).__name__}")
        for module in written:
            nn.init.zeros_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        block.self_attn.layer_idx = len(blocks)
        blocks.append(block)
        if getattr(config, "layer_types", None):
            config.layer_types = [*config.layer_types, config.layer_types[-1]]
    config.num_hidden_layers = len(blocks)
    return model


def train_only_top(model: PreTrainedModel, layers: int) -> None:
    """Freezes everything but the topmost ``layers`` layers."""
    model.requires_grad_(False)
    blocks: Any = model.model.layers
    for block in blocks[-layers:]:
        block.requires_grad_(True)
