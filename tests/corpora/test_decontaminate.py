"""Planted questions are found in whatever dress they come, and rows that only resemble them are left alone."""

import json
import random
from pathlib import Path

import opencc
import pytest

from corpora.bundled.knowledge import KNOWLEDGE_DIR, load_knowledge
from corpora.bundled.render import render
from corpora.curate.decontaminate import Benchmarks, benchmark_items, decontaminate
from corpora.curate.executor import Scale
from corpora.curate.flow import Decontamination, curate_files
from corpora.curate.units import units
from corpora.curate.waterfall import Step
from corpora.errors import DataError
from corpora.records import Dialogue, ExamItem, Message

DISEASES = ["高血压", "糖尿病", "支气管哮喘", "肺炎链球菌肺炎", "胃溃疡", "急性胰腺炎", "肾病综合征", "系统性红斑狼疮", "类风湿关节炎", "缺铁性贫血",
            "慢性阻塞性肺疾病", "甲状腺功能亢进症", "急性心肌梗死", "病毒性肝炎", "脑出血", "帕金森病", "骨质疏松症", "川崎病", "手足口病", "白血病"]  # fmt: skip
SYMPTOMS = [
    "头晕乏力",
    "腹痛腹泻",
    "胸闷气短",
    "关节肿痛",
    "反复咳嗽",
    "夜间多尿",
    "皮肤瘙痒",
    "视物模糊",
    "体重下降",
    "心悸多汗",
]
ZH = ["患者{}岁，确诊{}{}年，近来{}，首选的治疗药物是哪一种？", "{}岁患者因{}住院{}天，出现{}，最有价值的检查项目是什么？", "一名{}岁的{}患者用药{}周后{}，下一步应当怎样处理？"]  # fmt: skip
# As MedQA asks, at length, and as MedMCQA does, in a line.
EN = [
    "A {age}-year-old {who} comes to the clinic because of {sign} for {days} days. {other} was noticed by the family last {month}. The "
    "patient has taken {drug} since the spring and has a history of {name}. Which of the following is the most likely cause?",
    "Which of the following is least likely to be seen in {name} treated with {drug}?",
    "A {who} of {age} with {name} is given {drug}. The complication to be feared most is:",
    "{drug} given for {name} together with {second} most often leads to",
]


def benchmark() -> dict[str, list[ExamItem]]:
    rng = random.Random(5)
    knowledge = load_knowledge(KNOWLEDGE_DIR)
    english = []
    for number in range(800):
        condition, other = rng.sample(knowledge.conditions, 2)
        first, second = rng.sample(knowledge.medicines, 2)
        question = EN[number % len(EN)].format(
            age=rng.randrange(18, 90), who=rng.choice(["man", "woman"]), sign=rng.choice(condition.symptoms), days=rng.randrange(2, 30),
            other=rng.choice(other.symptoms), month=rng.choice(["May", "June", "March", "October"]), drug=first.name, name=condition.name,
            second=second.name,
        )  # fmt: skip
        options = [entry.treatment for entry in rng.sample(knowledge.conditions, 4)]
        english.append(ExamItem(id=f"en/{number}", question=question, options=options, answers=[number % 4]))
    chinese = []
    for number in range(400):
        said = ZH[number % len(ZH)].format(
            rng.randrange(18, 90), rng.choice(DISEASES), rng.randrange(2, 30), rng.choice(SYMPTOMS)
        )
        options = [f"{letter}类药物治疗" for letter in "甲乙丙丁"]
        chinese.append(ExamItem(id=f"zh/{number}", question=said, options=options, answers=[number % 4]))
    return {"chinese": chinese, "english": english}


ITEMS = benchmark()
INDEX = Benchmarks(dict(ITEMS))


def planted() -> list[ExamItem]:
    pool = [item for items in ITEMS.values() for item in items]
    return random.Random(3).sample(pool, 1000)


def row(question: str, item: ExamItem, rng: random.Random) -> str:
    """A question as training rows hold it: with its options in another order, or with its answer alone."""
    if rng.random() < 0.5:
        return f"Answer this.\n{question}\nThe answer is {item.options[item.answer]}."
    options = rng.sample(item.options, len(item.options))
    return "\n".join(
        [
            question,
            *(f"({letter}) {option}" for letter, option in zip("abcdefghij", options, strict=False)),
            "Choose one.",
        ]
    )


def found(question: str, item: ExamItem, rng: random.Random) -> bool:
    return item.id in {match.item for match in INDEX.matches(row(question, item, rng))}


