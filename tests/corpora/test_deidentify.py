"""Identifying pieces are taken out of records, and medicine's own names and numbers are left alone."""

import collections
import itertools
import json
import time
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError
from typer.testing import CliRunner

from corpora.cli import app
from corpora.curate.deidentify import Deidentification, deidentify, identifiers, redacted
from corpora.curate.identifiers.lists import first_names, surnames
from corpora.curate.waterfall import Step
from corpora.records import Dialogue, Document, ExamItem, Message, Preference
from tests.corpora.identifier_cases import KINDS, STRUCTURED, Case, Values, cases, left_over, spared

HELD_OUT = Path(__file__).with_name("identifiers_held_out.yaml")


def clean(text: str) -> str:
    return redacted(text)[0]


@pytest.fixture(scope="module")
def outcomes() -> list[tuple[Case, str]]:
    return [(case, clean(case.text)) for case in cases(seed=20)]


def test_of_3600_cases_99_in_100_leave_nothing_and_all_structured_ones(outcomes: list[tuple[Case, str]]):
    assert len(outcomes) == 3600
    missed = [(case, out) for case, out in outcomes if case.value in out or left_over(out, case)]
    assert len(missed) <= 36, missed[:5]
    assert [(case.value, out) for case, out in missed if case.kind in STRUCTURED] == []
    by_kind = collections.Counter((case.kind, case.language) for case, _ in outcomes)
    assert set(by_kind) == {(kind, language) for kind in KINDS for language in ("en", "zh")}


def test_what_was_cleaned_once_stays_as_it_is(outcomes: list[tuple[Case, str]]):
    again = [(out, clean(out)) for _, out in outcomes]
    assert [pair for pair in again if pair[0] != pair[1]] == []


def test_most_names_of_the_cases_are_on_no_list_of_the_recogniser():
    made = Values(20)
    names = [made.english_name().split() for _ in range(1000)]
    listed = first_names() | surnames()
    outside = sum(name[0].lower() not in listed or name[-1].lower() not in listed for name in names)
    assert outside >= 500


def test_of_500_texts_without_identifiers_95_in_100_stay_as_they_are():
    texts = list(spared(seed=20))
    assert len(texts) == 500
    changed = [(text, clean(text)) for text in texts if clean(text) != text]
    assert len(changed) <= 25, changed[:5]


def test_the_held_out_cases_do_no_worse_than_when_first_seen():
    # 228 of 246 pieces gone and 88 of 90 kept at the first sight, before any tuning; nothing was tuned on them since.
    held_out = yaml.load(HELD_OUT.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    outs = [(case, clean(case["text"])) for case in held_out]
    gone = [piece not in out for case, out in outs for piece in case["gone"]]
    kept = [piece in out for case, out in outs for piece in case.get("kept", [])]
    assert sum(gone) / len(gone) >= 0.92
    assert sum(kept) / len(kept) >= 0.97


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mr. Addison has Addison disease.", "Mr. [NAME] has Addison disease."),
        ("Dr. Parkinson described it.", "Dr. [NAME] described it."),
        ("Wilson was admitted with Wilson disease.", "[NAME] was admitted with Wilson disease."),
        ("帕金森先生患有帕金森病。", "[NAME]先生患有帕金森病。"),
        ("A 92-year-old and an 89-year-old.", "A [AGE]-year-old and an 89-year-old."),
        ("In 2019; seen on 5/6; score 5/6.", "In 2019; seen on [DATE]; score 5/6."),
        ("Patient 王小明 saw Dr. Okafor.", "Patient [NAME] saw Dr. [NAME]."),
        ("ＭＲＮ：４８２１３７", "ＭＲＮ：[RECORD]"),
    ],
)
def test_a_person_is_told_from_what_is_called_after_one(text: str, expected: str):
    assert clean(text) == expected


def test_a_wrong_check_digit_saves_no_number():
    assert clean("身份证号：110105194912310021") == "身份证号：[NATIONAL_ID]"
    assert clean("卡号：6222021234567890121") == "卡号：[ACCOUNT]"


def test_an_unlabelled_number_of_18_figures_goes_by_its_length_where_its_check_digit_is_wrong():
    assert clean("见 11010519491231002X 。") == "见 [NATIONAL_ID] 。"
    assert "999999" not in clean("见 999999999999999991 。")


