"""Which option of a user's file is right, where a row alone could be read in two ways, and in forms that publishers and exports have."""

import json
from pathlib import Path

import pytest

from corpora.errors import DataError
from corpora.records import ExamItem
from evals.exam.items import items_of
from evals.exam.own_file import parse_mapping
from evals.exam.source import Source
from evals.exam.task_files import load_task

Q = "Which of these?"
ORGANS, BLOOD = ["Liver", "Lung", "Skin", "Eye"], ["O", "A", "B", "AB"]
COLUMNS = {"opa": "a", "opb": "b", "opc": "c", "opd": "d"}
NUMBERED = {f"option{n}": text for n, text in enumerate("abcd", start=1)}


def items(path: Path, content: object, *mapping: str, task: str = "medqa") -> list[ExamItem]:
    rows = [content] if isinstance(content, dict) else content
    text = rows if isinstance(rows, str) else "".join(json.dumps({"question": Q, **row}) + "\n" for row in rows)  # type: ignore[attr-defined]
    path.write_text(text, encoding="utf-8")
    return list(items_of(load_task(task), Source(file=path, mapping=parse_mapping(list(mapping)))))


def right(found: list[ExamItem]) -> list[str]:
    return ["+".join(item.options[place] for place in item.answers) for item in found]


def lists(*rows: tuple[list[str], object]) -> list[dict[str, object]]:
    return [{"options": options, "answer": answer} for options, answer in rows]


def table(*rows: str) -> str:
    return "\n".join(["question,A,B,C,D,answer", *rows]) + "\n"


# What is right was worked out by hand.
FILES = {
    "texts, of which one is another's letter": (lists((ORGANS, "Skin"), (BLOOD, "A"), (ORGANS, "Liver")), ["Skin", "A", "Liver"]),
    "letters, of which one is another's text": (lists((ORGANS, "C"), (BLOOD, "A"), (ORGANS, "D")), ["Skin", "O", "Eye"]),
    "numbers from 0 in a table, of which one is another's text": (table("x,a,b,c,d,0", "x,a,b,c,d,3", "x,1,2,3,4,2"), ["a", "d", "3"]),
    "numbers from 1 in a table": (table("x,a,b,c,d,1", "x,a,b,c,d,4", "x,3,2,1,4,3"), ["a", "d", "1"]),
    "numbers of a table with gaps": (table("x,a,b,c,d,0.0", "x,a,b,c,d,3.0"), ["a", "d"]),
    "texts that are numbers": (table("x,a,b,c,d,b", "x,3,2,1,0,3", "x,7,8,9,10,9"), ["b", "3", "9"]),
    "numbered columns counted from 0": ([{**NUMBERED, "answer": n} for n in range(4)], ["a", "b", "c", "d"]),
    "numbered columns counted from 1": ([{**NUMBERED, "answer": n} for n in (1, 2, 3, 4)], ["a", "b", "c", "d"]),
    "one case is right": (lists((["mg", "Mg", "g"], "Mg"), (["mg", "Mg", "g"], "mg")), ["Mg", "mg"]),
    "a mark for each option": ([{"options": ORGANS, "label": [0, 0, 1, 0]}], ["Skin"]),
    "an option that says it is right": ([{"options": [{"text": t, "is_correct": t == "Skin"} for t in ORGANS]}], ["Skin"]),
    "objects with ids": ([{"options": [{"id": k, "text": t} for k, t in zip("ABCD", ORGANS, strict=True)], "answer": "C"}], ["Skin"]),
    "full-width letters": ([{"options": {"Ａ": "甲", "Ｂ": "乙"}, "answer": "B"}, {"options": ["Ａ．甲", "Ｂ．乙"], "answer": "Ａ"}], ["乙", "甲"]),
    "small letters": ([{"options": ["a) x", "b) y"], "answer": "b"}, {"options": {"a": "x", "b": "y"}, "answer": "A"}], ["b) y", "x"]),
    "as NumPy prints a list": ("question,choices,answer\nx,\"['Liver' 'Skin'\n 'Eye']\",1\nx,\"['Liver' 'Skin']\",0\n", ["Skin", "Liver"]),
    "no fifth option": ("question,option1,option2,option3,answer\nx,a,b,c,3\nx,a,b,,2\n", ["c", "b"]),
    "MedMCQA counted from 1": ([{**COLUMNS, "cop": n} for n in (1, 4)], ["a", "d"]),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_the_right_option_is_found(tmp_path: Path, name: str):
    content, wanted = FILES[name]
    assert right(items(tmp_path / ("own.csv" if isinstance(content, str) else "own.jsonl"), content)) == wanted


def test_options_stand_in_the_order_of_their_letters(tmp_path: Path):
    [item] = items(tmp_path / "own.jsonl", {"options": {"C": "z", "A": "x", "B": "y"}, "answer": "C"})
    assert (item.options, item.answers) == (["x", "y", "z"], [2])


def test_several_right_options_may_be_marked(tmp_path: Path):
    row = {"options": ORGANS, "label": [0, 1, 0, 1]}
    assert right(items(tmp_path / "own.jsonl", row, task="cmexam")) == ["Lung+Eye"]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ({"options": dict(zip("ABCD", ORGANS, strict=True)), "answer_idx": "C", "answer": "B"}, "name different options"),
        ([{"options": ORGANS, "answer_idx": n, "answer": "B"} for n in (0, 2)], "name different options"),
        (lists((["5 mg", "10 mg", "5 mg"], "5 mg")), "which is the text of 2 options"),
        ([{"options": {"A": "x", "B": "", "C": "y"}, "answer": n} for n in (0, 1)], "one between is empty"),
        ([{"options": {"A": "x", "a": "y"}, "answer": "A"}, *lists((ORGANS, "A"))], "two options are called 'A'"),
        (lists((ORGANS, "A"), (ORGANS, None)), "row 2: 'answer' is empty"),
        (lists(([*"abcdefghijk"], "A")), "more than 10 options"),
        (lists((ORGANS, "A"), (ORGANS, "²")), "'²', which is none of the options"),
    ],
)  # fmt: skip
def test_what_can_be_read_in_two_ways_or_in_none_is_refused(tmp_path: Path, rows: object, told: str):
    with pytest.raises(DataError, match=told):
        items(tmp_path / "own.jsonl", rows)


