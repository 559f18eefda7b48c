"""A run writes every item's answer, holds a chunk in memory and no more, and goes on after it was killed to the same bytes."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

import evals.run
from corpora.errors import DataError, OslerError
from evals.engines.transformers import TransformersEngine
from evals.finished import Finished
from evals.results import write_results
from evals.run import Options, adjusted, run_task
from evals.source import Source
from evals.stats.intervals import wilson
from evals.task_files import load_task
from evals.tasks import Task
from pipelines import training

LETTERS = "ABCD"


class Stub:
    """An engine whose answers a test decides from the prompt."""

    id, name, fingerprint, settings, chunk = "stub", "stub", "0" * 64, "", 512

    def __init__(self, choose, chunk: int = 512) -> None:
        self.choose, self.chunk, self.asked = choose, chunk, 0

    def log_probs(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        self.asked += len(pairs)
        return [0.0 if after.strip() == self.choose(before) else -1.0 for before, after in pairs]

    def generate(self, prompts: Sequence[str], max_tokens: int, stop: Sequence[str]) -> list[str]:
        self.asked += len(prompts)
        return [self.choose(prompt) for prompt in prompts]

    def render(self, messages: list[dict[str, str]]) -> str:
        return "".join(f"[{message['role']}]{message['content']}" for message in messages)


def oracle(prompt: str) -> str:
    """The letter before the option that says it is right."""
    return next(line[0] for line in prompt.splitlines() if line.endswith("(right)"))


def exam_file(path: Path, count: int) -> Path:
    """Questions whose right option says so; the key goes round."""
    with path.open("w", encoding="utf-8") as stream:
        for number in range(count):
            options = {letter: f"option {letter} of {number}" for letter in LETTERS}
            key = LETTERS[number * 7 % 4 if number % 5 else 0]
            options[key] += " (right)"
            row = {"id": str(number), "question": f"Question {number}?", "options": options, "answer_idx": key}
            stream.write(json.dumps(row) + "\n")
    return path


def run(folder: Path, engine: Stub, count: int = 400, task: Task | None = None, **options: object):
    file = exam_file(folder / "test.jsonl", count)
    task = task or load_task("medqa")
    asked = Options(**options)  # type: ignore[arg-type]
    with Finished(folder / "finished.sqlite") as finished:
        summary = run_task(adjusted(task, asked), engine, Source(file=file), folder / task.name, asked, finished)
    lines = (folder / task.name / "items.jsonl").read_text(encoding="utf-8").splitlines()
    return summary, [json.loads(line) for line in lines]


def test_an_oracle_is_always_right(tmp_path: Path):
    summary, rows = run(tmp_path, Stub(oracle))
    assert summary["accuracy"] == 1.0
    assert [row["id"] for row in rows] == [f"test/{number}" for number in range(400)]
    about = json.loads((tmp_path / "medqa" / "task.json").read_text())
    assert about["n"] == 400
    assert about["chance"] == 0.25
    assert about["prompt_example"].startswith("Question: Question 0?\nA. option A of 0 (right)\n")
    assert {
        "task",
        "title",
        "version",
        "language",
        "metric",
        "scoring",
        "normalise",
        "num_fewshot",
        "chat_template",
        "source",
        "licence",
    } <= set(about)
    assert set(rows[0]) == {
        "id",
        "cluster",
        "subject",
        "question",
        "options",
        "gold",
        "chosen",
        "right",
        "score",
        "scores",
        "text",
        "refused",
        "key_error",
        "prompt_sha256",
    }


def test_a_constant_scores_the_keys_share_and_a_guesser_chance(tmp_path: Path):
    (tmp_path / "a").mkdir()
    summary, rows = run(tmp_path / "a", Stub(lambda prompt: "A"))
    assert summary["accuracy"] == sum(row["gold"] == [0] for row in rows) / 400
    (tmp_path / "b").mkdir()
    summary, _ = run(tmp_path / "b", Stub(lambda prompt: random.Random(prompt).choice(LETTERS)), 4000)
    low, high = wilson(round(summary["accuracy"] * 4000), 4000, 0.99)
    assert low <= 0.25 <= high


def test_rotations_tell_a_model_that_knows_from_one_that_likes_a_letter(tmp_path: Path):
    summary, _ = run(tmp_path, Stub(oracle), 40, rotations=True)
    assert summary["rotations"]["flip_rate"]["share"] == 0
    assert summary["rotations"]["worst_case"]["share"] == 1
    (tmp_path / "a").mkdir()
    summary, _ = run(tmp_path / "a", Stub(lambda prompt: "A"), 40, rotations=True)
    assert summary["rotations"]["flip_rate"]["share"] == 1
    assert summary["rotations"]["worst_case"]["share"] == 0
    assert summary["rotations"]["accuracy"] == pytest.approx(0.25)


def test_without_the_question_the_options_alone_are_shown(tmp_path: Path):
    seen: list[str] = []

    def choose(prompt: str) -> str:
        seen.append(prompt)
        return "B"

    summary, rows = run(tmp_path, Stub(choose), 40, blank=True)
    assert "Question 0?" in seen[0]
    assert "Question: \nA. option A of 39" in seen[-1]
    assert summary["blank"]["share"] == sum(row["gold"] == [1] for row in rows) / 40


def test_what_is_finished_is_not_asked_again(tmp_path: Path):
    engine = Stub(oracle, chunk=100)
    run(tmp_path, engine)
    asked = engine.asked
    run(tmp_path, engine)
    assert engine.asked == asked == 1600
    other = Stub(oracle, chunk=100)
    other.fingerprint = "1" * 64
    run(tmp_path, other)
    assert other.asked == 1600


def test_a_text_is_read_without_its_thoughts_and_garbage_is_no_answer(tmp_path: Path):
    thinker = Stub(lambda prompt: f"<think>A, B, C or D?</think>{oracle(prompt)}")
    summary, rows = run(tmp_path, thinker, 40, scoring="generative", chat=True)
    assert summary["accuracy"] == 1.0
    assert rows[0]["text"].startswith("<think>")
    (tmp_path / "b").mkdir()
    summary, rows = run(tmp_path / "b", Stub(lambda prompt: "<think>A"), 40, scoring="generative")
    assert (summary["accuracy"], summary["unparsed"]) == (0.0, 1.0)
    assert all(row["chosen"] is None for row in rows)


def test_several_right_options_are_right_as_a_set_only(tmp_path: Path):
    task = load_task("cmexam")
    rows = [{"Question": f"题{n}", "Options": "A 甲\nB 乙\nC 丙\nD 丁", "Answer": "AC"} for n in range(3)]
    file = tmp_path / "test.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    said = iter(["AC", "A", "ABC"])
    with Finished(tmp_path / "f.sqlite") as finished:
        summary = run_task(
            task, Stub(lambda prompt: next(said)), Source(file=file), tmp_path / "out", Options(), finished
        )
    assert summary["accuracy"] == pytest.approx(1 / 3)
    with pytest.raises(OslerError, match="several options may be right"):
        adjusted(task, Options(scoring="likelihood"))


def test_words_are_not_asked_for_in_a_language_in_which_none_can_be_read():
    french = load_task("headqa-es").model_copy(update={"language": "fr"})
    with pytest.raises(DataError, match="answers in words can be read in en, zh, es, and its language is fr"):
        adjusted(french, Options(scoring="generative"))
    assert adjusted(french, Options()).scoring == "likelihood"


def test_what_cannot_be_used_of_an_earlier_run_is_named(tmp_path: Path):
    (tmp_path / "results.json").write_text('{"tasks": {')
    with pytest.raises(DataError, match=r"results\.json: not valid JSON"):
        write_results(tmp_path, Stub(oracle), None, {}, {})
    (tmp_path / "kept.sqlite").write_text("no database " * 100)
    with pytest.raises(DataError, match=r"kept\.sqlite: what is finished cannot be kept here .* remove it"):
        Finished(tmp_path / "kept.sqlite")


def test_a_task_that_needs_a_judge_says_so(tmp_path: Path):
    with pytest.raises(OslerError, match="needs a judge model"):
        run(tmp_path, Stub(oracle), task=load_task("healthbench"))


def test_memory_does_not_grow_with_the_items(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """While they are asked; the summary at the end holds an item's figures, and no text of it."""

    def peak(count: int) -> int:
        folder = tmp_path / str(count)
        folder.mkdir()
        exam_file(folder / "test.jsonl", count)
        tracemalloc.start()
        with Finished(folder / "f.sqlite") as finished:
            run_task(
                load_task("medqa"),
                Stub(oracle, 256),
                Source(file=folder / "test.jsonl"),
                folder / "out",
                Options(),
                finished,
            )
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(100)  # what is loaded once
    few, many = peak(600), peak(2400)  # both more than a chunk of 512
    assert many - few < 2_000 * (2400 - 600), (few, many)
    monkeypatch.setattr(evals.run, "summarise", lambda folder: {})
    shutil.rmtree(tmp_path / "600")
    shutil.rmtree(tmp_path / "2400")
    few, many = peak(600), peak(2400)
    assert many < few * 1.4, (few, many)


