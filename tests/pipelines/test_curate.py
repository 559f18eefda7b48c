"""A curation in a recipe: every record is accounted for, and the result is a corpus that later stages read."""

import dataclasses
import itertools
import json
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter

from corpora.bundled.exam import EXAM_SEED
from corpora.bundled.render import render
from corpora.errors import DataError
from corpora.records import Document, ExamItem
from pipelines.config import Corpus, CurateStage, DecontaminateStep, ExamItems, RecipeError, Stage, load_recipe
from pipelines.curate import curate, settings
from pipelines.data import records
from pipelines.reproduce import reproduce


def rows(folder: Path) -> Path:
    """Fifty good documents, five in HTML, five again, one that holds an exam question, one of figures."""
    good = [record for record in render("bundled-documents", seed=2) if isinstance(record, Document)][:50]
    item = next(iter(render("bundled-exam", seed=0)))
    texts = [document.text for document in good]
    texts[0] = f"<p>{texts[0]}</p><p>All rights reserved.</p>"
    texts += texts[10:15]
    texts.append(f"{item.question} {' '.join(item.options)}. {texts[20][:200]}")
    texts.append("\n".join("1 | 2 | 3 | 4 | 5" for _ in range(9)))
    path = folder / "mine.jsonl"
    path.write_text("\n".join(json.dumps({"id": str(n), "text": text}) for n, text in enumerate(texts)))
    return path


def stage(path: Path, **more) -> CurateStage:
    block = {
        "kind": "curate",
        "corpora": [{"name": str(path)}],
        "steps": [
            {"step": "clean"},
            {"step": "language", "keep": ["en"]},
            {"step": "quality", "quality": {"min_doc_words": 20, "min_stop_words": 1}, "repetition": None},
            {"step": "dedup"},
            {"step": "decontaminate", "against": [{"name": "bundled-exam"}]},
        ],
        **more,
    }
    made: CurateStage = TypeAdapter(Stage).validate_python(block)
    return made


def test_every_record_is_accounted_for(tmp_path: Path, sources, draft):
    curate(stage(rows(tmp_path)), sources, draft)
    steps = draft.metrics["waterfall"]
    assert [step["step"] for step in steps] == ["read", "clean", "language", "quality", "dedup", "decontaminate"]
    assert steps[0]["in"] == 57
    for before, after in itertools.pairwise(steps):
        assert after["in"] == before["kept"]
    for step in steps:
        assert step["in"] == step["kept"] + sum(step["dropped"].values())
    assert steps[1]["changed"] == 1
    assert steps[1]["dropped"] == {"nothing is left after cleaning": 1}
    assert steps[4]["dropped"]["the same as another"] == 5
    assert steps[5]["dropped"]["holds a question of a benchmark"] >= 1
    kept = (draft.folder / "records.jsonl").read_text().splitlines()
    assert len(kept) == steps[-1]["kept"] == draft.metrics["records"]
    assert json.loads((draft.folder / "touched.jsonl").read_text().splitlines()[0])["benchmark"] == "bundled-exam"
    card = (draft.folder / "card.md").read_text()
    assert "| dedup |" in card
    assert "bundled-exam" in card


@pytest.mark.parametrize(("corpus", "count"), [({"repeat": 2}, 114), ({"repeat": 2, "limit": 10}, 20)])
def test_a_corpus_comes_as_often_as_it_says(tmp_path: Path, sources, draft, corpus: dict[str, int], count: int):
    path = rows(tmp_path)
    curate(stage(path, corpora=[{"name": str(path), **corpus}], steps=[{"step": "clean"}]), sources, draft)
    assert draft.metrics["waterfall"][0]["in"] == count


def test_identifiers_are_taken_out_and_counted_on_the_card(tmp_path: Path, sources, draft):
    path = tmp_path / "notes.jsonl"
    path.write_text(json.dumps({"text": "Seen by Dr. Okafor on 2021-03-04."}))
    curate(stage(path, steps=[{"step": "deidentify", "kinds": ["name"]}]), sources, draft)
    assert json.loads((draft.folder / "records.jsonl").read_text())["text"] == "Seen by Dr. [NAME] on 2021-03-04."
    assert draft.metrics["waterfall"][1]["found"] == {"name": 1}
    assert "| name | 1 |" in (draft.folder / "card.md").read_text()


def test_nothing_left_is_an_error_that_says_where_it_went(tmp_path: Path, sources, draft):
    path = tmp_path / "mine.jsonl"
    path.write_text(json.dumps({"text": "Sign in"}))
    with pytest.raises(DataError, match=r"nothing is left of .*clean dropped 1"):
        curate(stage(path), sources, draft)


def test_a_misspelt_threshold_is_named_before_anything_runs(tmp_path: Path):
    block = stage(rows(tmp_path)).model_dump(mode="json")
    block["steps"] = [{"step": "quality", "quality": {"min_words": 3}}]
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump({"name": "misspelt", "stages": {"good": block}}))
    with pytest.raises(
        RecipeError, match=r"'min_words' is no argument of datatrove's GopherQualityFilter, which has .*min_doc_words"
    ):
        load_recipe(str(path))


def test_a_later_stage_reads_the_result_by_its_name(tmp_path: Path):
    recipe = {
        "name": "curated",
        "base_model": "bundled:osler-nano-base",
        "stages": {
            "good": stage(rows(tmp_path)).model_dump(mode="json"),
            "extended": {"kind": "extend", "model": "base", "corpora": [{"name": "good"}], "tokens": 20},
        },
    }
    path = tmp_path / "curated.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False))
    artifacts = reproduce(load_recipe(str(path)), tmp_path / "run", until_kind="extend")
    assert artifacts["extended"].metrics["new_tokens"] == 20
    again = reproduce(load_recipe(str(path)), tmp_path / "run", until_kind="extend")
    assert again["good"].output == artifacts["good"].output
    recipe["stages"]["good"]["steps"][0]["markupp"] = True
    path.write_text(yaml.safe_dump(recipe, sort_keys=False))
    with pytest.raises(RecipeError, match="markupp"):
        load_recipe(str(path))


def test_a_limited_benchmark_is_the_part_that_the_exam_asks(sources):
    limited = ExamItems(name="bundled-exam", limit=5)
    asked = records([limited], dataclasses.replace(sources, seed=EXAM_SEED), ExamItem)
    step = DecontaminateStep(step="decontaminate", against=[Corpus(name="bundled-exam", limit=5)])
    for seed in (0, 1):
        found = settings(step, dataclasses.replace(sources, seed=seed))
        assert found.benchmarks == {"bundled-exam": asked}