def test_a_small_word_is_no_set_of_letters(tmp_path: Path):
    with pytest.raises(DataError, match="'bad', which is none of the options"):
        items(tmp_path / "own.jsonl", {"options": ORGANS, "answer": "bad"}, task="cmexam")


@pytest.mark.parametrize("row", [COLUMNS, {f"op{n}": text for n, text in enumerate("abcd", start=1)}])
def test_it_may_be_said_from_what_numbers_are_counted(tmp_path: Path, row: dict[str, str]):
    rows = [{**row, "cop": n} for n in (1, 2, 3)]
    if "opa" in row:
        with pytest.raises(DataError, match="--map first=0 or --map first=1"):
            items(tmp_path / "own.jsonl", rows)
    assert right(items(tmp_path / "own.jsonl", rows, "first=1")) == ["a", "b", "c"]


def test_mmlus_form_is_counted_from_0_where_the_numbers_do_not_tell(tmp_path: Path):
    rows = [{"choices": ORGANS[:4], "answer": n} for n in (1, 2)]
    assert right(items(tmp_path / "own.jsonl", rows)) == ORGANS[1:3]
    assert right(items(tmp_path / "own.jsonl", [*rows, {"choices": ORGANS[:4], "answer": 4}])) == [
        *ORGANS[:2],
        ORGANS[3],
    ]


def test_a_list_that_was_cut_off_after_a_row_is_no_whole_exam(tmp_path: Path):
    rows = ",".join(json.dumps({"question": Q, "options": ORGANS, "answer": "C"}) for _ in range(3))
    with pytest.raises(DataError, match="row 4: the list has no end"):
        items(tmp_path / "own.json", f"[{rows},")


def test_ids_are_unique_even_where_one_looks_like_a_number_given_here(tmp_path: Path):
    rows = [{"id": name, "options": ORGANS, "answer": "C"} for name in ("x", "x#2", "x", "x")]
    assert len({item.id for item in items(tmp_path / "own.jsonl", rows)}) == 4
