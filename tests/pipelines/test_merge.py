"""The merged weights are the weighted mean, and models of another shape are refused."""

from pathlib import Path

import pytest
import torch

from pipelines import training
from pipelines.config import MergeStage
from pipelines.merge import MergeError, merge


def other(tiny_model: Path, folder: Path) -> Path:
    model = training.load_model(tiny_model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.5)
    training.save_model(model, training.load_tokenizer(tiny_model), folder)
    return folder


def test_the_mean_is_weighted(tiny_model: Path, draft, tmp_path: Path):
    second = other(tiny_model, tmp_path / "other")
    merge(MergeStage(kind="merge", models={"base": 1, "sft": 3}), {"base": str(tiny_model), "sft": str(second)}, draft)
    a, b = training.load_model(tiny_model), training.load_model(second)
    mean = training.load_model(draft.folder / "model")
    for x, y, z in zip(a.parameters(), b.parameters(), mean.parameters(), strict=True):
        assert torch.allclose(0.25 * x + 0.75 * y, z, atol=5e-3)
    assert draft.metrics["weights"] == {"base": 0.25, "sft": 0.75}


def test_models_of_another_shape_are_refused(tiny_model: Path, base_model: Path, draft):
    stage = MergeStage(kind="merge", models={"base": 1, "sft": 1})
    with pytest.raises(MergeError, match="models of one shape"):
        merge(stage, {"base": str(base_model), "sft": str(tiny_model)}, draft)