KILLED = """
import sys, time
from pathlib import Path
import torch
torch.set_num_threads(1)
from evals.finished import Finished
from evals.source import Source
from evals.run import Options, run_task
from evals.task_files import load_task
from evals.engines.transformers import TransformersEngine
from pipelines import training
base, file, out, pause = sys.argv[1:]
engine = TransformersEngine(training.load_model(base, training=False), training.load_tokenizer(base), base, "f")
engine.chunk = 16
whole = engine.log_probs
def slow(pairs):
    time.sleep(float(pause))
    return whole(pairs)
engine.log_probs = slow
with Finished(Path(out) / "f.sqlite") as finished:
    run_task(load_task("medqa"), engine, Source(file=Path(file)), Path(out) / "medqa", Options(), finished)
"""


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(tmp_path: Path, tiny_model: Path):
    file = exam_file(tmp_path / "test.jsonl", 96)

    def start(out: str, pause: float) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tiny_model), str(file), str(tmp_path / out), str(pause)]
        )

    (tmp_path / "killed").mkdir()
    process = start("killed", 0.5)
    partial = tmp_path / "killed" / "medqa" / ".items.jsonl.partial"
    deadline = time.monotonic() + 60
    while not finished_chunks(tmp_path / "killed" / "f.sqlite") >= 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert partial.exists()
    assert not (tmp_path / "killed" / "medqa" / "items.jsonl").exists()
    before = finished_chunks(tmp_path / "killed" / "f.sqlite")
    assert 2 <= before < 6
    (tmp_path / "whole").mkdir()
    assert start("killed", 0).wait(120) == 0
    assert finished_chunks(tmp_path / "killed" / "f.sqlite") == 6
    torch.set_num_threads(1)
    model, tokenizer = training.load_model(tiny_model, training=False), training.load_tokenizer(tiny_model)
    engine = TransformersEngine(model, tokenizer, "tiny", "f")
    engine.chunk = 16
    with Finished(tmp_path / "whole" / "f.sqlite") as finished:
        run_task(load_task("medqa"), engine, Source(file=file), tmp_path / "whole" / "medqa", Options(), finished)
    killed, whole = ((tmp_path / out / "medqa" / "items.jsonl").read_bytes() for out in ("killed", "whole"))
    assert killed == whole


