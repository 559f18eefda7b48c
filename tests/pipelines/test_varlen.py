"""Packed rows through the kernel for rows of varying lengths: each is computed alone, and what the kernel has not is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional
from trl.trainer.utils import add_fused_lm_head

from pipelines import loading
from pipelines.training import attention, varlen
from tests.pipelines.test_packing import labelled_losses

PACKED = {"packing": True, "max_length": 256, "train_sampling_strategy": "random"}


def row_by_row(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    starts: torch.Tensor,
    key_starts: torch.Tensor,
    longest: int,
    longest_key: int,
    *,
    scale: float | None,
    window_size: tuple[int, int],
    enable_gqa: bool = False,
) -> torch.Tensor:
    """What the documentation of torch's kernel says of it, for a processor: each row's causal attention by itself."""
    assert torch.equal(starts, key_starts)
    assert longest == longest_key == int(starts.diff().max())
    assert enable_gqa or not varlen.GROUPED  # before torch 2.12 the kernel is not told
    assert window_size[1] == 0
    found = []
    for begin, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        q, k, v = (one[begin:end].transpose(0, 1) for one in (query, key, value))
        place = torch.arange(end - begin)
        distance = place[:, None] - place[None, :]
        seen = (distance >= 0) & ((distance <= window_size[0]) | (window_size[0] < 0))
        row = functional.scaled_dot_product_attention(q, k, v, attn_mask=seen, scale=scale, enable_gqa=True)
        found.append(row.transpose(0, 1))
    return torch.cat(found)


@pytest.fixture
def on_a_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(varlen, "varlen_attn", row_by_row)
    monkeypatch.setattr(varlen, "HALF", (torch.float32,))


def test_packed_rows_have_the_losses_of_single_ones(tiny_model: Path, draft, on_a_processor: None):
    alone = labelled_losses(tiny_model, draft, per_device_train_batch_size=1)
    packed = labelled_losses(tiny_model, draft, varlen.NAME, **PACKED)
    assert len(packed) == len(alone)
    assert torch.allclose(packed, alone, atol=1e-4)


def test_padded_rows_keep_their_mask(tiny_model: Path, draft):
    alone = labelled_losses(tiny_model, draft, per_device_train_batch_size=1)
    padded = labelled_losses(tiny_model, draft, varlen.NAME)
    assert torch.allclose(padded, alone, atol=1e-4)


def test_what_the_kernel_has_not_is_refused_with_the_remedy(on_a_processor: None):
    rows = torch.zeros(1, 2, 5, 8)
    where: dict[str, Any] = {"cu_seq_lens_q": torch.tensor([0, 2, 5], dtype=torch.int32), "max_length_q": 3}
    module = torch.nn.Module()
    with pytest.raises(ValueError, match=r"no softcap.*attention: flex_attention"):
        varlen.attend(module, rows, rows, rows, None, softcap=30.0, **where)
    with pytest.raises(ValueError, match=r"no float64"):
        varlen.attend(module, rows.double(), rows.double(), rows.double(), None, **where)


@pytest.mark.skipif(not varlen.works(), reason="the kernel is for GPUs with bfloat16")
def test_the_kernel_itself_on_a_gpu(tiny_model: Path, draft):
    alone = labelled_losses(tiny_model, draft, dtype=torch.bfloat16, per_device_train_batch_size=1)
    packed = labelled_losses(tiny_model, draft, varlen.NAME, dtype=torch.bfloat16, **PACKED)
    assert len(packed) == len(alone)
    assert torch.allclose(packed, alone, atol=0.1)
    assert torch.allclose(packed.mean(), alone.mean(), atol=2e-3)


@pytest.mark.parametrize(
    ("mask", "needless"),
    [
        ([[1, 1, 1], [1, 1, 0]], True),
        ([[1, 1, 1], [1, 1, 1]], True),
        ([[0, 1, 1], [1, 1, 1]], False),
        ([[1, 0, 1], [1, 1, 1]], False),
    ],
)
def test_only_rows_padded_on_the_right_need_no_mask(mask: list[list[int]], needless: bool):
    assert attention.padded_on_the_right(torch.tensor(mask)) is needless


def test_the_masks_of_rows_padded_on_the_right_are_dropped_and_the_figures_stay(tiny_model: Path):
    """TRL's own head, as on a GPU, with and without the masks that say nothing."""
    ids = torch.randint(5, 100, (2, 9), generator=torch.Generator().manual_seed(0))
    right = torch.tensor([[1] * 9, [1] * 6 + [0] * 3])
    seen: list[bool] = []
    model = loading.load_model(tiny_model)
    add_fused_lm_head(model)
    model.base_model.register_forward_pre_hook(
        lambda _, args, kwargs: seen.append(kwargs.get("attention_mask") is not None), with_kwargs=True
    )
    for mask in (right, right.flip(1)):
        labels = ids.masked_fill(mask == 0, -100)
        given = {"input_ids": ids, "attention_mask": mask, "labels": labels, "fused_lm_head": True}
        masked = model(**given).log_probs
        attention.without_needless_masks(model)
        assert torch.allclose(model(**given).log_probs, masked, atol=1e-5)
    assert seen == [True, False, True, True]
