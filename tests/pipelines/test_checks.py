"""A corpus of another kind than its stage reads is refused before the first stage begins."""

import json
from pathlib import Path

import pytest

from corpora.errors import DataError
from pipelines.bundled import recipe_names
from pipelines.checks import check_records
from pipelines.config import Recipe, load_recipe

CPT = {"kind": "cpt", "model": "base", "corpora": [{"name": "bundled-documents"}], "sequence_length": 32}


def recipe(**stages: dict) -> Recipe:
    return Recipe.model_validate({"name": "mine", "base_model": "bundled:osler-nano-base", "stages": {"cpt": CPT, **stages}})  # fmt: skip


@pytest.mark.parametrize(
    ("stage", "told"),
    [
        ({"kind": "sft", "model": "cpt", "corpora": [{"name": "bundled-documents"}]}, "'bundled-documents' holds records of the type document; this stage reads it for dialogues"),
        ({**CPT, "corpora": [{"name": "medquad"}]}, "'medquad' holds records of the type dialogue; this stage reads it for documents"),
        ({**CPT, "anchor": {"corpora": [{"name": "bundled-dialogues"}]}}, "'bundled-dialogues' holds records of the type dialogue"),
        ({"kind": "exam", "models": ["cpt"], "items": [{"name": "bundled-exam"}], "medical": [{"name": "bundled-exam"}]}, "'bundled-exam' holds records of the type exam_item"),
    ],
)  # fmt: skip
def test_a_corpus_of_another_kind_is_refused(stage: dict, told: str):
    with pytest.raises(DataError, match=f"stages.late: corpus {told}"):
        check_records(recipe(late=stage), None)


def test_a_file_is_known_by_its_first_record(tmp_path: Path):
    path = tmp_path / "texts.jsonl"
    path.write_text(json.dumps({"text": "Rest and drink."}))
    stage = {"kind": "sft", "model": "cpt", "corpora": [{"name": str(path)}]}
    with pytest.raises(DataError, match=r"texts\.jsonl' holds records of the type document"):
        check_records(recipe(sft=stage), None)


def test_every_recipe_that_ships_passes():
    for name in recipe_names():
        check_records(load_recipe(name), None)
