"""Files in the shapes that the catalogue's datasets are published in: found, read, and counted."""

import gzip
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpora.adapters import detect
from corpora.errors import DataError
from corpora.files.reading import raw_rows
from corpora.files.row import RawRow
from corpora.importing import adapted, general, import_file, stream_file
from corpora.records import Dialogue, Document, ExamItem, Preference

USER, ASSISTANT = {"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}
HUMAN, GPT = {"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}
ABCD = {"A": "one", "B": "two", "C": "three", "D": "four"}

# A row of each published form, its shape, and what is to become of it: for a dialogue its texts, for a preference prompt, chosen
# and rejected, for an item the places of the right options, for a document its text.
ROWS = [
    ("Alpaca", {"instruction": "Q", "input": "", "output": "A"}, "alpaca", ["Q", "A"]),
    ("Alpaca with input", {"instruction": "Do", "input": "Q", "output": "A"}, "alpaca", ["Do\nQ", "A"]),
    ("CMtMedQA", {"instruction": "Q", "input": "", "output": "A", "history": [["x", "y"]]}, "alpaca", ["x", "y", "Q", "A"]),
    ("ShareGPT", {"conversations": [HUMAN, GPT]}, "sharegpt", ["Q", "A"]),
    ("SlimOrca", {"conversations": [{"from": "system", "value": "S"}, HUMAN, GPT]}, "sharegpt", ["S", "Q", "A"]),
    ("an empty system turn", {"conversations": [{"from": "system", "value": ""}, HUMAN, GPT]}, "sharegpt", ["Q", "A"]),
    ("OpenAI messages", {"messages": [USER, ASSISTANT]}, "messages", ["Q", "A"]),
    ("messages in parts", {"messages": [{"role": "user", "content": [{"type": "text", "text": "Q"}]}, ASSISTANT]}, "messages", ["Q", "A"]),
    ("DISC-Med-SFT", {"_id": 1, "conversation": [USER, ASSISTANT]}, "messages", ["Q", "A"]),
    ("ultrachat", {"prompt": "Q", "prompt_id": "1", "messages": [USER, ASSISTANT]}, "messages", ["Q", "A"]),
    ("HuatuoGPT", {"data": ["问：Q", "答：A"]}, "lines", ["Q", "A"]),
    ("MedDialog", {"utterances": ["patient: Q", "doctor: A"]}, "lines", ["Q", "A"]),
    ("MedDialog raw", {"dialogue_turns": [{"speaker": "病人", "utterance": "Q"}, {"speaker": "医生", "utterance": "A"}]}, "messages", ["Q", "A"]),
    ("IMCS-21", {"self_report": "R", "dialogue": [{"speaker": "医生", "sentence": "Q?"}, {"speaker": "患者", "sentence": "Yes"}, {"speaker": "医生", "sentence": "A"}]}, "messages", ["R", "Q?", "Yes", "A"]),
    ("Firefly", {"conversation": [{"human": "Q", "assistant": "A"}, {"human": "Q2", "assistant": "A2"}]}, "pairs", ["Q", "A", "Q2", "A2"]),
    ("texts by turns", {"conversations": ["Q", "A", "Q2", "A2"]}, "alternating", ["Q", "A", "Q2", "A2"]),
    ("two turns of one speaker", {"messages": [USER, USER, ASSISTANT]}, "messages", ["Q\nQ", "A"]),
    ("HuatuoGPT-o1", {"Question": "Q", "Complex_CoT": "T", "Response": "A"}, "reasoning", ["Q", "<think>\nT\n</think>\n\nA"]),
    ("MedReason", {"question": "Q", "options": "A. x\nB. y", "reasoning": "T", "answer": "A"}, "reasoning", ["Q\nA. x\nB. y", "<think>\nT\n</think>\n\nA"]),
    ("MedQuAD rows", {"focus": "f", "qtype": "t", "question": "Q", "answer": "A"}, "question-answer", ["Q", "A"]),
    ("ChatMed", {"query": "Q", "response": "A"}, "question-answer", ["Q", "A"]),
    ("Toyhom", {"department": "d", "title": "T", "ask": "Q", "answer": "A"}, "question-answer", ["T\nQ", "A"]),
    ("ai-medical-chatbot", {"Description": "D", "Patient": "Q", "Doctor": "A"}, "question-answer", ["Q", "A"]),
    ("MedSafetyBench", {"": "0", "harmful_medical_request": "Q", "safe_response": "A"}, "question-answer", ["Q", "A"]),
    ("TRL prompt and completion", {"prompt": "Q", "completion": "A"}, "question-answer", ["Q", "A"]),
    ("Huatuo-26M", {"questions": [["Q", "Q2"]], "answers": ["A"]}, "questions-answers", ["Q", "A"]),
    ("verifiable problem", {"Open-ended Verifiable Question": "Q", "Ground-True Answer": "A"}, "question-answer", ["Q", "A"]),
    ("BioASQ", {"id": "1", "body": "Q", "type": "summary", "ideal_answer": ["A"], "exact_answer": []}, "bioasq", ["Q", "A"]),
    ("HealthBench", {"prompt": [USER], "rubrics": [], "ideal_completions_data": {"ideal_completion": "A"}}, "healthbench", ["Q", "A"]),
    ("MedicalGPT pairs", {"conversations": [HUMAN], "chosen": "A", "rejected": "B"}, "preference-sharegpt", ["Q", "A", "B"]),
    ("LLaMA-Factory pairs", {"conversations": [HUMAN], "chosen": GPT, "rejected": {"from": "gpt", "value": "B"}}, "preference-sharegpt", ["Q", "A", "B"]),
    ("MedicalGPT reward", {"question": "Q", "response_chosen": "A", "response_rejected": "B"}, "preference", ["Q", "A", "B"]),
    ("DPO strings", {"system": "S", "history": [["x", "y"]], "question": "Q", "response_chosen": "A", "response_rejected": "B"}, "preference", ["S", "x", "y", "Q", "A", "B"]),
    ("UltraFeedback binarized", {"prompt": "Q", "messages": [USER, ASSISTANT], "chosen": [USER, ASSISTANT], "rejected": [USER, {"role": "assistant", "content": "B"}]}, "preference-messages", ["Q", "A", "B"]),
    ("explicit prompt of messages", {"prompt": [USER], "chosen": [ASSISTANT], "rejected": [{"role": "assistant", "content": "B"}]}, "preference-messages", ["Q", "A", "B"]),
    ("UltraFeedback", {"instruction": "Q", "completions": [{"response": "B", "overall_score": 3}, {"response": "A", "overall_score": 8.5}]}, "ultrafeedback", ["Q", "A", "B"]),
    ("UltraFeedback ratings", {"instruction": "Q", "completions": [{"response": r, "annotations": {"honesty": {"Rating": n}, "helpfulness": {"Rating": "N/A"}}} for r, n in (("A", "5"), ("B", "2"))]}, "ultrafeedback", ["Q", "A", "B"]),
    ("hh-rlhf", {"chosen": "\n\nHuman: Q\n\nAssistant: A", "rejected": "\n\nHuman: Q\n\nAssistant: B"}, "hh", ["Q", "A", "B"]),
    ("hh-rlhf by other names", {"response_chosen": "\n\nHuman: Q\n\nAssistant: A", "response_rejected": "\n\nHuman: Q\n\nAssistant: B"}, "hh", ["Q", "A", "B"]),
    ("KTO good", {"prompt": [USER], "completion": [ASSISTANT], "label": True}, "kto", ["Q", "A", None]),
    ("KTO bad", {"prompt": "Q", "completion": "A", "label": False}, "kto", ["Q", None, "A"]),
    ("KTO whole", {"completion": [USER, ASSISTANT], "label": True}, "kto", ["Q", "A", None]),
    ("MedQA", {"question": "Q", "answer": "three", "options": ABCD, "meta_info": "step1", "answer_idx": "C"}, "multiple-choice", [2]),
    ("MedQA as SWAG", {"id": "1", "sent1": "Q", "sent2": "", "ending0": "a", "ending1": "b", "ending2": "c", "label": 2}, "multiple-choice", [2]),
    ("MedMCQA", {"question": "Q", "opa": "a", "opb": "b", "opc": "c", "opd": "d", "cop": 3}, "medmcqa", [3]),
    ("PubMedQA", {"QUESTION": "Q", "CONTEXTS": ["x"], "final_decision": "maybe"}, "pubmedqa", [2]),
    ("PubMedQA of the hub", {"pubid": 1, "question": "Q", "context": {"contexts": ["x"]}, "final_decision": "no"}, "pubmedqa", [1]),
    ("MMLU", {"question": "Q", "subject": "anatomy", "choices": ["a", "b", "c", "d"], "answer": 2}, "multiple-choice", [2]),
    ("MMLU-Pro", {"question": "Q", "options": ["a", "b", "c"], "answer": "B", "answer_index": 1}, "multiple-choice", [1]),
    ("CMMLU", {"Question": "Q", **ABCD, "Answer": "D"}, "multiple-choice", [3]),
    ("C-Eval", {"id": 0, "question": "Q", **ABCD, "answer": "A", "explanation": ""}, "multiple-choice", [0]),
    ("CMExam JSON", {"Question": "Q", "Options": [{"key": "A", "value": "a"}, {"key": "B", "value": "b"}], "Answer": "AB"}, "multiple-choice", [0, 1]),
    ("CMExam CSV", {"Question": "Q", "Options": "A 甲\nB 乙\nC 丙", "Answer": "C"}, "multiple-choice", [2]),
    ("CMB", {"question": "Q", "option": {**ABCD, "E": ""}, "answer": "BD", "exam_subject": "s"}, "multiple-choice", [1, 3]),
    ("MedXpertQA", {"question": "Q", "options": ABCD, "label": "B"}, "multiple-choice", [1]),
    ("HEAD-QA", {"qtext": "Q", "ra": 2, "answers": [{"aid": 1, "atext": "a"}, {"aid": 2, "atext": "b"}]}, "headqa", [1]),
    ("CareQA", {"question": "Q", "op1": "a", "op2": "b", "op3": "c", "op4": "d", "cop": 4}, "options-1-based", [3]),
    ("AfriMed-QA", {"question": "Q", "answer_options": '{"option1": "a", "option2": "b"}', "correct_answer": "option2"}, "multiple-choice", [1]),
    ("text", {"text": "T", "url": "u"}, "text", "T"),
    ("MedRAG", {"id": "1", "title": "t", "content": "T", "contents": "t. T"}, "text", "t. T"),
    ("guidelines", {"clean_text": "T", "raw_text": "T2"}, "text", "T"),
    ("RedPajama 2", {"raw_content": "T", "doc_id": "1", "meta": {"url": "u"}}, "text", "T"),
    ("PubMed", {"MedlineCitation": {"PMID": 1, "Article": {"ArticleTitle": "t", "Abstract": {"AbstractText": "T"}}}}, "medline", "T"),
]  # fmt: skip


@pytest.mark.parametrize(("row", "shape", "wanted"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_row_as_published_is_told_and_read(row, shape, wanted):
    assert detect([row]) == shape
    record = adapted(RawRow("row 1", {**row, "__row__": 1}), shape, "set")
    if isinstance(record, Dialogue):
        assert [message.content for message in record.messages] == wanted
    elif isinstance(record, Preference):
        assert [*(message.content for message in record.prompt), record.chosen, record.rejected] == wanted
    elif isinstance(record, ExamItem):
        assert record.answers == wanted
    else:
        assert isinstance(record, Document)
        assert record.text == wanted
    assert record.id.startswith("set/")


def test_medmcqa_counted_from_one_is_told_from_the_whole_file():
    rows = [{"question": f"Q{n}", "opa": "a", "opb": "b", "opc": "c", "opd": "d", "cop": n} for n in (1, 2, 3, 4)]
    assert detect(rows) == "medmcqa-1-based"
    assert adapted(RawRow("row 1", rows[0]), "medmcqa-1-based", "x").answers == [0]
    assert detect([{**row, "cop": row["cop"] - 1} for row in rows]) == "medmcqa"


@pytest.mark.parametrize("history", [["Hi", "Ho"], [["Hi"]], [["Hi", "Ho", "He"]], [3], "Hi", {"Hi": "Ho"}])
@pytest.mark.parametrize(
    ("row", "shape"),
    [
        ({"instruction": "Q", "output": "A"}, "alpaca"),
        ({"question": "Q", "response_chosen": "A", "response_rejected": "B"}, "preference"),
    ],
)
def test_a_history_that_is_no_list_of_pairs_is_refused(row, shape, history):
    with pytest.raises(ValueError, match=r"'history' is not a list of \[question, answer\]"):
        adapted(RawRow("row 1", {**row, "history": history}), shape, "set")


ALPACA = [{"instruction": f"Question {n}", "input": "", "output": f"Answer {n}"} for n in range(4)]
LINES = "\n".join(json.dumps(row) for row in ALPACA).encode()


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.jsonl", LINES),
        ("lines-in-a.json", LINES),
        ("rows", LINES),
        ("list.json", json.dumps(ALPACA).encode()),
        ("one-line.json", json.dumps(ALPACA, indent=None).encode()),
        ("pretty.json", json.dumps(ALPACA, indent=4).encode()),
        ("bom.jsonl", b"\xef\xbb\xbf" + LINES),
        ("windows.jsonl", LINES.replace(b"\n", b"\r\n")),
        ("wide.jsonl", LINES.decode().encode("utf-16")),
        ("by-id.json", json.dumps({str(n): row for n, row in enumerate(ALPACA)}).encode()),
        ("nested.json", json.dumps({"version": "1", "data": ALPACA}).encode()),
        ("rows.jsonl.gz", gzip.compress(LINES, mtime=0)),
        (
            "table.csv",
            b"instruction,input,output\n" + b"\n".join(f'"Question, {n}",,Answer {n}'.encode() for n in range(4)),
        ),
        (
            "table.tsv",
            b"instruction\tinput\toutput\n" + b"\n".join(f"Question {n}\t\tAnswer {n}".encode() for n in range(4)),
        ),
        ("unnamed", b"instruction\toutput\n" + b"\n".join(f"Question {n}\tAnswer {n}".encode() for n in range(4))),
    ],
)
def test_every_container_gives_the_same_rows(tmp_path: Path, name: str, content: bytes):
    tally = import_file(_write(tmp_path / name, content))
    assert (tally.shape, tally.record, tally.kept, tally.dropped) == ("alpaca", "dialogue", 4, 0)
    assert tally.samples[2].messages[-1].content == "Answer 2"


def test_chinese_text_in_its_older_encoding_is_read(tmp_path: Path):
    rows = "department,title,ask,answer\n消化科,胃胀,饭后胃胀一个月,建议做胃镜检查\n"
    tally = import_file(_write(tmp_path / "toyhom.csv", rows.encode("gb18030")))
    assert tally.samples[0].messages[1].content == "建议做胃镜检查"


def test_parquet_and_zip_are_read(tmp_path: Path):
    pq.write_table(pa.Table.from_pylist([{"messages": [USER, ASSISTANT]}] * 3), tmp_path / "chats.parquet")
    assert import_file(tmp_path / "chats.parquet").kept == 3
    with zipfile.ZipFile(tmp_path / "both.zip", "w") as archive:
        archive.writestr("part/rows.jsonl", LINES)
        archive.writestr("__MACOSX/part/._rows.jsonl", b"\0\1")
        archive.writestr("more.csv", "question,answer\nQ,A\n")
        archive.writestr("photo.png", b"\x89PNG\r\n")
        archive.write(tmp_path / "chats.parquet", "chats.parquet")
    tally = import_file(tmp_path / "both.zip")
    assert tally.shapes == ["alpaca", "question-answer", "messages"]
    assert tally.kept == 4 + 1 + 3
    assert tally.dropped == 1  # the picture


MEDQUAD = """<?xml version="1.0"?><Document id="9" source="X" url="https://x"><Focus>gout</Focus><QAPairs>
<QAPair pid="1"><Question qid="9-1" qtype="treatment">How is gout treated?</Question><Answer>With rest.</Answer></QAPair>
<QAPair pid="2"><Question qid="9-2" qtype="cause">What causes it?</Question><Answer></Answer></QAPair></QAPairs></Document>"""
CNXML = """<document xmlns="http://cnx.rice.edu/cnxml"><title>Bones</title><metadata><x>no</x></metadata><content>
<section><title>Growth</title><para>Bones <term>grow</term>.</para><list><item>long</item><item>short</item></list></section></content></document>"""
PUBMED = """<PubmedArticleSet><PubmedArticle><MedlineCitation><PMID>7</PMID><Article><ArticleTitle>On rest</ArticleTitle><Abstract>
<AbstractText Label="AIM">To rest.</AbstractText><AbstractText>It helped.</AbstractText></Abstract></Article></MedlineCitation></PubmedArticle></PubmedArticleSet>"""
JATS = """<article><front><article-meta><title-group><article-title>On rest</article-title></title-group><permissions><license><license-p>CC BY 4.0
</license-p></license></permissions><abstract><p>Short.</p></abstract></article-meta></front><body><sec><title>Aim</title><p>To <b>rest</b>.</p></sec></body></article>"""


def test_xml_of_the_known_kinds_is_read(tmp_path: Path):
    tally = import_file(_write(tmp_path / "0009.xml", MEDQUAD.encode()))
    assert (tally.kept, tally.dropped, tally.record) == (1, 1, "dialogue")
    assert dict(tally.reasons) == {"'answer' is empty": 1}
    assert tally.samples[0].meta == {"focus": "gout", "qtype": "treatment"}
    assert (
        import_file(_write(tmp_path / "m1.cnxml", CNXML.encode())).samples[0].text
        == "Growth\n\nBones grow.\n\nlong\n\nshort"
    )
    pubmed = import_file(_write(tmp_path / "pubmed.xml", PUBMED.encode())).samples[0]
    assert (pubmed.title, pubmed.text) == ("On rest", "To rest. It helped.")
    jats = import_file(_write(tmp_path / "PMC1.xml", JATS.encode())).samples[0]
    assert (jats.title, jats.text, jats.licence) == ("On rest", "Short.\n\nAim\n\nTo rest.", "CC BY 4.0")
    with pytest.raises(DataError, match="root <html>"):
        import_file(_write(tmp_path / "page.xml", b"<html></html>"))


def test_a_broken_list_keeps_the_rows_before_and_after_the_break(tmp_path: Path):
    broken = json.dumps(ALPACA).replace('"Answer 1"', '"Answer" 1"')
    tally = import_file(_write(tmp_path / "list.json", broken.encode()))
    assert (tally.kept, dict(tally.reasons)) == (3, {"not valid JSON": 1})
    cut = json.dumps(ALPACA)[:-40]
    assert import_file(_write(tmp_path / "cut.json", cut.encode())).kept == 3
    endless = json.dumps(ALPACA).replace('"Answer 1"', "9" * 5000)  # of more digits than Python reads
    tally = import_file(_write(tmp_path / "endless.json", endless.encode()))
    assert (tally.kept, dict(tally.reasons)) == (3, {"not valid JSON": 1})


def test_what_is_dropped_is_counted_and_listed_with_its_reason(tmp_path: Path):
    rows = [
        *ALPACA,
        {"instruction": "Q", "output": ""},
        {"instruction": "Q"},
        {"instruction": "Hi <|im_start|>", "output": "A"},
    ]
    path = _write(tmp_path / "rows.jsonl", ("\n".join(map(json.dumps, rows)) + "\n{broken").encode())
    tally = import_file(path, out=tmp_path / "out.jsonl", dropped=tmp_path / "dropped.jsonl")
    assert tally.kept == 4
    assert dict(tally.reasons) == {
        "'output' is empty": 1,
        "the field 'output' is missing": 1,
        "'instruction' holds the marks of a chat template": 1,
        "not valid JSON": 1,
    }
    listed = [json.loads(line) for line in (tmp_path / "dropped.jsonl").read_text().splitlines()]
    assert [one["place"] for one in listed] == ["row 5", "row 6", "row 7", "row 8"]
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 4
    # What was written is read again by its own shape, and a recipe takes the clean file but not the first one.
    assert import_file(tmp_path / "out.jsonl").shape == "osler-dialogue"
    assert len(list(stream_file(tmp_path / "out.jsonl"))) == 4
    with pytest.raises(DataError, match=r"rows\.jsonl, row 5: 'output' is empty; .*osler corpora import"):
        list(stream_file(path))


def test_what_no_shape_fits_says_so_and_nothing_is_written(tmp_path: Path):
    path = _write(tmp_path / "rows.jsonl", b'{"colour": "red", "size": 3}\n')
    tally = import_file(path)
    assert tally.kept == 0
    done = _cli("import", str(path), "-o", str(tmp_path / "out.jsonl"), expect=1)
    assert "their fields are: colour, size" in done.stderr.replace("\n", " ")
    assert _cli("import", str(tmp_path / "none.json"), expect=1).stderr.count("no such file") == 1
    assert "empty" in _cli("import", str(_write(tmp_path / "e.json", b"")), expect=1).stderr
    assert "did you mean" in _cli("import", str(path), "--as", "alpacca", expect=1).stderr


def _cli(*words: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.cli", "corpora", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == expect, done.stderr
    return done


def test_the_command_prints_json_for_programs_and_samples_for_people(tmp_path: Path):
    path = _write(tmp_path / "rows.jsonl", LINES)
    found = json.loads(_cli("import", str(path), "--json").stdout)
    assert set(found) == {"shape", "record", "kept", "dropped", "reasons", "samples"}
    assert (found["shape"], found["record"], found["kept"], len(found["samples"])) == ("alpaca", "dialogue", 4, 3)
    said = _cli("import", str(path)).stdout
    assert "shape alpaca" in said
    assert "4 kept, 0 dropped" in said
    assert said.count("user: Question") == 3


def test_reasons_are_counted_under_their_general_form():
    assert general("turn 3 of 'messages' is empty") == general("turn 14 of 'messages' is empty")
    assert general("'cop' is '9', which is none of the options") == general(
        "'cop' is 'x', which is none of the options"
    )


def test_rows_come_one_by_one(tmp_path: Path):
    path = _write(tmp_path / "rows.jsonl", LINES)
    assert next(raw_rows(path)).place == "row 1"


def test_a_file_is_read_for_training_as_for_an_exam(tmp_path: Path):
    rows = [{"question": "Q", "options": ["a", "b", "c", "d"], "answer": number} for number in (1, 4, 2)]
    path = _write(tmp_path / "own.jsonl", "\n".join(json.dumps(row) for row in rows).encode())
    assert [record.answers for record in stream_file(path)] == [[0], [3], [1]]
