"""A task's folder comes to figures that its items bear out."""

import json
from pathlib import Path

import pytest

from corpora.errors import DataError
from evals.figures.summary import summarise
from evals.stats.intervals import wilson
from tests.evals.results_folders import write_task


def items_of(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "items.jsonl").read_text().splitlines()]


def test_the_figures_are_those_of_the_items(tmp_path: Path):
    folder = write_task(tmp_path, n=200, skill=0.6)
    found, items = summarise(folder), items_of(folder)
    right = sum(item["right"] for item in items)
    assert (found["n"], found["accuracy"]) == (200, right / 200)
    assert (found["low"], found["high"], found["interval"]) == (*wilson(right, 200), "wilson")
    golds = [item["gold"][0] for item in items]
    assert found["majority"] == max(map(golds.count, range(4))) / 200
    assert (found["chance"], found["unparsed"], found["key_errors"]) == (0.25, 0.0, 4)
    sound = [item["right"] for item in items if not item["key_error"]]
    assert found["accuracy_without_key_errors"] == sum(sound) / len(sound)
    assert sum(subject["n"] for subject in found["subjects"].values()) == 200
    for name in ("ece", "brier", "aurc"):
        assert found[name]["low"] <= found[name]["value"] <= found[name]["high"]
    json.dumps(found)


def test_items_that_share_a_passage_get_a_clustered_interval(tmp_path: Path):
    assert summarise(write_task(tmp_path, cluster_of=4))["interval"] == "clustered"


def test_what_was_not_parsed_is_shown_and_wrong(tmp_path: Path):
    found = summarise(write_task(tmp_path, generative=True, skill=1.0, unparsed=0.3))
    assert 0.2 < found["unparsed"] < 0.4
    assert found["accuracy"] == pytest.approx(1 - found["unparsed"])
    assert "ece" not in found


def test_rotations_and_blanked_questions_are_taken_over(tmp_path: Path):
    folder = write_task(tmp_path)
    (folder / "rotations.json").write_text('{"flip_rate": {"share": 0.4}}')
    assert summarise(folder)["rotations"] == {"flip_rate": {"share": 0.4}}


def test_broken_folders_are_named(tmp_path: Path):
    folder = write_task(tmp_path, n=3)
    lines = (folder / "items.jsonl").read_text().splitlines()
    (folder / "items.jsonl").write_text("\n".join([lines[0], lines[1][:40]]))
    with pytest.raises(DataError, match=r"items\.jsonl, line 2: not valid JSON"):
        summarise(folder)
    (folder / "items.jsonl").write_text('{"id": "x"}\n')
    with pytest.raises(DataError, match="line 1: no options, gold"):
        summarise(folder)
    (folder / "items.jsonl").write_text("")
    with pytest.raises(DataError, match="no items"):
        summarise(folder)
    with pytest.raises(DataError, match="no such file"):
        summarise(tmp_path / "nothing")
