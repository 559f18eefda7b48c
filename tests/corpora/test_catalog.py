"""Data that is missing, damaged or of another shape gives an error that names the file, the row and the remedy."""

import json
import re
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from corpora.adapters import ADAPTERS
from corpora.catalog import UNKNOWN, find_dataset, load_catalog, locate, stream_records
from corpora.errors import DataError
from corpora.importing import stream_file
from corpora.licences import consequence, strictest
from corpora.records import Dialogue, ExamItem


def test_every_entry_of_the_catalogue_is_whole():
    catalog = load_catalog()
    assert len(catalog) >= 45
    assert {entry.kind for entry in catalog.values()} == {"pretraining", "sft", "preference", "benchmark"}
    for language in ("en", "zh"):
        assert sum(language in entry.language for entry in catalog.values()) >= 20
    for name, entry in catalog.items():
        assert entry.address.startswith("https://"), name
        assert entry.licence, name
        assert entry.about.endswith("."), name
        assert entry.adapter == UNKNOWN or entry.adapter in ADAPTERS, name
        assert entry.revision == UNKNOWN or len(entry.revision) == 40, name
        assert all(len(digest) == 64 for digest in entry.files.values()), name
        assert all(url.startswith("https://") for url in entry.verified), name
        # What is said of a dataset that is fetched rests on an address, and what is not is said to be unknown.
        assert entry.files or entry.verified, name


def test_what_a_mix_may_be_used_for_is_what_its_strictest_licence_allows():
    assert consequence(["bundled-documents", "mine.jsonl"]) == []
    assert strictest(["medquad", "medical-o1-reasoning-sft"])["commercial"][0] == "yes"
    mixed = strictest(["medquad", "medqa-usmle", "chatdoctor-healthcaremagic-100k"])
    assert mixed["commercial"] == ("no", ["chatdoctor-healthcaremagic-100k"])
    assert strictest(["medquad", "medqa-usmle"])["commercial"] == ("unknown", ["medqa-usmle"])
    assert strictest(["medquad", "wikipedia"])["share_alike"] == ("yes", ["wikipedia"])
    said = " ".join(consequence(["medquad", "wikipedia", "chatdoctor-icliniq-10k"]))
    assert "not for commercial use, because of chatdoctor-icliniq-10k" in said
    assert "carries the same licence, because of wikipedia" in said


def test_a_misspelt_dataset_gets_the_nearest_name():
    with pytest.raises(DataError, match="did you mean 'medmcqa-validation'"):
        find_dataset("medmcqa-validaton")


def test_a_dataset_without_a_folder_says_where_to_get_it():
    with pytest.raises(DataError, match="--data"):
        locate("medquad", None)


def test_a_missing_file_is_named(tmp_path: Path):
    told = r"sft/medquad\.jsonl: missing file .*made from it: question and answer pairs of its XML.* named by its path, in a copy of the recipe"
    with pytest.raises(DataError, match=told):
        locate("medquad", tmp_path)


def test_a_file_of_another_version_is_refused(tmp_path: Path):
    (tmp_path / "sft").mkdir()
    (tmp_path / "sft" / "medquad.jsonl").write_text("{}")
    with pytest.raises(DataError, match="SHA-256 differs"):
        locate("medquad", tmp_path)


def test_an_empty_file_and_a_broken_row_are_named(tmp_path: Path):
    path = tmp_path / "rows.jsonl"
    path.write_text("")
    with pytest.raises(DataError, match="the file is empty"):
        list(stream_file(path))
    path.write_text('{"text": "1"}\n{broken\n')
    with pytest.raises(DataError, match=r"rows\.jsonl, row 2: not valid JSON"):
        list(stream_file(path))
    path.write_text("[1, 2]")
    with pytest.raises(DataError, match="row 1: not an object"):
        list(stream_file(path))


def test_a_row_without_the_field_it_needs_is_named(tmp_path: Path):
    path = tmp_path / "alpaca.json"
    path.write_text(json.dumps([{"instruction": "Say hi", "output": "Hi"}, {"instruction": "Say hi", "answer": "Hi"}]))
    records = stream_file(path, "alpaca")
    assert isinstance(next(records), Dialogue)
    with pytest.raises(DataError, match=r"alpaca\.json, row 2: the field 'output' is missing; .*--out"):
        next(records)


def test_an_exam_is_given_whole_or_not_at_all(tmp_path: Path, monkeypatch):
    row = {"question": "Q", "opa": "a", "opb": "b", "opc": "c", "opd": "d", "cop": 2}
    path = tmp_path / "bench" / "medmcqa" / "val.jsonl"
    path.parent.mkdir(parents=True)
    monkeypatch.setattr("corpora.catalog.locate", lambda name, folder: [path])
    path.write_text(json.dumps(row))
    item = next(stream_records("medmcqa-validation", tmp_path))
    assert isinstance(item, ExamItem)
    assert item.options[item.answer] == "c"
    path.write_text(json.dumps(row) + "\n" + json.dumps({**row, "cop": 7}))
    with pytest.raises(DataError, match="row 2: 'cop' is 7"):
        list(stream_records("medmcqa-validation", tmp_path))


def test_the_train_split_of_an_exam_is_read_without_the_rows_that_are_no_good(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    """An exam is given whole or not at all; of 182,822 questions to learn from, one without options is left out."""
    row = {"id": "1", "question": "Which is a vitamin?", "opa": "Iron", "opb": "Ascorbic acid", "opc": "Zinc", "opd": "Gold", "cop": 1, "choice_type": "single"}  # fmt: skip
    rows = [row, {**row, "id": "2", "opa": "", "opb": "", "opc": "", "opd": ""}, {**row, "id": "3", "question": "Which is a metal?", "cop": 0}]  # fmt: skip
    for name, file in (("medmcqa-train", "train"), ("medmcqa-hub", "validation")):
        (tmp_path / name / "data").mkdir(parents=True)
        pyarrow.parquet.write_table(
            pyarrow.Table.from_pylist(rows), tmp_path / name / "data" / f"{file}-00000-of-00001.parquet"
        )
    items = list(stream_records("medmcqa-train", tmp_path))
    assert [(item.id, item.answers) for item in items] == [("medmcqa-train/1", [1]), ("medmcqa-train/3", [0])]
    assert "1 of 3 rows left out" in caplog.text
    with pytest.raises(DataError, match=r"validation-00000-of-00001\.parquet, row 2"):
        list(stream_records("medmcqa-hub", tmp_path))
    whole, split = find_dataset("medmcqa-hub"), find_dataset("medmcqa-train")
    assert (split.hub, split.revision, split.licence) == (whole.hub, whole.revision, whole.licence)
    assert split.kind == "sft"


def test_the_rows_of_a_split_that_is_read_come_first():
    """A plan counts with the first number: of an entry that reads one split it is that split's."""
    counted = re.compile(r"(about |over )?[\d,.]+(k| million)?(:|;|$)")
    split = re.compile(r"\b(train|validation|val|dev|test)\w* (about )?\d")
    entries = [(name, entry) for name, entry in load_catalog().items() if isinstance(entry.read, list)]
    told = {name: entry.rows for name, entry in entries if split.search(entry.rows)}
    assert len(told) > 10
    assert {name: rows for name, rows in told.items() if not counted.match(rows)} == {}
    assert told["medmcqa-hub"].startswith("4,183: validation")
