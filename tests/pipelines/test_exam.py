"""An exam that was cut goes on with the next model, and its figures are those of the single answers."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

import pipelines.exam
from pipelines.config import Corpus, ExamItems, ExamStage
from pipelines.exam import exam
from pipelines.loading import TrainingError

STAGE = ExamStage(
    kind="exam",
    models=["base", "sft"],
    chat=["sft"],
    items=[ExamItems(name="bundled-exam", limit=6)],
    general=[Corpus(name="bundled-general", limit=2)],
    emergencies=[Corpus(name="bundled-emergencies", limit=2)],
)


def test_an_exam_that_was_cut_goes_on(tiny_model: Path, draft, sources, monkeypatch: pytest.MonkeyPatch):
    places = {"base": str(tiny_model), "sft": str(tiny_model)}
    examined: list[str] = []
    original = pipelines.exam.examine

    def examine(stage, its_sources, name, place):
        if name == "sft" and "sft" not in examined:
            examined.append(name)
            raise KeyboardInterrupt
        examined.append(name)
        return original(stage, its_sources, name, place)

    monkeypatch.setattr(pipelines.exam, "examine", examine)
    with pytest.raises(KeyboardInterrupt):
        exam(STAGE, places, sources, draft)
    exam(STAGE, places, sources, draft)
    assert examined == ["base", "sft", "sft"]

    found = json.loads((draft.folder / "sft.json").read_text())
    answers = found["items"]["bundled-exam"]["answers"]
    assert found["items"]["bundled-exam"]["all"]["right"] == sum(answer["right"] for answer in answers)
    assert found["against"]["model"] == "base"
    assert found["against"]["bundled-exam"]["n"] == len(answers) == 6
    assert found["emergencies"]["n"] == 2
    assert draft.metrics["base"]["bits_per_byte"]["general"] > 1


def test_a_model_without_a_chat_template_is_not_asked_in_one(tiny_model: Path, sources, tmp_path: Path):
    bare = tmp_path / "bare"
    shutil.copytree(tiny_model, bare)
    (bare / "chat_template.jinja").unlink()
    with pytest.raises(TrainingError, match=r"bare: the model has no chat template, which the exam needs"):
        pipelines.exam.examine(STAGE, sources, "sft", bare)


def test_a_model_of_a_hub_is_examined_under_its_id(tiny_model: Path, sources, draft):
    stage = ExamStage(kind="exam", models=["org/tiny"], items=[ExamItems(name="bundled-exam", limit=2)])
    exam(stage, {"org/tiny": str(tiny_model)}, sources, draft)
    assert json.loads((draft.folder / "org-tiny.json").read_text())["model"] == "org/tiny"
    assert draft.metrics["org/tiny"]["items"]["bundled-exam"]["all"]["n"] == 2


def test_runs_of_any_seed_sit_the_same_exam(tiny_model: Path, sources):
    one, other = (
        pipelines.exam.examine(STAGE, dataclasses.replace(sources, seed=seed), "base", tiny_model) for seed in (1, 2)
    )
    assert one == other
    assert len(one["items"]["bundled-exam"]["answers"]) == 6
