"""Cleaning takes out what stands around a text and leaves the text; the quality filters judge as datatrove's own do."""

import json
from pathlib import Path

import pytest
from datatrove.data import Document as Piece
from datatrove.pipeline.filters import GopherQualityFilter
from typer.testing import CliRunner

from corpora.bundled.render import render
from corpora.cli import app
from corpora.curate.clean import Cleaning, Quality, clean, cleaned, keep_good
from corpora.curate.units import UnitWords
from corpora.curate.waterfall import Step
from corpora.records import Dialogue, Document, Message

ALL = Cleaning()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<p>Gout is <b>painful</b>.</p><p>Rest &amp; ice.</p>", "Gout is painful.\n\nRest & ice."),
        ("<html><style>p {x: y}</style><p>Text.</p><script>alert(1)</script></html>", "Text."),
        ("A rise with p < 0.05 and q > 0.1 was seen.", "A rise with p < 0.05 and q > 0.1 was seen."),
        ("Fever &gt; 38 degrees.", "Fever > 38 degrees."),
        ("Caf\u0065\u0301 \u200bau\u00a0lait\u0007.", "Café au lait."),
        ("Skip to main content\nGout is a disease.\nAll rights reserved.\n© 2020 Press", "Gout is a disease."),
        ("The cookie that he ate made him ill.", "The cookie that he ate made him ill."),
        (
            "Gout hurts [1, 2]. It is treated [13].\nIce helps.\nReferences\n1. Smith 2001.\n2. Lee.",
            "Gout hurts. It is treated.\nIce helps.",
        ),
        (
            "References to gout are old.\nIt was known to Hippocrates.",
            "References to gout are old.\nIt was known to Hippocrates.",
        ),
        (
            "Values\n12 | 3.4 | 5.6 | 7.8\n1.2  3.4  5.6  7.8\nThey fell by 12 in 2019.",
            "Values\nThey fell by 12 in 2019.",
        ),
        ("痛风是一种疾病。\n参考文献\n[1] 张三", "痛风是一种疾病。"),
    ],
)
def test_what_is_not_the_text_goes_and_the_text_stays(before: str, after: str):
    assert cleaned(before, ALL) == after
    assert cleaned(after, ALL) == after  # once is enough


def test_each_kind_can_be_switched_off():
    nothing = Cleaning(unicode=False, markup=False, furniture=False, references=False, tables=False)
    for text in ("<p>a</p><p>b</p>", "All rights reserved.", "x [1]"):
        assert cleaned(text, nothing) == text


def test_good_text_is_left_as_it_is():
    step = Step("clean")
    documents = list(render("bundled-documents", seed=0)) + list(render("bundled-general"))
    assert list(clean(documents, ALL, step)) == documents
    assert (step.received, step.kept, step.changed) == (len(documents), len(documents), 0)


def _document(text: str) -> Document:
    return Document(id="x/1", text=text)


def test_what_is_empty_after_cleaning_is_dropped_and_dialogues_pass():
    step = Step("clean")
    dialogue = Dialogue(
        id="d", messages=[Message(role="user", content="<b>a</b><i>"), Message(role="assistant", content="A")]
    )
    assert list(clean([_document("Sign in"), dialogue], ALL, step)) == [dialogue]
    assert dict(step.dropped) == {"nothing is left after cleaning": 1}


GOOD = (
    "Gout is a disease of the joints that comes with pain, and it is the most common of those that crystals cause. " * 1
    + (
        "It begins at night with a red and hot toe, which hurts so much that a sheet on it cannot be borne. Attacks end after some days, and "
        "between them there is nothing to be seen. With the years they come more often and in more joints."
    )
)


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        "Too short.",
        "# " * 60 + GOOD,
        "\n".join(["- " + GOOD[n : n + 40] for n in range(0, 200, 20)]),
        "1 2 3 4 5 " * 20,
    ],
)
def test_the_quality_filter_judges_as_datatrove_s(text: str):
    own = GopherQualityFilter(min_doc_words=20, language=UnitWords()).filter(Piece(text=text, id="1"))
    step = Step("quality")
    kept = list(keep_good([_document(text)], Quality(quality={"min_doc_words": 20}, repetition=None), step))
    assert bool(kept) == (own is True)
    if own is not True:
        assert dict(step.dropped) == {own[1]: 1}


def test_chinese_is_not_judged_by_english_words():
    text = "痛风是一种由尿酸盐结晶沉积引起的关节疾病，常在夜间突然发作，疼痛剧烈。急性期应当休息并冷敷，长期治疗的目标是降低血尿酸水平。患者应当多饮水，少饮酒，控制体重。"
    assert list(keep_good([_document(text)], Quality(repetition=None), Step("quality"))) != []
    repeated = "痛风。" * 100
    step = Step("quality")
    assert list(keep_good([_document(repeated)], Quality(), step)) == []
    assert sum(step.dropped.values()) == 1


def test_the_command_says_what_each_step_did(tmp_path: Path):
    path = tmp_path / "pages.jsonl"
    path.write_text(
        "\n".join(
            json.dumps({"text": text})
            for text in (f"<p>{GOOD}</p><p>All rights reserved.</p>", "Sign in", "Too short.")
        )
    )
    result = CliRunner().invoke(app, ["clean", str(path), "-o", str(tmp_path / "out"), "--json"])
    assert result.exit_code == 0, result.output
    _, first, second = json.loads(result.stdout)["waterfall"]
    assert (first["in"], first["changed"], first["kept"], first["dropped"]) == (
        3,
        1,
        2,
        {"nothing is left after cleaning": 1},
    )
    assert (second["in"], second["kept"], second["dropped"]) == (2, 1, {"gopher_short_doc": 1})
    assert json.loads((tmp_path / "out" / "clean.jsonl").read_text())["text"] == GOOD
