"""Muon for the matrices of the hidden layers, AdamW for everything else, as one optimizer.

Muon (Jordan 2024, https://kellerjordan.github.io/posts/muon/) orthogonalises the update of each weight matrix. It learns rare
associations in fewer exposures than Adam (Wang et al. 2025, "Muon Outperforms Adam in Tail-End Associative Memory
Learning"), which is what a small model fed with facts needs. Embeddings, norms and biases stay with AdamW, as Muon's
author advises. Both halves are torch's own classes; with ``adjust_lr_fn="match_rms_adamw"`` (Liu et al. 2025, "Muon is
Scalable for LLM Training") one learning rate serves both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn


class MuonAdamW(torch.optim.Optimizer):
    """Two torch optimizers behind one set of parameter groups.

    Args:
        model: its 2-D parameters outside embeddings and the output head go to Muon, the rest to AdamW.
        lr: peak learning rate of both, in AdamW's scale.
        weight_decay: decoupled decay, applied to matrices and embeddings but not to norms and biases.
        momentum: Muon's momentum.
        betas: AdamW's betas.
    """

    def __init__(
        self,
        model: nn.Module,
        lr: float,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.95),
    ) -> None:
        matrices, embeddings, vectors = split_parameters(model)
        parts: list[torch.optim.Optimizer] = []
        if matrices:
            parts.append(
                torch.optim.Muon(
                    matrices, lr=lr, weight_decay=weight_decay, momentum=momentum, adjust_lr_fn="match_rms_adamw"
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
