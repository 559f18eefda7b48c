"""Counts that can be checked by hand, and an estimate of an extension that the stage itself bears out."""

import json
from pathlib import Path

from pipelines import loading
from pipelines.config import Corpus, ExtendStage
from pipelines.corpus_stats import corpus_stats, histogram
from pipelines.extend import extend


def test_the_histogram_is_the_hand_worked_one():
    assert histogram([1, 2, 3, 4, 7, 8, 100]) == {"1-1": 1, "2-3": 2, "4-7": 2, "8-15": 1, "64-127": 1}


def test_sources_and_languages_are_counted_apart(base_model: Path, tmp_path: Path):
    path = tmp_path / "two.jsonl"
    path.write_text("\n".join(json.dumps({"text": text}) for text in ("Gout is a disease.", "痛风是一种疾病。")))
    found = corpus_stats([str(path), "bundled-general"], None, str(base_model), 0)
    tokenizer = loading.load_tokenizer(base_model)
    english, chinese = (len(tokenizer(f"\n{text}")["input_ids"]) for text in ("Gout is a disease.", "痛风是一种疾病。"))
    assert found["sources"]["two"] == {"records": 2, "characters": 28, "tokens": english + chinese}
    assert found["sources"]["bundled-general"]["records"] == 24
    assert sum(found["lengths"].values()) == 26
    assert found["fertility"]["zh"] == round(chinese / 7, 3)
    assert "extension" not in found


def test_two_files_of_one_name_are_two_sources(base_model: Path, tmp_path: Path):
    paths = [tmp_path / folder / "ward.jsonl" for folder in ("north", "south")]
    for number, path in enumerate(paths, start=1):
        path.parent.mkdir()
        path.write_text("\n".join(json.dumps({"text": f"Gout {row}."}) for row in range(number)))
    found = corpus_stats([*map(str, paths)], None, str(base_model), 0)
    assert {name: counts["records"] for name, counts in found["sources"].items()} == {
        str(paths[0]): 1,
        str(paths[1]): 2,
    }


def test_the_saving_of_an_extension_is_the_one_that_the_stage_gives(base_model: Path, sources, draft):
    found = corpus_stats(["bundled-documents"], None, str(base_model), 300)
    assert found["sources"]["bundled-documents"]["records"] == 445
    estimate = found["extension"]
    stage = ExtendStage(kind="extend", model="base", corpora=[Corpus(name="bundled-documents")], tokens=300)
    extend(stage, base_model, sources, draft)
    shorter = draft.metrics["bytes_per_token_before"] / draft.metrics["bytes_per_token"]
    # The estimate counts the titles as well, which the stage does not train on.
    assert abs(estimate["tokens_after"] / estimate["tokens_before"] - shorter) < 0.02
