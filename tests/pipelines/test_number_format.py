"""A stage multiplies in the format that its recipe names, else in that in which it began, else in what is fast here; the manifest says which."""

import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file

from pipelines.artifact import Draft
from pipelines.config import Corpus, CptStage
from pipelines.cpt import cpt
from pipelines.data import Sources
from pipelines.training import number_format


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch):
    """Says what this machine is fast in."""
    return lambda fast: [
        monkeypatch.setattr(f"pipelines.training.{place}.fast_bfloat16", lambda: fast)
        for place in ("number_format", "optimizer")
    ]


@pytest.mark.parametrize("fast", [True, False])
def test_the_recipe_is_heard_first_then_the_run_that_is_gone_on_with_then_the_machine(tmp_path: Path, here, fast: bool):
    here(fast)
    assert number_format.chosen({}, tmp_path) == {"bf16": fast}
    (tmp_path / number_format.KEPT).write_text("float32" if fast else "bfloat16")
    assert number_format.chosen({}, tmp_path) == {"bf16": fast}  # it has no checkpoint, and begins anew
    (tmp_path / "checkpoint-2").mkdir()
    assert number_format.chosen({}, tmp_path) == {"bf16": not fast}
    assert number_format.chosen({"bf16": fast}, tmp_path) == {}
    assert number_format.chosen({"fp16": True}, tmp_path) == {}


def test_a_run_goes_on_in_the_format_in_which_it_began(
    tmp_path: Path, draft: Draft, tiny_model: Path, here, capsys: pytest.CaptureFixture[str]
):
    """Begun where bfloat16 is fast, cut at its second step, finished where it is not: the same weights to the bit."""
    settings = {"max_steps": 4, "save_steps": 2, "per_device_train_batch_size": 4, "logging_steps": 1, "learning_rate": 0.01}  # fmt: skip
    stage = CptStage(kind="cpt", model="base", corpora=[Corpus(name="bundled-documents", limit=20)], sequence_length=32, optimizer="muon", training=settings)  # fmt: skip

    def trained() -> dict:
        cpt(stage, 3, tiny_model, Sources(None, 3, {}), draft)
        return load_file(draft.folder / "model" / "model.safetensors")

    here(True)
    whole = trained()
    assert draft.metrics["number_format"] == "bfloat16"
    shutil.rmtree(draft.checkpoints / "checkpoint-4")
    here(False)
    resumed = trained()
    assert draft.metrics["number_format"] == "bfloat16"
    assert "going on in bfloat16, in which the run began; this machine is faster in float32" in capsys.readouterr().err
    assert all(bool((resumed[name] == weight).all()) for name, weight in whole.items())
    shutil.rmtree(draft.checkpoints)
    draft.checkpoints.mkdir()
    other = trained()
    assert draft.metrics["number_format"] == "float32"
    assert not all(bool((other[name] == weight).all()) for name, weight in whole.items())
