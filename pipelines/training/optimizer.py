"""Muon for the matrices of the hidden layers, AdamW for everything else, as one optimizer.

Muon (Jordan 2024, https://kellerjordan.github.io/posts/muon/) orthogonalises the update of each weight matrix. It learns rare
associations in fewer exposures than Adam (Wang et al. 2025, "Muon Outperforms Adam in Tail-End Associative Memory
Learning"), which is what a small model fed with facts needs. Embeddings, norms and biases stay with AdamW, as Muon's
author advises. Both halves are torch's own classes; with ``adjust_lr_fn="match_rms_adamw"`` (Liu et al. 2025, "Muon is
Scalable for LLM Training") one learning rate serves both. torch's Muon multiplies in bfloat16; on a processor that is slow at
it, ``Float32Muon`` does the same in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from serving.hardware import fast_bfloat16


class Float32Muon(torch.optim.Muon):
    """torch's Muon with its matrix products in float32, for processors on which bfloat16 is slower.

    Newton-Schulz iterations take a third of a small model's step there, and half of that in float32.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update."""
        loss = closure() if closure is not None else None
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if "momentum_buffer" not in state:
                    state["momentum_buffer"] = torch.zeros_like(parameter.grad)
                momentum = state["momentum_buffer"].lerp_(parameter.grad, 1 - group["momentum"])
                update = parameter.grad.lerp(momentum, group["momentum"])  # Nesterov
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                scale = 0.2 * max(parameter.shape) ** 0.5  # match_rms_adamw
                parameter.add_(
                    orthogonal(update, group["ns_coefficients"], group["ns_steps"]), alpha=-group["lr"] * scale
                )
        return loss


def orthogonal(update: torch.Tensor, coefficients: tuple[float, float, float], steps: int) -> torch.Tensor:
    """The nearest semi-orthogonal matrix to ``update``, roughly, by quintic Newton-Schulz iterations (Jordan 2024)."""
    a, b, c = coefficients
    tall = update.shape[0] > update.shape[1]
    found = update.T if tall else update
    found = found / found.norm().clamp(min=1e-7)  # spectral norm at most 1
    for _ in range(steps):
        gram = found @ found.T
        found = torch.addmm(found, torch.addmm(gram, gram, gram, beta=b, alpha=c), found, beta=a)
    return found.T if tall else found


class MuonAdamW(torch.optim.Optimizer):
    """Two torch optimizers behind one set of parameter groups.

    Args:
        model: its 2-D parameters outside embeddings and the output head go to Muon, the rest to AdamW.
        lr: peak learning rate of both, in AdamW's scale.
        weight_decay: decoupled decay, applied to matrices and embeddings but not to norms and biases.
        momentum: Muon's momentum.
        betas: AdamW's betas.
        ns_steps: Newton-Schulz iterations of Muon; 5 is its author's, fewer are cheaper and less exact.
        half: whether Muon multiplies in bfloat16, as the stage does; None for what is fast here.
    """

    def __init__(
        self,
        model: nn.Module,
        lr: float,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.95),
        ns_steps: int = 5,
        half: bool | None = None,
    ) -> None:
        matrices, embeddings, vectors = split_parameters(model)
        parts: list[torch.optim.Optimizer] = []
        if matrices:
            muon = torch.optim.Muon if (fast_bfloat16() if half is None else half) else Float32Muon
            parts.append(
                muon(
                    matrices,
                    lr=lr,
                    weight_decay=weight_decay,
                    momentum=momentum,
                    ns_steps=ns_steps,
                    adjust_lr_fn="match_rms_adamw",
                )
            )
        rest: list[dict[str, Any]] = [
            {"params": embeddings, "weight_decay": weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ]
        parts.append(torch.optim.AdamW([group for group in rest if group["params"]], lr=lr, betas=betas))
        self.parts = parts
        super().__init__([{"params": list(model.parameters())}], {"lr": lr})
        # The schedulers change the learning rate in these very dictionaries, which the two parts read.
        self.param_groups = [group for part in parts for group in part.param_groups]

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update of both parts."""
        loss = closure() if closure is not None else None
        for part in self.parts:
            part.step()
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clears the gradients of both parts."""
        for part in self.parts:
            part.zero_grad(set_to_none=set_to_none)

    def state_dict(self) -> dict[str, Any]:
        """The states of the parts, in order."""
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores both parts; training goes on as if it had not stopped."""
        for part, state in zip(self.parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self.param_groups = [group for part in self.parts for group in part.param_groups]


def split_parameters(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter], list[nn.Parameter]]:
    """Trainable parameters of ``model`` as (hidden matrices, embeddings and output head, norms and biases)."""
    apart: set[int] = set()
    for module in model.modules():
        if isinstance(module, nn.Embedding):
            apart.update(id(parameter) for parameter in module.parameters())
    get_head: Any = getattr(model, "get_output_embeddings", None)
    head = get_head() if get_head is not None else None
    if isinstance(head, nn.Module):
        apart.update(id(parameter) for parameter in head.parameters())
    matrices, embeddings, vectors = [], [], []
    for parameter in _trainable(model.parameters()):
        if parameter.ndim < 2:
            vectors.append(parameter)
        elif id(parameter) in apart or parameter.ndim > 2:
            embeddings.append(parameter)
        else:
            matrices.append(parameter)
    return matrices, embeddings, vectors


def _trainable(parameters: Iterable[nn.Parameter]) -> Iterable[nn.Parameter]:
    return (parameter for parameter in parameters if parameter.requires_grad)
