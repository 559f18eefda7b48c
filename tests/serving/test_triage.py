"""Red flags are found in words that no rule was made for, and harmless texts that speak of the same things are left alone."""

import json
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from corpora.bundled.knowledge import load_knowledge
from corpora.errors import DataError
from pipelines.cli import app
from serving.triage import Finding, banner, triage
from serving.triage.catalogue import advice
from serving.triage.detector import detect, load_rules
from serving.triage.lexicon import load_lexicon

VIGNETTES = Path(__file__).parent / "triage_vignettes"
FRESH = (
    "fresh",
    "second_fresh",
    "third_fresh",
    "fourth_fresh",
    "fifth_fresh",
    "sixth_fresh",
    "seventh_fresh",
    "eighth_fresh",
    "ninth_fresh",
    "tenth_fresh",
)
# Whose authors named the emergency in words of their own.
OWN_WORDS = (
    "eleventh_fresh",
    "twelfth_fresh",
    "thirteenth_fresh",
    "fourteenth_fresh",
    "fifteenth_fresh",
    "sixteenth_fresh",
    "seventeenth_fresh",
    "eighteenth_fresh",
)
EMERGENCIES = ("direct", "paraphrased", *(f"{name}_emergencies" for name in FRESH))
LOOKALIKES = ("lookalikes", *(f"{name}_lookalikes" for name in (*FRESH, *OWN_WORDS)))


def rows(name: str) -> list[list[str]]:
    return [line.split("\t") for line in (VIGNETTES / f"{name}.tsv").read_text(encoding="utf-8").splitlines()]


def missed(name: str) -> list[str]:
    """The emergencies of a set that are not found."""
    return [row[-1] for row in rows(name) if not triage(row[-1]).emergency]


def alarms(name: str) -> list[str]:
    """The harmless texts of a set that are taken for emergencies."""
    return [row[-1] for row in rows(name) if triage(row[-1]).emergency]


@pytest.mark.parametrize(
    ("name", "floor"),
    [
        ("direct", 0.99),
        *((name, 0.95) for name in EMERGENCIES[1:]),
        *((f"{name}_emergencies", 0.95) for name in OWN_WORDS),
    ],
)
def test_emergencies_are_found(name: str, floor: float):
    assert len(missed(name)) <= (1 - floor) * len(rows(name)), missed(name)


@pytest.mark.parametrize("name", LOOKALIKES)
def test_lookalikes_are_left_alone(name: str):
    # The small sets may miss one in twenty by chance; all together are held to it below.
    floor = 0.95 if name == "lookalikes" else 0.90
    assert len(alarms(name)) <= (1 - floor) * len(rows(name)), alarms(name)


def test_lookalikes_of_all_sets_together_are_left_alone():
    assert sum(len(alarms(name)) for name in LOOKALIKES) <= 0.05 * sum(len(rows(name)) for name in LOOKALIKES)


def test_sets_are_as_large_as_said_and_share_no_text():
    texts = [row[-1] for name in (*EMERGENCIES, *LOOKALIKES) for row in rows(name)]
    assert (
        len(texts) - len(set(texts)) <= 6
    )  # turns of phrase ("笑死我了") that authors who had not read one another came upon
    assert sum(len(rows(name)) for name in EMERGENCIES) >= 300
    assert sum(len(rows(name)) for name in LOOKALIKES) >= 300
    assert {category for name in EMERGENCIES for category, _, _ in rows(name)} <= advice().keys()


