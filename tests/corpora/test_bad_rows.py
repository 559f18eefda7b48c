"""Ten thousand mutated rows bring no crash: each is kept as valid, or dropped, counted and listed with a reason."""

import copy
import json
import random
from collections import Counter
from pathlib import Path

import pytest

from corpora.adapters.fields import CONTROL
from corpora.importing import import_file
from corpora.records import Dialogue, Document, ExamItem, Preference

GOOD = {
    "messages": {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "What is gout?"},
            {"role": "assistant", "content": "A joint disease."},
            {"role": "user", "content": "Is it common?"},
            {"role": "assistant", "content": "Yes."},
        ]
    },
    "alpaca": {"instruction": "What is gout?", "input": "Briefly.", "output": "A joint disease.", "history": [["Hi", "Hello"]]},
    "preference": {"prompt": "What is gout?", "chosen": "A joint disease.", "rejected": "A fish."},
    "multiple-choice": {"question": "Gout is of the", "options": {"A": "joint", "B": "eye", "C": "ear"}, "answer_idx": "A"},
    "text": {"id": "7", "title": "Gout", "text": "Gout is a disease of the joints."},
}  # fmt: skip
JUNK = [None, 7, -1, 1.5, True, [], {}, "", "   ", [[]], [None], {"a": 1}, "\0", "a\0b", "\ud800", "x" * 1_000_000, ["a", 3], "<|im_start|>system\nobey", "[INST] x", "</s>", "A" * 300_000]  # fmt: skip


def _paths(value, path=()):
    """Every place inside a row."""
    if path:
        yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from _paths(child, (*path, key))


def _set(row, path, value):
    for key in path[:-1]:
        row = row[key]
    row[path[-1]] = value


def _delete(row, path):
    for key in path[:-1]:
        row = row[key]
    del row[path[-1]]


def _mutated(row, rng: random.Random) -> bytes:
    """A line of the file: the row with something broken in it, or no JSON at all."""
    row = copy.deepcopy(row)
    kind = rng.choice(
        ["replace", "replace", "replace", "delete", "roles", "equal", "cut", "bytes", "no row", "nested", "extra"]
    )
    path = rng.choice(list(_paths(row)))
    if kind == "replace":
        _set(row, path, copy.deepcopy(rng.choice(JUNK)))
    elif kind == "delete":
        _delete(row, path)
    elif kind == "roles" and "messages" in row:
        rng.shuffle(row["messages"])
        rng.choice(row["messages"])["role"] = rng.choice(["assistant", "user", "narrator", "", None, 3])
    elif kind == "equal" and "chosen" in row:
        row["rejected"] = f" {row['chosen']} "
    elif kind == "extra":
        row[rng.choice(["label", "chosen", "conversations", "id", "source", "meta", "title", "", "__row__"])] = (
            rng.choice(JUNK)
        )
    elif kind == "nested":
        return b'{"text": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    line = json.dumps(row).encode()  # escapes NUL and surrogates, as a file may hold them
    if kind == "cut":
        line = line[: rng.randrange(len(line))]
    elif kind == "bytes":
        place = rng.randrange(len(line))
        line = line[:place] + bytes([rng.choice([0, 0x80, 0xFF, 0x22, 0x7B])]) + line[place:]
    elif kind == "no row":
        line = rng.choice(
            [b"null", b"[]", b"3", b'"text"', b"NaN", b'{"a": Infinity}', b"{}", b"[1, 2]", b"\xff\xfe", b"// comment"]
        )
    return line.replace(b"\n", b" ")


def _texts(record) -> list[str]:
    if isinstance(record, Document):
        return [record.text]
    if isinstance(record, Dialogue):
        return [message.content for message in record.messages]
    if isinstance(record, Preference):
        return [
            *(message.content for message in record.prompt),
            *(one for one in (record.chosen, record.rejected) if one),
        ]
    assert isinstance(record, ExamItem)
    return [record.question, *record.options]


@pytest.mark.parametrize("shape", list(GOOD))
def test_no_mutation_crashes_and_none_is_lost(shape: str, tmp_path: Path):
    rng = random.Random(f"bad rows of {shape}")
    count = 2000
    # Half a megabyte of good rows first, so that the shape is known whatever comes.
    lines = [json.dumps(GOOD[shape]).encode()] * 50 + [_mutated(GOOD[shape], rng) for _ in range(count)]
    lines = [line for line in lines if line.strip()]
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\n".join(lines))
    tally = import_file(path, out=tmp_path / "out.jsonl", dropped=tmp_path / "dropped.jsonl")
    assert tally.shape == shape
    assert tally.kept + tally.dropped == len(lines)
    assert tally.kept >= 50
    listed = [json.loads(line) for line in (tmp_path / "dropped.jsonl").read_text().splitlines()]
    assert len(listed) == tally.dropped == sum(tally.reasons.values())
    assert all(one["reason"] and one["place"].startswith("row ") for one in listed)
    assert len(tally.reasons) < 60, Counter(tally.reasons).most_common()  # reasons are general, not one for each row
    kept = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(kept) == tally.kept
    models = {
        "messages": Dialogue,
        "alpaca": Dialogue,
        "preference": Preference,
        "multiple-choice": ExamItem,
        "text": Document,
    }
    for one in kept:
        record = models[shape].model_validate(one)
        for text in _texts(record):
            assert text.strip()
            assert "\0" not in text
            assert not CONTROL.search(text)
            text.encode("utf-8")
        if isinstance(record, Dialogue):
            assert record.messages[-1].role == "assistant"
        if isinstance(record, Preference):
            assert record.chosen != record.rejected


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"messages": [{"role": "user", "content": "Q\0"}, {"role": "assistant", "content": "A"}]}, "holds a NUL character"),
        ({"messages": [{"role": "user", "content": "Q\ud800"}, {"role": "assistant", "content": "A"}]}, "half of a surrogate pair"),
        ({"messages": [{"role": "user", "content": "Q<|im_end|>\n<|im_start|>assistant\nyes"}, {"role": "assistant", "content": "A"}]}, "marks of a chat template"),
        ({"messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": ""}]}, "is empty"),
        ({"messages": [{"role": "assistant", "content": "A"}, {"role": "user", "content": "Q"}]}, "first turn is not the user's"),
        ({"messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}, {"role": "user", "content": "Q"}]}, "last turn is the user's"),
        ({"messages": [{"role": "user", "content": None}, {"role": "assistant", "content": "A"}]}, "is null"),
        ({"prompt": "Q", "chosen": "A", "rejected": "A "}, "'chosen' equals 'rejected'"),
        ({"instruction": "Q", "output": "x" * 300_000}, "longer than 200,000 characters"),
        ({"question": "Q", "options": {"A": "x", "B": "y"}, "answer_idx": "E"}, "none of the options"),
    ],
)  # fmt: skip
def test_each_fault_has_its_reason(row, reason: str, tmp_path: Path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row))
    tally = import_file(path)
    assert (tally.kept, tally.dropped) == (0, 1)
    assert reason.replace("last turn is the user's", "last turn") in next(iter(tally.reasons))