def dressed(question: str, rng: random.Random) -> str:
    """The question in another case, width, script and punctuation."""
    if any("\u4e00" <= letter <= "\u9fff" for letter in question):
        question = str(opencc.OpenCC("s2t").convert(question)).replace("，", " ").replace("？", "?")
        return "".join(chr(ord(letter) + 0xFEE0) if "!" <= letter <= "~" else letter for letter in question)
    question = rng.choice([question.upper(), question.lower(), question.title()])
    return question.replace(" ", "  ").replace("?", " ??").replace("-", "\u2010").replace("'", "\u2019")


def edited(question: str, rng: random.Random) -> str:
    """One change in ten words, or in twelve characters, and one at least: a word replaced, left out or put in."""
    chinese = any("\u4e00" <= letter <= "\u9fff" for letter in question)
    words = list(question) if chinese else question.split()
    filler = list("的了是在有") if chinese else ["the", "patient", "also", "value", "noted"]
    for _ in range(max(1, len(words) // (12 if chinese else 10))):
        place = rng.randrange(len(words))
        kind = rng.choice(["replace", "delete", "insert"])
        if kind == "insert":
            words.insert(place, rng.choice(filler))
        elif kind == "replace":
            words[place] = rng.choice(filler)
        else:
            del words[place]
    return ("" if chinese else " ").join(words)


@pytest.mark.parametrize("share", [0.3, pytest.param(1.0, marks=pytest.mark.slow)])
def test_planted_questions_are_found_verbatim_and_in_another_dress(share: float):
    rng = random.Random(1)
    items = planted()[: round(1000 * share)]
    assert [item.question for item in items if not found(item.question, item, rng)] == []
    assert [item.question for item in items if not found(dressed(item.question, rng), item, rng)] == []


def test_nineteen_of_twenty_lightly_edited_questions_are_found():
    rng = random.Random(2)
    kept = sum(found(edited(item.question, rng), item, rng) for item in planted())
    assert kept >= 950, kept


def alarms(renderings: int) -> tuple[int, int]:
    step = Step("decontaminate")
    clean = (
        record
        for seed in range(renderings)
        for name in ("bundled-dialogues", "bundled-documents", "bundled-exam")
        for record in render(name, seed=seed)
    )
    for _ in decontaminate(clean, INDEX, step):
        pass
    return step.received - step.kept, step.received


@pytest.mark.long
def test_a_hundred_thousand_clean_rows_are_left_alone():
    dropped, total = alarms(33)
    assert total >= 100_000
    assert dropped / total <= 0.001, dropped


def test_units_do_not_depend_on_how_a_text_is_dressed():
    assert units("Crohn\u2019s DISEASE, 5%") == units("Crohn's disease 5 %") == ["crohns", "disease", "5"]
    assert units("Ménière") == units("Meniere")
    assert units("Ｇｏｕｔ　痛風") == units("gout痛风") == ["gout", "痛", "风"]


def _dialogue(number: int, text: str) -> Dialogue:
    turns = [Message(role="user", content=text), Message(role="assistant", content="As said.")]
    return Dialogue(id=f"mine/{number}", messages=turns)


def test_the_report_adds_up_and_names_what_was_touched(tmp_path: Path):
    item = ITEMS["english"][0]
    records = [_dialogue(1, "What should I eat today?"), _dialogue(2, row(item.question, item, random.Random(0)))]
    files = tmp_path / "chats.jsonl"
    files.write_text("\n".join(record.model_dump_json() for record in records))
    exam = tmp_path / "exam.jsonl"
    exam.write_text("\n".join(one.model_dump_json() for one in ITEMS["english"][:50]))
    wanted = Decontamination(benchmarks={"exam": list(benchmark_items(str(exam), None))})
    curate_files([files], [wanted], tmp_path / "out", Scale())
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["waterfall"][-1] == {
        "step": "decontaminate",
        "in": 2,
        "kept": 1,
        "changed": 0,
        "dropped": {"holds a question of a benchmark": 1},
    }
    figures = report["contamination"]
    assert figures["benchmarks"] == {"exam": {"items": 50, "touched": 1, "by_source": {"mine": 1}}}
    assert figures["touched"] == {"exam": [item.id]}
    assert [json.loads(line)["id"] for line in (tmp_path / "out" / "clean.jsonl").read_text().splitlines()] == [
        "mine/1"
    ]
    touched = json.loads((tmp_path / "out" / "touched.jsonl").read_text())
    assert (touched["record"], touched["benchmark"], touched["item"]) == ("mine/2", "exam", item.id)
    with pytest.raises(DataError, match="a benchmark holds exam items"):
        list(benchmark_items(str(files), None))
