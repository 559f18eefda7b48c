"""Scorers of known skill get the scores that they must: from the reply's text to the summary of the task."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from corpora.records import LETTERS
from evals.figures.summary import summarise
from evals.reading.extraction import extract_choices
from evals.stats.intervals import wilson
from tests.evals.results_folders import write_task

N = 1000
Answerer = Callable[[dict, random.Random], str]


def sit(tmp_path: Path, answerer: Answerer, several: bool = False, language: str = "en") -> dict:
    """The summary of an exam of ``N`` items with five options, whose replies ``answerer`` writes."""
    rng, keys = random.Random(1), random.Random(2)
    folder = write_task(tmp_path, n=N, options=5, generative=True)
    items = [json.loads(line) for line in (folder / "items.jsonl").read_text().splitlines()]
    for item in items:
        # Some positions are commoner than others, as in real keys.
        gold = sorted(keys.sample(range(5), keys.choice([1, 2, 3]))) if several else [keys.choice([0, 0, 1, 2, 3, 4])]
        item["gold"] = gold
        item["text"] = answerer(item, rng)
        item["chosen"] = extract_choices(item["text"], item["options"], several, language)
        item["right"] = item["chosen"] == gold
        item["score"] = float(item["right"])
    (folder / "items.jsonl").write_text(
        "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items), encoding="utf-8"
    )
    found = summarise(folder)
    found["key_shares"] = [sum(item["gold"] == [place] for item in items) / N for place in range(5)]
    return found


def named(item: dict) -> str:
    return ", ".join(LETTERS[place] for place in item["gold"])


ORACLES: dict[str, Answerer] = {
    "a letter": lambda item, rng: named(item),
    "a sentence": lambda item, rng: f"The other options are wrong. The answer is {named(item)}.",
    "a box after thoughts": lambda item, rng: f"<think>Is it E? No.</think>So it is $\\boxed{{{named(item)}}}$.",
    "Chinese": lambda item, rng: f"综上所述，故选：{named(item).replace(', ', '')}。",
    "JSON": lambda item, rng: json.dumps({"answer": named(item)}),
    "the option's words": lambda item, rng: f"Answer: {', '.join(item['options'][place] for place in item['gold'])}",
}


@pytest.mark.parametrize("several", [False, True], ids=["one right", "several right"])
@pytest.mark.parametrize("form", ORACLES)
def test_an_oracle_scores_100(tmp_path: Path, form: str, several: bool):
    found = sit(tmp_path, ORACLES[form], several)
    assert (found["accuracy"], found["unparsed"]) == (1.0, 0.0)


@pytest.mark.parametrize("form", ["{}", "The answer is {}.", "答案：{}"])
def test_a_random_one_scores_chance(tmp_path: Path, form: str):
    found = sit(tmp_path, lambda item, rng: form.format(rng.choice("ABCDE")))
    low, high = wilson(round(found["accuracy"] * N), N, confidence=0.99)
    assert low <= found["chance"] <= high
    assert found["unparsed"] == 0.0


@pytest.mark.parametrize("place", range(5))
def test_a_constant_one_scores_the_share_of_its_letter_in_the_key(tmp_path: Path, place: int):
    found = sit(tmp_path, lambda item, rng: LETTERS[place])
    assert found["accuracy"] == pytest.approx(found["key_shares"][place])
    assert found["majority"] == max(found["key_shares"])


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "I do not know.",
        "A patient of 60 years needs a CT of the head.",
        "asdf qwer",
        "我不知道。",
        "维生素A缺乏",
        "<think>The answer is A.",
        "A or B",
    ],
)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_an_empty_or_senseless_one_scores_nothing_and_says_so(tmp_path: Path, reply: str, language: str):
    found = sit(tmp_path, lambda item, rng: reply, language=language)
    assert (found["accuracy"], found["unparsed"]) == (0.0, 1.0)


def test_half_of_several_right_options_is_no_right_answer(tmp_path: Path):
    found = sit(tmp_path, lambda item, rng: LETTERS[item["gold"][0]], several=True)
    assert found["accuracy"] == pytest.approx(sum(found["key_shares"]))
