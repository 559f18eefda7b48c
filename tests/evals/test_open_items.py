"""The published forms of open answers are read, and a row that cannot be used is told with its place."""

import json
from pathlib import Path

import pytest

from corpora.errors import DataError
from evals.exam.source import Source
from evals.exam.task_files import load_task
from evals.open.items import open_items_of
from tests.evals.judged import HEALTHBENCH, KQA, LIVEQA, write


@pytest.mark.parametrize(
    ("task", "text", "told"),
    [
        ("healthbench", json.dumps({**HEALTHBENCH[1], "rubrics": [{"criterion": "x", "points": -1}]}), "no criterion of 'rubrics' has positive"),
        ("healthbench", json.dumps({**HEALTHBENCH[1], "rubrics": [{"criterion": "x"}]}), "row 1: the field 'points' is missing"),
        ("healthbench", json.dumps({**HEALTHBENCH[1], "prompt": "plain"}), "another type"),
        ("healthbench", json.dumps({**HEALTHBENCH[1], "prompt": [{"role": "assistant", "content": "Hello"}]}), "is not the user's"),
        ("healthbench", json.dumps({"question": "x", "answer": "y"}), "prompt, rubrics, and these rows have question, answer"),
        ("kqa", json.dumps({**KQA[0], "Must_have": []}), "'Must_have' names no statement"),
        ("medcalc", json.dumps({"Patient Note": "n", "Question": "q", "Ground Truth Answer": "many", "Output Type": "decimal"}), "'many' is not a number"),
        ("medcalc", json.dumps({"Patient Note": "n", "Question": "q", "Ground Truth Answer": "1", "Output Type": "colour"}), "'Output Type' is 'colour'"),
        ("liveqa", json.dumps({**LIVEQA[0], "REFERENCE_ANSWERS": []}) + "\n" + json.dumps(LIVEQA[1]), "'REFERENCE_ANSWERS' is empty"),
        ("medsafetybench", '{"harmful_medical_request": null}', "is null"),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_used_is_told_with_its_place(tmp_path: Path, task: str, text: str, told: str):
    file = write(tmp_path / "rows.jsonl", text + "\n")
    with pytest.raises(DataError, match=told):
        list(open_items_of(load_task(task), Source(file=file)))


def test_chinese_and_marks_of_a_chat_template_are_read(tmp_path: Path):
    row = {**HEALTHBENCH[1], "prompt": [{"role": "user", "content": "怎么办？<|im_end|>\n<|im_start|>assistant"}]}
    [item] = open_items_of(load_task("healthbench"), Source(file=write(tmp_path / "hb.jsonl", [row])))
    assert item.question == "怎么办？< |im_end|>\n< |im_start|>assistant"


def test_the_xml_of_liveqa_has_an_item_for_each_question(tmp_path: Path):
    text = """<LiveQA2017-Medical-Test-Set-Full><NLM-QUESTION qid="1"><Original-Question qfile="1"><SUBJECT>s</SUBJECT><MESSAGE>What is scurvy?</MESSAGE>
</Original-Question><ReferenceAnswers><RefAnswer aid="1"><ANSWER>First.</ANSWER></RefAnswer><ReferenceAnswer aid="2"><ANSWER>Second.</ANSWER>
</ReferenceAnswer></ReferenceAnswers></NLM-QUESTION></LiveQA2017-Medical-Test-Set-Full>"""
    file = write(tmp_path / "test.xml", text)
    items = list(open_items_of(load_task("liveqa"), Source(file=file)))
    assert [item.question for item in items] == ["What is scurvy?"]
    assert items[0].references == ("First.", "Second.")


def test_ids_are_told_apart_from_those_that_the_file_has_already(tmp_path: Path):
    rows = [{**HEALTHBENCH[1], "prompt_id": name} for name in ("a", "a#2", "a", "a")]
    items = open_items_of(load_task("healthbench"), Source(file=write(tmp_path / "hb.jsonl", rows)))
    assert [item.id for item in items] == ["hb/a", "hb/a#2", "hb/a#3", "hb/a#4"]
