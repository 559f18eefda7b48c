"""The anchor: its loss by hand, its rows by step, and that a model that is held by it forgets less."""

from pathlib import Path

import pytest
import torch
from transformers import Trainer
from trl import SFTTrainer

from pipelines import loading
from pipelines.artifact import Draft
from pipelines.config import Anchor, Corpus, CptStage, SftStage
from pipelines.cpt import cpt
from pipelines.data import Sources
from pipelines.sft import sft
from pipelines.training.anchor import AnchorLoss, anchored, divergence

ANCHOR = Anchor(corpora=[Corpus(name="bundled-general")], rows=4, sequence_length=32)


def test_the_divergence_is_the_hand_worked_one():
    teacher = torch.tensor([[[0.5, 0.25, 0.25]]]).log()
    student = torch.tensor([[[0.25, 0.25, 0.5]]]).log()
    # 0.5 ln(0.5 / 0.25) + 0.25 ln(0.25 / 0.25) + 0.25 ln(0.25 / 0.5) = 0.25 ln 2
    assert float(divergence(student, teacher)) == pytest.approx(0.25 * 0.6931472)
    assert float(divergence(teacher, teacher)) == pytest.approx(0.0, abs=1e-7)


def test_what_the_older_model_has_no_token_for_it_gives_no_probability():
    teacher = torch.tensor([[[0.5, 0.5]]]).log()
    student = torch.tensor([[[0.25, 0.25, 0.5]]]).log()
    assert float(divergence(student, teacher)) == pytest.approx(0.6931472)  # ln(0.5 / 0.25)


def test_the_rows_depend_on_the_step_alone_and_all_of_them_come(tiny_model: Path, sources: Sources):
    loss, again = (AnchorLoss(ANCHOR, str(tiny_model), sources) for _ in range(2))
    assert torch.equal(loss.batch(7), again.batch(7))
    steps = -(-len(loss.rows) // ANCHOR.rows)
    seen = {tuple(row.tolist()) for step in range(steps) for row in loss.batch(step)}
    assert seen == {tuple(row.tolist()) for row in loss.rows}


def test_a_model_that_is_its_own_anchor_has_no_extra_loss(tiny_model: Path, sources: Sources):
    loss = AnchorLoss(ANCHOR, str(tiny_model), sources)
    model = loading.load_model(tiny_model)
    assert float(loss(model, 0).detach()) == pytest.approx(0.0, abs=1e-6)
    with torch.no_grad():
        model.model.embed_tokens.weight.mul_(1.5)
    extra = loss(model, 0)
    assert float(extra.detach()) > 1e-3
    extra.backward()
    assert model.model.layers[0].mlp.up_proj.weight.grad is not None
    assert all(parameter.grad is None for parameter in loss.teacher.parameters())


def test_without_an_anchor_the_trainer_is_the_library_s():
    assert anchored(Trainer, None) is Trainer
    assert anchored(SFTTrainer, None) is SFTTrainer


def _distance(tiny_model: Path, place: Path) -> float:
    loss = AnchorLoss(ANCHOR, str(tiny_model), Sources(None, 0, {}))
    return float(loss(loading.load_model(place).eval(), 0).detach())


def _draft(folder: Path) -> Draft:
    folder.mkdir()
    made = Draft(folder)
    made.checkpoints.mkdir()
    return made


@pytest.mark.parametrize("kind", ["cpt", "sft"])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_held_model_moves_less_on_the_anchor_s_text(tiny_model: Path, sources, tmp_path: Path, kind, accumulate):
    settings = {
        "max_steps": 12,
        "per_device_train_batch_size": 4,
        "gradient_accumulation_steps": accumulate,
        "learning_rate": 0.003,
        "bf16": False,
    }
    moved = []
    for name, anchor in (("free", None), ("held", ANCHOR.model_copy(update={"weight": 5.0}))):
        draft = _draft(tmp_path / name)
        if kind == "cpt":
            corpora = [Corpus(name="bundled-documents", limit=60)]
            stage = CptStage(
                kind="cpt", model="base", corpora=corpora, sequence_length=64, anchor=anchor, training=settings
            )
            cpt(stage, 1, tiny_model, sources, draft, str(tiny_model))
        else:
            corpora = [Corpus(name="bundled-dialogues", limit=60)]
            sft_stage = SftStage(kind="sft", model="base", corpora=corpora, anchor=anchor, training=settings)
            sft(sft_stage, 1, tiny_model, sources, draft, str(tiny_model))
        moved.append(_distance(tiny_model, draft.folder / "model"))
        assert [("anchor_loss" in entry) for entry in draft.metrics["losses"]] == [anchor is not None]
    assert moved[1] < 0.7 * moved[0]


def test_the_rows_of_a_step_are_read_once_however_it_is_cut(tiny_model: Path, sources, tmp_path: Path, monkeypatch):
    read: list[int] = []
    batch = AnchorLoss.batch
    monkeypatch.setattr(AnchorLoss, "batch", lambda self, step: read.append(step) or batch(self, step))
    settings = {"max_steps": 3, "per_device_train_batch_size": 2, "gradient_accumulation_steps": 2, "bf16": False}
    corpora = [Corpus(name="bundled-dialogues", limit=30)]
    stage = SftStage(
        kind="sft", model="base", corpora=corpora, anchor=ANCHOR, training={**settings, "logging_steps": 1}
    )
    sft(stage, 1, tiny_model, sources, _draft(tmp_path / "held"), str(tiny_model))
    assert read == [0, 1, 2]
