"""Attention of short rows on a processor against torch's own, and against float64."""

from pathlib import Path

import pytest
import torch
from torch.nn import functional
from transformers import BertConfig, BertForMaskedLM, LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

from pipelines.artifact import Draft
from pipelines.config import Corpus, SftStage
from pipelines.data import Sources
from pipelines.sft import sft
from pipelines.training import short_rows
from pipelines.training.short_rows import use

SMALL = {
    "vocab_size": 97,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 64,
}


def causal_model(kind: str) -> torch.nn.Module:
    torch.manual_seed(1)
    return LlamaForCausalLM(LlamaConfig(**SMALL)) if kind == "llama" else Qwen3ForCausalLM(Qwen3Config(**SMALL))


def padded(side: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    ids = torch.randint(0, 97, (4, 24), generator=torch.Generator().manual_seed(2))
    mask = torch.ones_like(ids)
    for row, missing in enumerate((0, 3, 9, 20)):
        if side == "right" and missing:
            mask[row, -missing:] = 0
        elif side == "left":
            mask[row, :missing] = 0
    return ids, mask, ids.masked_fill(mask == 0, -100)


def trained_on(model: torch.nn.Module, how: str, side: str, dtype: torch.dtype) -> tuple[float, torch.Tensor]:
    """The loss, and the gradient of all parameters in one row."""
    model.set_attn_implementation("sdpa")
    if how == "ours":
        assert short_rows.use(model)
    ids, mask, labels = padded(side)
    model.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
        loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
    loss.backward()
    return loss.item(), torch.cat([one.grad.flatten() for one in model.parameters() if one.grad is not None])


def apart(a: torch.Tensor, b: torch.Tensor) -> float:
    a, b = a.detach().double(), b.detach().double()
    return float((a - b).norm() / b.norm())


@pytest.mark.parametrize("kind", ["llama", "qwen3"])
@pytest.mark.parametrize("side", ["none", "right", "left"])
def test_the_loss_is_torchs_and_the_gradient_as_near_to_the_true_one(kind: str, side: str):
    model = causal_model(kind).train()
    _, true = trained_on(model, "torch", side, torch.float32)
    loss, torchs = trained_on(model, "torch", side, torch.bfloat16)
    own_loss, own = trained_on(model, "ours", side, torch.bfloat16)
    assert own_loss == loss
    assert not torch.equal(own, torchs)  # else nothing of ours was asked
    assert apart(own, true) < 1.2 * apart(torchs, true)


def test_an_encoder_sees_both_sides():
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=97,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        attention_probs_dropout_prob=0.0,
        hidden_dropout_prob=0.0,
    )
    model = BertForMaskedLM(config).train()
    for side in ("none", "right"):
        _, true = trained_on(model, "torch", side, torch.float32)
        loss, torchs = trained_on(model, "torch", side, torch.bfloat16)
        own_loss, own = trained_on(model, "ours", side, torch.bfloat16)
        assert own_loss == loss
        assert not torch.equal(own, torchs)
        assert apart(own, true) < 1.2 * apart(torchs, true)


@pytest.mark.parametrize("features", [16, 64, 128])
def test_gradients_against_float64(features: int):
    generator = torch.Generator().manual_seed(3)
    given = [torch.randn(2, heads, 40, features, generator=generator).bfloat16() for heads in (4, 2, 2)]
    upstream = torch.randn(2, 40, 4, features, generator=generator).bfloat16()
    seen = torch.ones(2, 1, 40, 40, dtype=torch.bool).tril()
    seen[1, :, :, :7] = False  # as a row padded on the left: its first tokens see nothing
    truth = [one.double().requires_grad_() for one in given]
    repeated = (one.repeat_interleave(2, dim=1) for one in truth[1:])
    expected = functional.scaled_dot_product_attention(truth[0], *repeated, attn_mask=seen)
    expected.transpose(1, 2).nan_to_num().backward(upstream.double())
    rows = [one.requires_grad_() for one in given]
    result, _ = short_rows.attend(torch.nn.Module(), *rows, seen, scaling=features**-0.5)
    result.backward(upstream)
    assert apart(result, expected.transpose(1, 2).nan_to_num()) < 0.01
    for one, true in zip(rows, truth, strict=True):
        assert torch.isfinite(one.grad).all()
        assert apart(one.grad, true.grad.nan_to_num()) < 0.01


def test_what_is_long_or_wide_or_dropped_out_is_left_to_torch(monkeypatch):
    model = causal_model("qwen3").train()
    assert torch.equal(
        trained_on(model, "torch", "right", torch.float32)[1], trained_on(model, "ours", "right", torch.float32)[1]
    )
    torchs = trained_on(model, "torch", "right", torch.bfloat16)[1]
    monkeypatch.setattr(short_rows, "LONGEST", 23)
    assert torch.equal(torchs, trained_on(model, "ours", "right", torch.bfloat16)[1])
    monkeypatch.undo()
    for layer in model.model.layers:
        layer.self_attn.attention_dropout = 0.5
    losses = []
    for how in ("torch", "ours"):
        torch.manual_seed(4)
        losses.append(trained_on(model, how, "right", torch.bfloat16))
    assert losses[0][0] == losses[1][0]
    assert torch.equal(losses[0][1], losses[1][1])


def test_another_attention_is_kept_and_ours_is_not_written_down(tmp_path):
    model = causal_model("qwen3")
    model.set_attn_implementation("eager")
    assert not short_rows.use(model)
    assert model.config._attn_implementation == "eager"
    model.set_attn_implementation("sdpa")
    assert short_rows.use(model)
    model.save_pretrained(tmp_path)
    assert short_rows.NAME not in (tmp_path / "config.json").read_text()
    assert Qwen3ForCausalLM.from_pretrained(tmp_path).config._attn_implementation == "sdpa"


@pytest.mark.slow
def test_compiled_it_learns_the_same():
    torch._dynamo.reset()
    model = causal_model("qwen3").train()
    loss, plain = trained_on(model, "ours", "right", torch.bfloat16)
    model.compile()
    compiled_loss, compiled = trained_on(model, "ours", "right", torch.bfloat16)
    assert compiled_loss == pytest.approx(loss, abs=1e-3)
    assert apart(compiled, plain) < 0.02


@pytest.mark.parametrize("bf16", [True, False])
def test_a_stage_in_bfloat16_uses_it(tiny_model: Path, draft: Draft, monkeypatch: pytest.MonkeyPatch, bf16: bool):
    asked = []
    monkeypatch.setattr(short_rows, "use", lambda model: asked.append(model) or use(model))
    stage = SftStage(
        kind="sft",
        model="base",
        corpora=[Corpus(name="bundled-dialogues", limit=8)],
        training={"max_steps": 1, "per_device_train_batch_size": 4, "bf16": bf16},
    )
    sft(stage, 0, tiny_model, Sources(None, 0, {}), draft)
    assert [model.config._attn_implementation for model in asked] == [short_rows.NAME] * bf16
    assert short_rows.NAME not in (draft.folder / "model" / "config.json").read_text()
