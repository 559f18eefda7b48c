"""How many floating-point operations a stage takes, and how long they last.

Training takes six operations for each parameter that a token is multiplied by, and 12 L H Q T for attention (layers, heads, features of a head,
tokens of the sequence), as PaLM counts them (Chowdhery et al. 2022, https://arxiv.org/abs/2204.02311, appendix B). A third of that is the
forward pass. Recomputing all activations adds another forward pass (Korthikanti et al. 2022, section 5). Weights that are frozen under an adapter
get no gradient, which saves two of the six.
"""

from __future__ import annotations

from torch import nn

from pipelines.plan.architectures import Shape
from pipelines.plan.devices import BANDWIDTH_SHARE, Devices
from pipelines.plan.memory import Load, kv_cache_bytes


def forward_flops(shape: Shape, length: float) -> float:
    """Operations of the forward pass for each token of a sequence of ``length`` tokens."""
    return 2 * shape.multiplied + 4 * shape.layers * shape.queries * length


def training_flops(load: Load, length: float) -> float:
    """Operations of a training step for each token, what is computed again for want of memory included."""
    shape = load.shape
    forward = forward_flops(shape, length)
    if load.adapter is None:
        total = 3 * forward
    else:
        # The gradients of the inputs go through the frozen weights; those of the weights are the adapter's alone.
        total = 4 * shape.multiplied + 6 * load.adapter + 12 * shape.layers * shape.queries * length
    return total + (forward if load.checkpointing else 0)


def model_flops(model: nn.Module, length: float) -> float:
    """Operations of a training step for each token, of a model as it is trained: what is computed again is not counted.

    Args:
        model: a linear layer whose weights are frozen has no gradient of them.
        length: tokens of a sequence, for the products of attention.
    """
    layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
    linear = sum(layer.in_features * layer.out_features * (6 if layer.weight.requires_grad else 4) for layer in layers)
    config = getattr(model, "config", None)
    if config is None:
        return float(linear)
    text = config.get_text_config()
    heads = text.num_attention_heads
    queries = heads * (getattr(text, "head_dim", None) or text.hidden_size // heads)
    return float(linear + 12 * text.num_hidden_layers * queries * length)


def muon_flops(shape: Shape, iterations: int) -> float:
    """Operations of Muon's update (Newton-Schulz: three products in each iteration) for each optimizer step."""
    total = 0.0
    for linear in shape.linears:
        short, long = sorted((linear.inputs, linear.outputs))
        total += linear.count * iterations * (4 * short * short * long + 2 * short**3)
    return total


def hours(flops: float, where: Devices) -> float:
    """Hours for so many operations, shared by the devices."""
    return flops / (where.count * where.flops * where.mfu) / 3600


def generation_hours(shape: Shape, sequences: float, prompt: float, tokens: int, at_once: int, where: Devices) -> float:
    """Hours to generate ``tokens`` tokens for each of ``sequences`` prompts of ``prompt`` tokens.

    Each step reads the weights and the cached keys and values of the ``at_once`` sequences, or computes, whichever takes longer.
    """
    width = 4 if where.kind == "cpu" else 2
    read = width * shape.multiplied + kv_cache_bytes(shape, round(at_once * (prompt + tokens / 2)), width)
    step = max(
        read / (where.bandwidth * BANDWIDTH_SHARE),
        at_once * forward_flops(shape, prompt + tokens / 2) / (where.flops * where.mfu),
    )
    steps = tokens * sequences / at_once / where.count
    return steps * step / 3600 + hours(sequences * prompt * forward_flops(shape, prompt), where)