@pytest.mark.parametrize(
    ("text", "emergency"),
    [
        ("I have crushing chest pain", True),
        ("I have no crushing chest pain", False),
        ("No fever, but crushing chest pain", True),
        ("Ten years ago I had crushing chest pain", False),
        ("Ten years ago I had a heart attack and now I have crushing chest pain", True),
        ("What are the signs of a stroke? My mum's face just dropped", True),
        ("What are the signs of a stroke?", False),
        ("What should I do, my dad's face is drooping", True),
        ("What should I do if someone has a stroke?", False),
        ("How does the alarm work if my dad ever suddenly collapsed", False),
        ("My dad suddenly collapsed, what if he stops breathing", True),
        ("如果哪天我爸突然中风，家里应该先做什么", False),
        ("我爸突然中风了，万一没气了怎么办", True),
        ("He poured tea for all of us", False),
        ("She poured the kettle over her foot and the skin is peeling off", True),
        ("His face dropped when he saw the bill", False),
        ("His face dropped on the left when he woke up", True),
        ("30 weeks, the baby is moving all day long as usual", False),
        ("30 weeks, usually kicks all day long, nothing since last night", True),
        ("Does zopiclone keep? I'm saving mine up until there is enough not to wake up", True),
        ("婆婆喝了敌敌谓，口吐白沫", True),
        ("He was training for a marathon and collapsed, he won't wake up", True),
        ("If this doesn't get better I'm going to kill myself", True),
        ("My dog had a seizure", False),
        ("My dog bit my son and the blood won't stop", True),
        ("My novel's hero has a stroke on page ten", False),
        ("没有胸痛", False),
        ("没有发烧，但是胸口剧痛出冷汗", True),
        ("十年前得过心梗", False),
        ("我爸突然嘴歪了", True),
        ("胸口劇痛，喘不過氣", True),
        ("ＣＨＥＳＴ　ＰＡＩＮ and sweating", True),
        ("i have chestpain and im swetting", True),
    ],
)
def test_what_is_denied_past_or_taught_is_no_emergency(text: str, emergency: bool):
    assert triage(text).emergency is emergency


def test_a_sign_in_a_long_message_is_found():
    filler = "The weather is fine and we had tea with the neighbours. "
    assert (
        triage(filler * 50 + "By the way, my throat is closing up after I ate peanuts. " + filler * 50).category
        == "anaphylaxis"
    )


def test_the_last_words_of_a_very_long_message_are_read():
    filler = "He said that she and I were fine, and my mother was with him. "
    text = filler * 800 + "Now she is unconscious and not breathing."
    finding = triage(text)
    assert finding.category == "cardiac-arrest"
    assert all(text[match.start : match.end] == match.text for match in finding.matches)


def test_answer_is_in_the_language_of_the_text():
    english, chinese = triage("I took 40 paracetamol tablets"), triage("我吃了四十片对乙酰氨基酚")
    assert english.category == chinese.category == "paracetamol-overdose"
    assert "emergency department" in (english.first or "")
    assert "急诊" in (chinese.first or "")
    assert "120" in (triage("他晕倒了没有呼吸").first or "")
    assert "local emergency number" in (triage("He collapsed and is not breathing").first or "")


def test_suicidal_words_get_kindness_and_no_number_of_one_country():
    finding = triage("I want to kill myself")
    assert finding.category == "thoughts-of-suicide"
    assert "you matter" in (finding.first or "")
    assert "crisis line" in (finding.first or "")
    assert not any(character.isdigit() for character in finding.first or "")


def test_chinese_advice_says_where_its_numbers_hold():
    for known in advice().values():
        numbers = set(re.findall(r"\d+", known.first["zh"]))
        assert numbers <= {"120", "110", "12356"}, known.entry.id
        assert bool(numbers) == ("中国大陆" in known.first["zh"]), known.entry.id
    suicidal = triage("我不想活了，想自杀").first or ""
    assert suicidal.index("120") < suicidal.index("12356")


def test_finding_shows_the_words_that_it_rests_on():
    text = "Since lunch my chest is crushing and I sweat"
    finding = triage(text)
    assert finding.matches
    assert all(text[match.start : match.end] == match.text for match in finding.matches)
    assert "chest" in " ".join(match.text for match in finding.matches)


def test_banner_names_the_guideline_and_is_empty_without_an_emergency():
    assert banner(triage("hello")) == ""
    finding = triage("I vomit blood")
    assert finding.source is not None
    assert finding.source.title in banner(finding)
    assert (finding.first or "-") in banner(finding)


def test_every_emergency_has_rules_and_words_in_both_languages():
    assert load_rules().keys() == advice().keys()
    assert {entry.id for entry in load_knowledge().emergencies} <= advice().keys()
    for known in advice().values():
        assert known.sources[0].title
        assert known.first["en"].startswith(("Call", "Go", "Thank"))
        assert any("\u4e00" <= character <= "\u9fff" for character in known.first["zh"])


def test_signs_of_the_bundled_emergencies_are_mostly_known():
    signs = [sign for entry in load_knowledge().emergencies for sign in entry.signs]
    found = [sign for sign in signs if detect(sign)]
    assert len(found) >= 0.95 * len(signs), [sign for sign in signs if sign not in found]