def finished_chunks(path: Path) -> int:
    import sqlite3

    if not path.is_file():
        return 0
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
            return int(database.execute("SELECT count(*) FROM chunks").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def test_intervals_of_other_forms_are_clustered_as_the_score_is(tmp_path: Path):
    """Four questions a passage, all right or all wrong: ten independent answers, not forty."""
    file = tmp_path / "test.jsonl"
    with file.open("w", encoding="utf-8") as stream:
        for number in range(40):
            options = {letter: f"option {letter} of {number}" for letter in LETTERS}
            options["B"] += " (right)" if number // 4 % 2 else ""
            row = {
                "id": str(number),
                "context": f"Passage {number // 4}.",
                "question": f"Question {number}?",
                "options": options,
                "answer_idx": "B",
            }
            stream.write(json.dumps(row) + "\n")
    engine = Stub(lambda prompt: next((line[0] for line in prompt.splitlines() if line.endswith("(right)")), "none"))
    asked = Options(rotations=True, blank=True)
    with Finished(tmp_path / "f.sqlite") as finished:
        found = run_task(load_task("medqa"), engine, Source(file=file), tmp_path / "medqa", asked, finished)
    assert found["interval"] == "clustered"
    for other in (found["rotations"]["worst_case"], found["blank"]):
        assert other["high"] - other["low"] > 1.5 * (wilson(20, 40)[1] - wilson(20, 40)[0])
