"""Texts in other languages than are wanted go; short medical ones, of which nobody can tell, stay."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from corpora.bundled.render import render
from corpora.cli import app
from corpora.curate.language import Languages, identified, in_languages
from corpora.curate.waterfall import Step
from corpora.errors import DataError
from corpora.records import Dialogue, Document, Message

OTHERS = {
    "fr": "Le patient présente une fièvre depuis trois jours et se plaint de maux de tête.",
    "de": "Die Patientin klagt seit drei Tagen über Kopfschmerzen und hohes Fieber.",
    "es": "El paciente tiene fiebre desde hace tres días y le duele mucho la cabeza.",
    "ja": "患者は三日前から発熱と頭痛を訴えている。",
    "ko": "환자는 사흘 전부터 열이 나고 두통을 호소하고 있습니다.",
    "ru": "Пациент жалуется на головную боль и высокую температуру в течение трёх дней.",
    "ar": "يشكو المريض من الحمى والصداع منذ ثلاثة أيام.",
}
HERE = {
    "en": "The patient has had a fever for three days and complains of headache.",
    "zh": "患者发热三天，并诉头痛。",
}


def kept(texts: list[str], **settings) -> tuple[list[str], Step]:
    step = Step("language")
    documents = [Document(id=f"d/{number}", text=text) for number, text in enumerate(texts)]
    return [record.text for record in in_languages(documents, Languages(**settings), step)], step


@pytest.mark.parametrize(("language", "text"), list((OTHERS | HERE).items()))
def test_a_sentence_is_told_by_its_language(language: str, text: str):
    assert identified(text)[0] == language


def test_other_languages_go_and_are_counted_by_name():
    left, step = kept([*HERE.values(), *OTHERS.values()])
    assert left == list(HERE.values())
    assert step.dropped == {f"in another language: {language}": 1 for language in OTHERS}
    assert step.received == step.kept + sum(step.dropped.values())


def test_any_language_can_be_the_wanted_one():
    left, _ = kept([*HERE.values(), *OTHERS.values()], keep=["fr", "ko"])
    assert left == [OTHERS["fr"], OTHERS["ko"]]


@pytest.mark.parametrize(
    "text",
    [
        "Metformin 500 mg",
        "CT",
        "Diabetes mellitus type 2",
        "aspirin, ibuprofen, paracetamol",
        "糖尿病",
        "HIV, HBV感染",
        "120/80",
    ],
)
def test_what_nobody_can_tell_stays(text: str):
    assert kept([text])[0] == [text]


def test_no_bundled_text_goes():
    for corpus in ("bundled-documents", "bundled-general", "bundled-dialogues", "bundled-exam"):
        step = Step("language")
        list(in_languages(render(corpus, seed=0), Languages(), step))
        assert step.received == step.kept, corpus


def test_a_document_is_told_its_language_and_a_dialogue_is_judged_too():
    step = Step("language")
    turns = [Message(role="user", content=OTHERS["de"]), Message(role="assistant", content=OTHERS["de"])]
    records = [Document(id="d/0", text=HERE["zh"], language="en"), Dialogue(id="d/1", messages=turns)]
    left = list(in_languages(records, Languages(), step))
    assert [record.language for record in left] == ["zh"]  # type: ignore[union-attr]
    assert step.changed == 1
    assert step.dropped == {"in another language: de": 1}


def test_a_language_that_cannot_be_told_is_an_error_that_lists_the_others():
    with pytest.raises(DataError, match="'tlh' is none of the languages that can be told: af, am"):
        kept(["x"], keep=["tlh"])


def test_the_command_keeps_one_language(tmp_path: Path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text("\n".join(json.dumps({"text": text}) for text in (OTHERS | HERE).values()))
    words = ["clean", str(rows), "--language", "en", "--no-quality", "-o", str(tmp_path / "out"), "--json"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["waterfall"][2] | {"dropped": {}} == {
        "step": "language",
        "in": 9,
        "kept": 1,
        "changed": 0,
        "dropped": {},
    }
    assert HERE["en"] in (tmp_path / "out" / "clean.jsonl").read_text()
