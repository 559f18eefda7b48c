"""The rows from which a small model learns to copy: nothing but the question tells their answers, and no pair of the exam is in one."""

from __future__ import annotations

import collections
import json
import re
from itertools import combinations, pairwise
from pathlib import Path

import pytest

from corpora.records import Dialogue
from pipelines import loading, tool_use
from pipelines.config import Corpus
from pipelines.data import records
from pipelines.tool_use.cases import pair_side
from pipelines.tool_use.copying import COUNTS
from pipelines.tool_use.knowledge import interacting


@pytest.fixture(scope="module")
def rows() -> list[Dialogue]:
    return list(tool_use.render("bundled-tool-copying", seed=7))


def said(row: Dialogue) -> tuple[str, str]:
    *_, question, answer = row.messages
    assert (question.role, answer.role) == ("user", "assistant")
    return question.content, answer.content


def of(rows: list[Dialogue], form: str) -> list[tuple[str, str]]:
    return [said(row) for row in rows if row.meta["form"] == form]


def test_a_seed_gives_the_same_rows_and_a_recipe_reads_them(rows, sources):
    assert [row.model_dump_json() for row in tool_use.render("bundled-tool-copying", seed=7)] == [
        row.model_dump_json() for row in rows
    ]
    read = records([Corpus(name="bundled-tool-copying")], sources, Dialogue)
    assert sources.seed != 7
    assert len(read) == len(rows)
    # Two short names can be drawn twice.
    assert len({said(row) for row in read} & {said(row) for row in rows}) < 5


def test_each_rendering_has_rows_of_its_own_as_many_as_the_table_says(rows):
    assert collections.Counter(row.meta["form"] for row in rows) == COUNTS
    two = list(tool_use.render("bundled-tool-copying", 2, 7))
    assert len({row.id for row in two}) == len(two) == 2 * len(rows)
    assert two[: len(rows)] == rows
    assert len({said(row) for row in two[len(rows) :]} & {said(row) for row in rows}) < 5


def listed_in(answer: str) -> list[str]:
    """Each name stands after a space, as in a call."""
    names = json.loads(answer)["names"]
    assert all(name.startswith(" ") for name in names)
    return [name[1:] for name in names]


def test_an_answer_is_what_the_question_holds(rows):
    for question, answer in of(rows, "repeated"):
        assert answer in question
        assert len(answer.split()) >= 6
    for question, answer in [*of(rows, "listed"), *of(rows, "spelt")]:
        names = listed_in(answer)
        places = [question.index(name) for name in names]
        assert len(names) == 2 or places == sorted(places)
    for question, answer in of(rows, "looked_up"):
        key, _, value = answer.removesuffix(".").partition(": ")
        assert f"{key}: {value}" in question
        # Asked for by its name, which no other note has.
        assert len(re.findall(rf"(?:^|\. ){re.escape(key)}: ", question)) == 1
        assert key in question.rpartition(value)[2]


def test_the_tools_stand_before_a_third_of_the_questions_as_where_a_call_is_due(rows, tokenizer_of_calls):
    offered = [row for row in rows if row.tools]
    assert 0.28 < len(offered) / len(rows) < 0.39
    due = next(one for one in tool_use.render("bundled-tool-exam", seed=7) if one.meta["case"]["kind"] == "gcs")

    def before_the_question(row: Dialogue) -> str:
        text = tokenizer_of_calls.apply_chat_template(
            [message.as_dict() for message in row.messages], tools=row.tools, tokenize=False
        )
        return text.partition("<|im_start|>user")[0]

    assert "gcs(eye, verbal, motor)" in before_the_question(due)
    assert {before_the_question(row) for row in offered[:20]} == {before_the_question(due)}


def test_what_follows_cannot_be_guessed_from_the_word_before():
    followers: dict[str, list[str]] = collections.defaultdict(list)
    for _, answer in of(list(tool_use.render("bundled-tool-copying", 4, 7)), "repeated"):
        words = answer.split()
        for word, after in pairwise(words):
            followers[word].append(after)
    often = [after for after in followers.values() if len(after) >= 5]
    assert len(often) > 200
    # Of five words that came after it, the commonest is hardly ever two of them.
    assert sum(len(set(after)) for after in often) > 0.9 * sum(map(len, often))


def test_two_medicines_of_a_row_are_of_the_training_side_so_no_pair_of_the_exam(rows):
    names = sorted(interacting()[1], key=len, reverse=True)
    pattern = re.compile("|".join(rf"\b{re.escape(name)}\b" for name in names), re.IGNORECASE)
    held_out = [
        set(one.meta["case"]["call"]["arguments"]["medicines"])
        for one in tool_use.render("bundled-tool-exam", seed=7)
        if one.meta["case"]["kind"] == "interactions"
    ]
    by_name = {name.lower(): name for name in names}
    together = 0
    for row in rows:
        found = {by_name[name.lower()] for name in pattern.findall(said(row)[0])}
        for pair in combinations(found, 2):
            assert pair_side(*pair) == "train", row
            assert set(pair) not in held_out
            together += 1
    assert together > 1000


def test_each_medicine_is_set_down_as_json_many_times(rows):
    written = collections.Counter(
        name for _, answer in [*of(rows, "listed"), *of(rows, "spelt")] for name in listed_in(answer)
    )
    assert min(written[name] for name in interacting()[1]) >= 4


def test_most_tokens_of_the_right_calls_have_been_copied(rows, base_model: Path):
    tokenizer = loading.load_tokenizer(base_model)
    copied = {token for row in rows for token in tokenizer(said(row)[1])["input_ids"]}
    needed = {
        token
        for one in tool_use.render("bundled-tool-exam", seed=7)
        for message in one.messages
        for call in message.tool_calls
        for token in tokenizer(json.dumps(call.arguments))["input_ids"]
    }
    assert len(needed & copied) > 0.9 * len(needed)
