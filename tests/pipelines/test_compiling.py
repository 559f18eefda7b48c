"""Compiled layers compute what uncompiled ones do, also where an adapter has only begun to learn."""

from __future__ import annotations

from pathlib import Path

import peft
import pytest
import torch

from pipelines import loading
from pipelines.config import Lora
from pipelines.training import can_compile
from pipelines.training.adapters import lora_config
from pipelines.training.compiling import ROUNDED, compile_layers, has_half

STEP = 1e-6  # of AdamW's first step at DPO's learning rate


@pytest.mark.skipif(not can_compile(), reason="no compiler")
def test_a_young_adapter_counts_for_no_more_compiled_than_uncompiled(tiny_model: Path):
    torch._dynamo.reset()
    base = loading.load_model(tiny_model, dtype=torch.bfloat16)
    torch.manual_seed(0)
    model = peft.get_peft_model(base, lora_config(Lora()))
    ids = torch.randint(5, 100, (8, 32))
    better = torch.tensor([1.0] * 4 + [-1.0] * 4)

    def margin() -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(input_ids=ids, use_cache=False).logits[:, :-1].float()
        chosen = logits.log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0].sum(1)
        return (chosen * better).sum()

    def gained() -> float:
        """By how much the adapter's first step moves the margin."""
        with torch.no_grad():
            for weight in young:
                weight.zero_()
            before = margin()
            for weight, sign in zip(young, signs, strict=True):
                weight.copy_(STEP * sign)
            return float(margin() - before)

    margin().backward()
    young = [weight for name, weight in model.named_parameters() if "lora_B" in name]
    signs = [weight.grad.sign() for weight in young if weight.grad is not None]
    # What a step of these signs gains to first order.
    most = STEP * sum(float(weight.grad.abs().sum()) for weight in young if weight.grad is not None)
    assert has_half(model)
    uncompiled = gained()
    compile_layers(model, backend="inductor", mode=None)
    assert gained() == pytest.approx(uncompiled, abs=most / 2)  # without the roundings it is off by more than `most`


def test_layers_are_rounded_only_beside_half_precision(tiny_model: Path, monkeypatch: pytest.MonkeyPatch):
    seen: list[dict] = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, **settings: seen.append(settings))
    for dtype in (torch.float32, torch.bfloat16):
        compile_layers(
            loading.load_model(tiny_model, dtype=dtype), backend="inductor", mode="max-autotune-no-cudagraphs"
        )
    assert seen[0] == {"backend": "inductor", "mode": "max-autotune-no-cudagraphs"}
    assert seen[-1] == {
        "backend": "inductor",
        "options": {"max_autotune": True, "coordinate_descent_tuning": True, **ROUNDED},
    }
