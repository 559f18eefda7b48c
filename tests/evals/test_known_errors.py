"""Known errors are found by content and not by place, and have a column and a source in the report."""

import json
from pathlib import Path

import pytest

from corpora.errors import DataError
from corpora.records import ExamItem
from evals.asking.finished import Finished
from evals.exam.known_errors import LISTS, content_hash, known_errors, load_list
from evals.exam.source import Source
from evals.exam.task_files import load_task, task_names
from evals.reports.report import write_report
from evals.run import Options, run_task
from tests.evals.stub_engine import Stub, exam_file, oracle

ITEM = ExamItem(id="1", question="Which vitamin prevents scurvy?", options=["A1", "C"], answers=[1])


def test_a_hash_is_of_the_words_and_not_of_their_layout():
    # sha256("whichvitaminpreventsscurvy|a1|c"), by sha256sum
    assert content_hash(ITEM) == "49f91c4ba3ba911d"
    other = ITEM.model_copy(
        update={"id": "9", "question": " Which  vitamin prevents\nSCURVY ?", "options": ["A1.", "Ｃ"]}
    )
    assert content_hash(other) == content_hash(ITEM)
    assert content_hash(ITEM.model_copy(update={"options": ["C", "A1"]})) != content_hash(ITEM)


def test_bundled_lists_have_sources_and_are_for_tasks_that_there_are():
    for path in LISTS.glob("*.yaml"):
        found = load_list(path)
        assert "http" in found.source
        assert found.licence != "unknown"
        assert found.tasks
        assert any(found.is_for(name) for name in task_names())
        assert len({error.item for error in found.errors}) == len(found.errors)
        assert all(len(error.item) == 16 and int(error.item, 16) >= 0 for error in found.errors)
    assert len(load_list(LISTS / "mmlu.yaml").errors) == 337
    assert not known_errors("pubmedqa").lists


def run(folder: Path, *errors: str, key_errors: Path | None = None) -> dict:
    own = key_errors or folder / "errors.yaml"
    if key_errors is None:
        lines = "".join(f"  - {{item: {one}, wrong: wrong key, right: B}}\n" for one in errors)
        own.write_text(f"title: Mine\nsource: a letter to the editor\nerrors:\n{lines}", encoding="utf-8")
    with Finished(folder / "finished.sqlite") as finished:
        return run_task(
            load_task("medqa"),
            Stub(lambda prompt: oracle(prompt) if "Question 3?" not in prompt else "A"),
            Source(file=exam_file(folder / "test.jsonl", 8), key_errors=own),
            folder / "out" / "medqa",
            Options(),
            finished,
        )


def test_a_list_of_ones_own_is_counted_and_shown(tmp_path: Path):
    options = [f"option {letter} of 5" for letter in "ABCD"]
    options[0] += " (right)"  # as the file of the tests has it
    by_content = content_hash(ExamItem(id="x", question="Question 5?", options=options, answers=[0]))
    found = run(tmp_path, "test/3", f"'{by_content}'")
    assert found["key_errors"] == 2
    assert (found["accuracy"], found["accuracy_without_key_errors"]) == (7 / 8, 1.0)
    rows = [json.loads(line) for line in (tmp_path / "out" / "medqa" / "items.jsonl").read_text().splitlines()]
    assert [row["key_error"] for row in rows].count("wrong key; right is B (Mine)") == 2
    text = write_report(tmp_path / "out").read_text(encoding="utf-8")
    assert "a letter to the editor" in text
    assert "Known error of this item" in text


def test_a_list_without_any_of_the_items_is_told(tmp_path: Path):
    found = run(tmp_path, "elsewhere/1")
    assert found["key_errors"] == 0
    assert any("none of the items is in" in note for note in found["notes"])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "no such file"),
        ("title: [", "not valid YAML"),
        ("", "a list has title, source and errors"),
        ("title: x\nsource: y\nerrors: []", "errors: "),
        ("title: x\nsource: y\nerrors: [{item: 1, wrong: z}]", r"errors\.0\.item"),
        ("title: x\nsource: y\nerrors: [{item: '1', wrong: z, page: 3}]", r"errors\.0\.page"),
    ],
)
def test_a_list_that_is_none_says_where(tmp_path: Path, text: str | None, told: str):
    path = tmp_path / "错误.yaml"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=told):
        run(tmp_path, key_errors=path)
