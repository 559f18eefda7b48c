"""A record is on disk what it was, whatever its type, and shards hold each once."""

from pathlib import Path

import pytest

from corpora.curate.shards import joined, lines_in, record_of, split
from corpora.records import Dialogue, Document, ExamItem, Message, Preference

ASKED = Message(role="user", content="What is gout?")
RECORDS = [
    Document(id="a/1", text="Gout.", title="t", licence="CC0", language="zh"),
    Dialogue(
        id="a/2", messages=[ASKED, Message(role="assistant", content="A disease.")], meta={"prompt": 1, "options": [2]}
    ),
    Preference(id="a/3", prompt=[ASKED], chosen="A disease."),
    ExamItem(id="a/4", question="?", options=["a", "b"], answers=[1], meta={"messages": "no"}),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_record_comes_back_as_it_was(record):
    assert record_of(record.model_dump_json()) == record


def test_every_record_is_in_one_shard(tmp_path: Path):
    records = [one.model_copy(update={"id": f"b/{number}"}) for number in range(5) for one in RECORDS]
    split(iter(records), tmp_path, 3)
    assert lines_in(tmp_path, 3) == 20
    assert sorted(line.rstrip("\n") for line in joined(tmp_path, 3)) == sorted(one.model_dump_json() for one in records)
    split(iter(()), tmp_path, 3)  # what was finished is not done again
    assert lines_in(tmp_path, 3) == 20