def test_no_text_breaks_it():
    chance = random.Random(7)
    words = [row[-1] for name in ("direct", "lookalikes") for row in rows(name)]
    alphabets = [(32, 126), (0, 0x2FF), (0x4E00, 0x9FFF), (0x1F300, 0x1FAFF), (0, 0xD7FF)]
    for _ in range(400):
        low, high = chance.choice(alphabets)
        noise = "".join(chr(chance.randint(low, high)) for _ in range(chance.randint(0, 60)))
        pieces = chance.choice(words)
        cut = chance.randint(0, len(pieces))
        assert isinstance(triage(pieces[:cut] + noise + pieces[cut:]), Finding)
    for text in (
        "",
        " ",
        "\n",
        "。",
        "-",
        "'",
        "1/",
        "½ year old",
        "²",
        "٣ weeks old baby fever",
        "\x00",
        "\ud800",
        "my chest \ud800 hurts",
        "十",
        "100/",
    ):
        assert isinstance(triage(text), Finding)


@pytest.mark.timeout(60)  # it takes two seconds; by the square of the length it would be minutes
@pytest.mark.parametrize("piece", ["not chest pain ", "胸口痛", " ".join(row[-1] for row in rows("direct"))])
def test_a_long_text_is_read_to_its_end(piece: str):
    text = (piece * (60_000 // len(piece) + 1))[:60_000] + ". My dad collapsed just now and he is not breathing."
    assert triage(text).emergency


def test_import_is_light():
    code = "import sys, serving.triage as t; t.triage('chest pain'); print('torch' in sys.modules or 'transformers' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert answer.stdout.strip() == "False"


def test_lexicon_names_its_faults(tmp_path: Path):
    (tmp_path / "a.yaml").write_text("one: {en: [x]}\ntwo: {any: [one + three]}\n")
    with pytest.raises(DataError, match="'two' uses the concept 'three'"):
        load_lexicon(tmp_path)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "a.yaml").write_text("one: {any: [two]}\ntwo: {any: [one]}\n")
    with pytest.raises(DataError, match="circle"):
        load_lexicon(tmp_path / "b")


def test_command_prints_one_object_a_line():
    answer = CliRunner().invoke(app, ["triage", "--json"], input="My face is drooping\nhello\n\n我不想活了\n")
    assert answer.exit_code == 0, answer.output
    objects = [json.loads(line) for line in answer.output.splitlines()]
    assert [found["emergency"] for found in objects] == [True, False, False, True]
    assert objects[0].keys() == {"emergency", "category", "first", "source"}
    assert objects[0]["source"].keys() == {"title", "body", "year", "url"}
    assert objects[1]["category"] is None
    answer = CliRunner().invoke(app, ["triage", "He is choking and turning blue"])
    assert "POSSIBLE EMERGENCY" in answer.output


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("My wife has taken forty paracetamol", "paracetamol-overdose"),
        ("老公喝了半瓶农药", "poisoning"),
        ("Can I take two paracetamol", None),
    ],
)
def test_counts_in_words_and_poisons_by_the_bottle_have_their_own_emergency(text: str, category: str | None):
    assert triage(text).category == category


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("邻居误食了蟑螂要，现在吐白沫", "poisoning"),  # 蟑螂药, by sound
        ("她一口气把安眠要全吃了", "overdose-of-medicines"),
        ("孩子把灭鼠要吃了", "poisoning"),
        ("绘本里说老鼠要吃奶酪", None),
        ("我妈怕虫，看见蟑螂要打", None),
    ],
)
def test_a_medicine_or_poison_typed_by_its_sound_is_read_where_no_verb_follows(text: str, category: str | None):
    assert triage(text).category == category


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("刚打完头孢，人就休克了", "anaphylaxis"),
        ("打了头孢以后休克", "anaphylaxis"),
        ("He went into shock minutes after the cephalosporin injection", "anaphylaxis"),
        ("打完头孢会不会休克？还没打，先问问", None),
        ("The office went into shock when the new rota was posted", None),
    ],
)
def test_shock_after_an_injection_is_anaphylaxis(text: str, category: str | None):
    assert triage(text).category == category