def test_only_the_kinds_asked_for_are_taken():
    text = "Dr. Okafor, 617-555-0123"
    assert redacted(text, ["phone"]) == ("Dr. Okafor, [PHONE]", collections.Counter(phone=1))
    with pytest.raises(ValidationError):
        Deidentification.model_validate({"kinds": ["phon"]})
    with pytest.raises(ValidationError):
        Deidentification.model_validate({"kind": ["phone"]})


def test_finds_are_in_order_and_apart():
    text = "Dr. Okafor, MRN 48213377, 617-555-0123, a@b.org, 2021-03-04. 患者王小明，住南京市鼓楼区中山路12号。"
    found = identifiers(text)
    assert len(found) >= 7
    assert all(one.end <= two.start for one, two in itertools.pairwise(found))


def test_every_text_of_every_record_is_cleaned_and_its_id_is_not():
    said = "I am Dr. Okafor"
    records = [
        Document(id="a/1", text="Dr. Okafor was here.", title="Letter of Dr. Okafor"),
        Dialogue(id="b/1", messages=[Message(role="user", content=said), Message(role="assistant", content="Hello Dr. Okafor")], meta={"by": ["Dr. Okafor"], "n": 3}),
        Preference(id="c/1", prompt=[Message(role="user", content=said)], chosen="Dr. Okafor", rejected="No, Dr. Okafor"),
        ExamItem(id="d/1", question="Dr. Okafor gives?", options=["Dr. Okafor", "aspirin"], answers=[1], context="Dr. Okafor"),
        Document(id="e/1", text="Aspirin thins the blood."),
    ]  # fmt: skip
    step = Step("deidentify")
    out = list(deidentify(iter(records), Deidentification(), step))
    assert "Okafor" not in "".join(record.model_dump_json() for record in out)
    assert [record.id for record in out] == [record.id for record in records]
    assert [type(record) for record in out] == [type(record) for record in records]
    assert out[4] == records[4]
    assert (step.received, step.kept, step.changed) == (5, 5, 4)
    assert step.found == {"name": 11}


@pytest.mark.parametrize(
    "piece",
    [
        "1",
        "A",
        "a ",
        "A ",
        "1 ",
        "1-",
        "王",
        "王伟 ",
        "@",
        "a@",
        "a.",
        "http://a",
        "Dr. ",
        "1/",
        "::",
        "No. 12 ",
        "路1号",
        "John ",
    ],
)
def test_no_text_takes_for_ever(piece: str):
    text = piece * (200_000 // len(piece))
    start = time.process_time()
    redacted(text)
    assert time.process_time() - start < 10  # seconds of this process; a pattern that backtracks takes hours


@pytest.mark.parametrize("text", [f"MRN {':' * 50} phone 1234567", f"编号{'号码' * 28}电话 1234567"])
def test_signs_in_a_row_between_a_label_and_its_number_are_read_in_one_way(text: str):
    start = time.process_time()
    assert "1234567" not in clean(text)
    assert time.process_time() - start < 5  # seconds; with two ways to read each sign it would be years


def test_the_command_counts_what_it_took(tmp_path: Path):
    path = tmp_path / "notes.jsonl"
    path.write_text(
        "\n".join(
            json.dumps({"text": text}) for text in ("Seen by Dr. Okafor, 617-555-0123.", "Aspirin thins the blood.")
        )
    )
    result = CliRunner().invoke(app, ["deidentify", str(path), "-o", str(tmp_path / "out"), "--json"])
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert figures["waterfall"][1]["found"] == {"name": 1, "phone": 1}
    step = figures["waterfall"][1]
    assert (step["in"], step["changed"], step["kept"]) == (2, 1, 2)
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == figures
    first = json.loads((tmp_path / "out" / "clean.jsonl").read_text().splitlines()[0])
    assert first["text"] == "Seen by Dr. [NAME], [PHONE]."
    wrong = CliRunner().invoke(app, ["deidentify", str(path), "-o", str(tmp_path / "out"), "--kind", "phon"])
    assert "--kind phon: did you mean 'phone'?" in str(wrong.exception)
