"""The optimizer of two halves is the two torch optimizers, step for step."""

import copy

import pytest
import torch
from torch import nn

import pipelines.training.optimizer
from pipelines.training.optimizer import Float32Muon, MuonAdamW, orthogonal, split_parameters


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Embedding(7, 8), nn.Linear(8, 8), nn.LayerNorm(8), nn.Linear(8, 3))


def loss_of(model: nn.Module) -> torch.Tensor:
    return model(torch.arange(7)).square().mean()


def test_matrices_embeddings_and_vectors_go_where_they_belong():
    model = network()
    matrices, embeddings, vectors = split_parameters(model)
    assert {tuple(p.shape) for p in matrices} == {(8, 8), (3, 8)}
    assert {tuple(p.shape) for p in embeddings} == {(7, 8)}
    assert all(p.ndim == 1 for p in vectors)


def test_it_steps_as_torch_does(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pipelines.training.optimizer, "fast_bfloat16", lambda: True)
    ours, theirs = network(), network()
    optimizer = MuonAdamW(ours, lr=0.01, weight_decay=0.1)
    matrices, embeddings, vectors = split_parameters(theirs)
    muon = torch.optim.Muon(matrices, lr=0.01, weight_decay=0.1, momentum=0.95, adjust_lr_fn="match_rms_adamw")
    adamw = torch.optim.AdamW(
        [{"params": embeddings, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}],
        lr=0.01,
        betas=(0.9, 0.95),
    )
    for _ in range(5):
        optimizer.zero_grad()
        loss_of(ours).backward()
        optimizer.step()
        muon.zero_grad()
        adamw.zero_grad()
        loss_of(theirs).backward()
        muon.step()
        adamw.step()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_schedule_reaches_both_halves():
    model = network()
    optimizer = MuonAdamW(model, lr=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5**step)
    loss_of(model).backward()
    optimizer.step()
    schedule.step()
    assert {group["lr"] for part in optimizer.parts for group in part.param_groups} == {0.005}


def test_the_state_can_be_saved_and_restored():
    model = network()
    optimizer = MuonAdamW(model, lr=0.01)
    loss_of(model).backward()
    optimizer.step()
    saved, weights = copy.deepcopy(optimizer.state_dict()), copy.deepcopy(model.state_dict())

    def next_step(m: nn.Module, o: torch.optim.Optimizer) -> list[torch.Tensor]:
        o.zero_grad()
        loss_of(m).backward()
        o.step()
        return [p.detach().clone() for p in m.parameters()]

    expected = next_step(model, optimizer)
    other = network()
    other.load_state_dict(weights)
    restored = MuonAdamW(other, lr=0.01)
    restored.load_state_dict(saved)
    assert all(torch.equal(a, b) for a, b in zip(expected, next_step(other, restored), strict=True))


@pytest.mark.parametrize("shape", [(16, 48), (48, 16), (32, 32)])
def test_muon_in_float32_is_torchs_up_to_bfloat16(shape: tuple[int, int]):
    torch.manual_seed(1)
    ours, theirs = (nn.Parameter(torch.randn(shape, generator=torch.Generator().manual_seed(2))) for _ in range(2))
    settings = {"lr": 0.02, "weight_decay": 0.1, "momentum": 0.95, "ns_steps": 5, "adjust_lr_fn": "match_rms_adamw"}
    optimizers = Float32Muon([ours], **settings), torch.optim.Muon([theirs], **settings)
    start = ours.detach().clone()
    for _ in range(4):
        gradient = torch.randn(shape)
        for parameter, optimizer in zip((ours, theirs), optimizers, strict=True):
            parameter.grad = gradient.clone()
            optimizer.step()
        assert (ours - theirs).norm() < 0.04 * (ours - start).norm()


def test_orthogonal_gives_singular_values_near_one():
    torch.manual_seed(3)
    found = orthogonal(torch.randn(24, 64), (3.4445, -4.7750, 2.0315), 5)
    values = torch.linalg.svdvals(found)
    assert 0.6 < float(values.min()) <= float(values.max()) < 1.3
