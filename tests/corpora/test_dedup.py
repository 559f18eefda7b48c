"""Planted duplicates go, what only resembles them stays, and the result does not depend on how many work at it."""

import json
import random
from pathlib import Path

from corpora.bundled.render import render
from corpora.curate.dedup import Deduplication
from corpora.curate.executor import Scale
from corpora.curate.flow import Curated, curate_files
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


def deduplicated(file: Path, to: Path, by: str = "text", **scale) -> Curated:
    return curate_files([file], [Deduplication(by=by)], to, Scale(**scale))  # type: ignore[arg-type]


def test_planted_duplicates_go_and_the_counts_add_up(tmp_path: Path):
    step = deduplicated(planted(tmp_path), tmp_path / "out").waterfall[-1]
    assert step.received == 280
    assert step.dropped["the same as another"] == 40
    assert step.received == step.kept + sum(step.dropped.values())
    kept = [json.loads(line)["id"] for line in (tmp_path / "out" / "clean.jsonl").read_text().splitlines()]
    near = [json.loads(line)["id"] for line in (tmp_path / "out" / "near.jsonl").read_text().splitlines()]
    assert len(kept) == step.kept
    assert len(near) == step.dropped["nearly the same as another"]
    # The first of each pair is kept; the shards are gone through one after the other.
    assert sum(one.startswith("exact/") for one in kept) <= 40
    # Of each pair one is kept. The long texts overlap by construction, and some of them are each other's near duplicates.
    assert sum(one.startswith("near/") for one in kept) <= 20
    assert len(near) >= 36
    # The unplanted, short documents are all different.
    assert len([one for one in kept if one.startswith("documents/")]) >= 120
    figures = json.loads((tmp_path / "out" / "report.json").read_text())
    assert figures["waterfall"][-1]["kept"] == step.kept
    assert not (tmp_path / "out" / "work").exists()


def test_questions_alone_are_compared_on_request(tmp_path: Path):
    rows = [{"instruction": "What is gout?", "output": f"Answer {n}."} for n in range(3)]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    assert deduplicated(path, tmp_path / "text").waterfall[-1].kept == 3
    assert deduplicated(path, tmp_path / "question", by="question").waterfall[-1].kept == 1
