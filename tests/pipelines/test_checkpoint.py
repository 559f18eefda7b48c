"""A torn or altered checkpoint is never resumed from; a whole one resumes to the same weights."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from corpora.records import Document
from pipelines.config import Corpus, CptStage
from pipelines.cpt import cpt
from pipelines.data import Sources
from pipelines.training.checkpoint import SEAL, is_whole, newest_whole, seal
from tests.pipelines.drafts import fresh


def checkpoint(folder: Path, step: int) -> Path:
    path = folder / f"checkpoint-{step}"
    path.mkdir()
    (path / "model.safetensors").write_bytes(b"weights" * step)
    seal(path)
    return path


def test_the_newest_whole_one_is_taken(tmp_path: Path):
    first, second, third = (checkpoint(tmp_path, step) for step in (2, 10, 30))
    assert newest_whole(tmp_path) == third
    (third / SEAL).unlink()
    assert newest_whole(tmp_path) == second
    (second / "model.safetensors").write_bytes(b"one flipped byte")
    assert not is_whole(second)
    assert newest_whole(tmp_path) == first
    (first / "optimizer.pt").write_bytes(b"a file too many")
    assert newest_whole(tmp_path) is None


STAGE = CptStage(
    kind="cpt",
    model="base",
    corpora=[Corpus(name="bundled-documents", limit=40)],
    sequence_length=32,
    optimizer="muon",
    training={
        "max_steps": 6,
        "per_device_train_batch_size": 4,
        "learning_rate": 0.001,
        "save_steps": 2,
        "warmup_steps": 1,
    },
)


class Stop(Exception):
    """Ends a run as a cut would."""


def test_a_run_that_was_cut_ends_with_the_same_bytes(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    sources = Sources(None, 0, {})
    whole = fresh(tmp_path / "whole")
    cpt(STAGE, 1, tiny_model, sources, whole)

    cut = fresh(tmp_path / "cut")
    from pipelines.training import Progress

    original = Progress.on_step_end

    def stop_after_five(self, args, state, control, **kwargs):
        original(self, args, state, control, **kwargs)
        if state.global_step == 5:
            raise Stop

    monkeypatch.setattr(Progress, "on_step_end", stop_after_five)
    with pytest.raises(Stop):
        cpt(STAGE, 1, tiny_model, sources, cut)
    monkeypatch.setattr(Progress, "on_step_end", original)
    assert newest_whole(cut.checkpoints) == cut.checkpoints / "checkpoint-4"
    cpt(STAGE, 1, tiny_model, sources, cut)

    first = load_file(whole.folder / "model" / "model.safetensors")
    second = load_file(cut.folder / "model" / "model.safetensors")
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert Document  # the stage reads documents


def test_a_run_that_was_cut_after_its_last_step_does_not_make_another(tiny_model: Path, tmp_path: Path):
    draft = fresh(tmp_path / "stage")
    cpt(STAGE, 1, tiny_model, Sources(None, 0, {}), draft)
    first = draft.metrics
    cpt(STAGE, 1, tiny_model, Sources(None, 0, {}), draft)  # its checkpoints are still there
    assert draft.metrics["steps"] == first["steps"] == 6
    assert draft.metrics["losses"] == first["losses"]
    assert draft.metrics["tokens"] == first["tokens"]
