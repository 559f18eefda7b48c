"""A run holds a chunk in memory and no more, and goes on after it was killed to the same bytes."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import pytest
import torch

import evals.run
from corpora.errors import DataError
from evals.asking.finished import Finished
from evals.engines.transformers import TransformersEngine
from evals.exam.source import Source
from evals.exam.task_files import load_task
from evals.figures.results import write_results
from evals.run import Options, run_task
from pipelines import loading
from tests.evals.stub_engine import Stub, exam_file, oracle, run


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


@pytest.mark.long
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


def test_what_cannot_be_used_of_an_earlier_run_is_named(tmp_path: Path):
    (tmp_path / "results.json").write_text('{"tasks": {')
    with pytest.raises(DataError, match=r"results\.json: not valid JSON"):
        write_results(tmp_path, Stub(oracle), None, {}, {})
    (tmp_path / "kept.sqlite").write_text("no database " * 100)
    with pytest.raises(DataError, match=r"kept\.sqlite: what is finished cannot be kept here .* remove it"):
        Finished(tmp_path / "kept.sqlite")


KILLED = """
import sys, time
from pathlib import Path
import torch
torch.set_num_threads(1)
from evals.asking.finished import Finished
from evals.exam.source import Source
from evals.run import Options, run_task
from evals.exam.task_files import load_task
from evals.engines.transformers import TransformersEngine
from pipelines import loading, loading, training
base, file, out, pause = sys.argv[1:]
engine = TransformersEngine(loading.load_model(base, training=False), loading.load_tokenizer(base), base, "f")
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
    deadline = time.monotonic() + 300
    while not finished_chunks(tmp_path / "killed" / "f.sqlite") >= 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert partial.exists()
    assert not (tmp_path / "killed" / "medqa" / "items.jsonl").exists()
    before = finished_chunks(tmp_path / "killed" / "f.sqlite")
    assert 2 <= before < 6
    (tmp_path / "whole").mkdir()
    assert start("killed", 0).wait(300) == 0
    assert finished_chunks(tmp_path / "killed" / "f.sqlite") == 6
    torch.set_num_threads(1)
    model, tokenizer = loading.load_model(tiny_model, training=False), loading.load_tokenizer(tiny_model)
    engine = TransformersEngine(model, tokenizer, "tiny", "f")
    engine.chunk = 16
    with Finished(tmp_path / "whole" / "f.sqlite") as finished:
        run_task(load_task("medqa"), engine, Source(file=file), tmp_path / "whole" / "medqa", Options(), finished)
    killed, whole = ((tmp_path / out / "medqa" / "items.jsonl").read_bytes() for out in ("killed", "whole"))
    assert killed == whole


WRITING = """
import sys, time
from pathlib import Path
import torch
torch.set_num_threads(1)
from evals.engines import transformers as engines
from evals.asking.finished import Finished
from evals.exam.source import Source
from evals.run import Options, adjusted, run_task
from evals.exam.task_files import load_task
from pipelines import loading
base, file, out, pause = sys.argv[1:]
engines.MOST_AT_ONCE = 4
engine = engines.TransformersEngine(loading.load_model(base, training=False), loading.load_tokenizer(base), base, "f")
whole = engine.generate
def slow(prompts, *how):
    time.sleep(float(pause))
    return whole(prompts, *how)
engine.generate = slow
asked = Options(scoring="generative", max_tokens=6)
with Finished(Path(out) / "f.sqlite") as finished:
    run_task(adjusted(load_task("medqa"), asked), engine, Source(file=Path(file)), Path(out) / "medqa", asked, finished)
"""


@pytest.mark.long
def test_of_texts_each_finished_batch_outlives_a_kill(tmp_path: Path, tiny_model: Path):
    """All 48 items are of one chunk; twelve batches of four, of which those that were finished are not written again."""
    file = exam_file(tmp_path / "test.jsonl", 48)

    def start(out: str, pause: float) -> subprocess.Popen[bytes]:
        (tmp_path / out).mkdir(exist_ok=True)
        return subprocess.Popen(
            [sys.executable, "-c", WRITING, str(tiny_model), str(file), str(tmp_path / out), str(pause)]
        )

    process = start("killed", 0.5)
    kept = tmp_path / "killed" / "f.sqlite"
    deadline = time.monotonic() + 300
    while not finished_chunks(kept) >= 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with sqlite3.connect(kept) as database:
        before = dict(database.execute("SELECT key, found FROM chunks").fetchall())
    assert 12 <= sum(len(json.loads(texts)) for texts in before.values()) < 48
    assert start("killed", 0).wait(300) == 0
    with sqlite3.connect(kept) as database:
        after = dict(database.execute("SELECT key, found FROM chunks").fetchall())
    assert len(after) == 12
    assert before.items() <= after.items()
    assert start("whole", 0).wait(300) == 0
    killed, whole = ((tmp_path / out / "medqa" / "items.jsonl").read_bytes() for out in ("killed", "whole"))
    assert killed == whole


def finished_chunks(path: Path) -> int:
    if not path.is_file():
        return 0
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
            return int(database.execute("SELECT count(*) FROM chunks").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
