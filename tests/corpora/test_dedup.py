"""Planted duplicates go, what only resembles them stays, and the result does not depend on how many work at it."""

import json
import random
from pathlib import Path

import pytest

from corpora.bundled.render import render
from corpora.curate.dedup import dedup, near_duplicates
from corpora.errors import DataError
from corpora.records import Document

DOCUMENTS = [record for record in render("bundled-documents", seed=1) if isinstance(record, Document)][:200]


def changed(text: str, rng: random.Random) -> str:
    """The text with one word in fifty replaced."""
    words = text.split()
    for place in rng.sample(range(len(words)), max(1, len(words) // 50)):
        words[place] = "indeed"
    return " ".join(words)


def planted(folder: Path) -> Path:
    """Two hundred documents, forty of them again in capitals, and forty of long ones again with a word changed."""
    rng = random.Random(4)
    # Long texts: a changed word in a short one changes too many of its n-grams to be told from another text.
    long = [
        document.model_copy(update={"text": " ".join(other.text for other in DOCUMENTS[n : n + 5])})
        for n, document in enumerate(DOCUMENTS[:40])
    ]
    rows = [*DOCUMENTS[40:], *long]
    rows += [
        one.model_copy(update={"id": f"exact/{n}", "text": one.text.upper() + " !"})
        for n, one in enumerate(DOCUMENTS[40:80])
    ]
    rows += [one.model_copy(update={"id": f"near/{n}", "text": changed(one.text, rng)}) for n, one in enumerate(long)]
    path = folder / "rows.jsonl"
    path.write_text("\n".join(row.model_dump_json() for row in rows))
    return path


def test_planted_duplicates_go_and_the_counts_add_up(tmp_path: Path):
    report = dedup([planted(tmp_path)], tmp_path / "out")
    assert report.records == 280
    assert report.exact == 40
    assert report.records == report.exact + report.near + report.kept
    kept = [json.loads(line)["id"] for line in (tmp_path / "out" / "clean.jsonl").read_text().splitlines()]
    near = [json.loads(line)["id"] for line in (tmp_path / "out" / "near.jsonl").read_text().splitlines()]
    assert len(kept) == report.kept
    assert len(near) == report.near
    assert not [one for one in kept if one.startswith("exact/")]
    # Of each pair one is kept. The long texts overlap by construction, and some of them are each other's near duplicates.
    assert sum(one.startswith("near/") for one in kept) <= 20
    assert report.near >= 36
    # The unplanted, short documents are all different.
    assert len([one for one in kept if one.startswith("documents/")]) >= 160
    assert json.loads((tmp_path / "out" / "report.json").read_text())["kept"] == report.kept


def test_two_workers_give_the_bytes_of_one(tmp_path: Path):
    path = planted(tmp_path)
    for workers in (1, 2):
        dedup([path], tmp_path / f"out{workers}", options={"workers": workers})
    assert (tmp_path / "out1" / "clean.jsonl").read_bytes() == (tmp_path / "out2" / "clean.jsonl").read_bytes()


def test_what_was_done_is_not_done_again(tmp_path: Path):
    folder, work = tmp_path / "shards", tmp_path / "work"
    folder.mkdir()
    for shard in range(2):
        rows = [
            {"id": one.id, "text": one.text, "metadata": {"record": one.model_dump_json()}}
            for one in DOCUMENTS[shard::2]
        ]
        (folder / f"{shard:05d}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    near_duplicates(folder, work, 2)
    before = {path: path.stat().st_mtime_ns for path in (work / "signatures").rglob("*.sig")}
    (work / "logs" / "filter" / "completions" / "00001").unlink()  # as if the last shard had been cut off
    (work / "kept" / "00001.jsonl").unlink()
    near_duplicates(folder, work, 2)
    assert {path: path.stat().st_mtime_ns for path in (work / "signatures").rglob("*.sig")} == before
    assert (work / "kept" / "00001.jsonl").is_file()


def test_questions_alone_are_compared_on_request(tmp_path: Path):
    rows = [{"instruction": "What is gout?", "output": f"Answer {n}."} for n in range(3)]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    assert dedup([path], tmp_path / "text").kept == 3
    assert dedup([path], tmp_path / "question", by="question").kept == 1
    with pytest.raises(DataError, match="one at least"):
        dedup([path], tmp_path / "none", shards=0)
