"""Models are compared on the same items asked in the same way, and "better" is said only when it is significant."""

import json
from pathlib import Path

import pytest

from corpora.errors import OslerError
from evals.figures.compare import beneath, compare, told
from evals.figures.forgetting import beside_base
from evals.figures.results import model_name
from tests.evals.results_folders import write_task


def test_a_clear_gain_is_better_and_a_small_one_is_not(tmp_path: Path):
    write_task(tmp_path / "base", skill=0.3, seed=1)
    write_task(tmp_path / "good", skill=0.7, seed=2, model="good")
    write_task(tmp_path / "same", skill=0.3, seed=3, model="same")
    found = compare([tmp_path / "base", tmp_path / "good", tmp_path / "same"])
    assert (found["base"], found["models"]) == ("base", ["good", "same"])
    good, same = found["comparisons"]
    assert good["verdict"] == "better"
    assert good["low"] > 0
    assert good["p"] == good["mcnemar"] <= good["holm"]
    assert good["gained"] - good["lost"] == round(200 * good["difference"])
    assert same["verdict"] == "no difference shown"
    assert same["smallest"] > abs(same["difference"])
    worse = compare([tmp_path / "good", tmp_path / "base"])["comparisons"][0]
    assert worse["verdict"] == "worse"
    assert worse["difference"] == pytest.approx(-good["difference"])


def test_better_is_said_with_what_both_are_below(tmp_path: Path):
    """Options of 4 with one key in two thirds of the items: 5% and 40% right are both less than naming it."""
    rows = [{"gold": [0 if place % 3 else place % 4]} for place in range(300)]

    def sat(name: str, every: int) -> Path:
        folder = write_task(tmp_path / name, n=300, seed=1, model=name)
        path = folder / "items.jsonl"
        items = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for place, (item, row) in enumerate(zip(items, rows, strict=True)):
            right = place % every == 0
            chosen = row["gold"] if right else [(row["gold"][0] + 1) % 4]
            item.update(row, chosen=chosen, right=right, score=float(right), scores=None)
        path.write_text("".join(json.dumps(item) + "\n" for item in items), encoding="utf-8")
        return folder.parent

    base, low, high = sat("base", 20), sat("low", 3), sat("high", 1)
    found = compare([base, low, high])
    first, second = found["comparisons"]
    commonest = sum(row["gold"] == [0] for row in rows) / 300
    assert (first["verdict"], first["majority"], first["below_majority"]) == ("better", pytest.approx(commonest), True)
    assert told(first) == "better, both below majority"
    assert (told(second), second["below_majority"]) == ("better", False)
    assert len(beneath(found)) == 1
    assert beneath(found)[0].startswith(
        "medqa, low: both are below the majority baseline: who always names the commonest key scores 75.0% here"
    )
    page = "\n".join(beside_base(compare([base, low])))
    assert "| better, both below majority |" in page
    assert "both are below the majority baseline" in page


@pytest.mark.parametrize(
    ("identifier", "called"),
    [
        ("runs/nano/final/model", "nano-final"),
        ("final/model", "final"),
        ("/models/mine", "mine"),
        ("Qwen/Qwen3-8B", "Qwen3-8B"),
        ("bundled:osler-nano-base", "bundled-osler-nano-base"),
        ("model", "model"),
    ],
)
def test_a_model_of_a_run_is_called_by_its_run_and_stage(identifier: str, called: str):
    assert model_name(identifier) == called


def test_holm_takes_back_what_one_of_many_tasks_shows_by_chance(tmp_path: Path):
    names = [f"task{number}" + "x" * number for number in range(12)]
    for name in names:
        write_task(tmp_path / "base", name, skill=0.3, seed=1)
        write_task(tmp_path / "other", name, skill=0.3, seed=2, model="other")
    # one task with p between 0.05 / 12 and 0.05 alone
    seed = 0
    while True:
        seed += 1
        path = write_task(tmp_path / f"try{seed}", names[0], skill=0.42, seed=100 + seed, model="other")
        p = compare([tmp_path / "base", path.parent])
        single = next(one for one in p["comparisons"] if one["task"] == names[0])
        if 0.01 < single["p"] < 0.04 and single["difference"] > 0:
            break
    assert single["verdict"] == "better"
    for file in ("items.jsonl", "task.json"):
        (tmp_path / "other" / names[0] / file).write_bytes((path / file).read_bytes())
    all_of_them = compare([tmp_path / "base", tmp_path / "other"])["comparisons"]
    assert all_of_them[0]["holm"] > 0.05
    assert all_of_them[0]["verdict"] == "no difference shown"


def test_where_items_share_passages_the_bootstrap_decides(tmp_path: Path):
    write_task(tmp_path / "base", cluster_of=5, seed=1)
    write_task(tmp_path / "other", cluster_of=5, seed=2, model="other")
    one = compare([tmp_path / "base", tmp_path / "other"])["comparisons"][0]
    assert (one["test"], one["clusters"]) == ("paired cluster bootstrap", 40)
    assert one["p"] == one["bootstrap"]
    assert 0 <= one["mcnemar"] <= 1


@pytest.mark.parametrize(
    ("about", "says"),
    [
        ({"num_fewshot": 5}, r"num_fewshot \(0 and 5\)"),
        ({"chat_template": True}, r"chat_template \(False and True\)"),
        ({"scoring": "generative"}, "scoring"),
        ({"prompt_example": "Q: ...\nA:"}, "the first prompt"),
        ({"version": 2}, r"version \(1 and 2\)"),
    ],
)
def test_what_was_asked_differently_is_refused_and_named(tmp_path: Path, about: dict, says: str):
    write_task(tmp_path / "base")
    write_task(tmp_path / "other", model="other", **about)
    with pytest.raises(OslerError, match=says):
        compare([tmp_path / "base", tmp_path / "other"])
    assert compare([tmp_path / "base", tmp_path / "other"], own_prompts=True)["comparisons"]


def test_other_items_are_refused_and_named(tmp_path: Path):
    write_task(tmp_path / "base", n=50)
    write_task(tmp_path / "fewer", n=40, model="fewer")
    with pytest.raises(OslerError, match="10 are only in the first"):
        compare([tmp_path / "base", tmp_path / "fewer"])
    path = write_task(tmp_path / "other", n=50, model="other") / "items.jsonl"
    path.write_text(path.read_text().replace("Question 3 of", "Question three of"))
    with pytest.raises(OslerError, match="item medqa-3 differs in its question"):
        compare([tmp_path / "base", tmp_path / "other"])
    path.write_text(path.read_text() + path.read_text().splitlines()[0])
    with pytest.raises(OslerError, match="1 items have an id that another has"):
        compare([tmp_path / "base", tmp_path / "other"], own_prompts=True)


def test_tasks_that_only_one_sat_are_listed(tmp_path: Path):
    write_task(tmp_path / "base")
    write_task(tmp_path / "base", "cmexam")
    write_task(tmp_path / "other", model="other", seed=4)
    found = compare([tmp_path / "base", tmp_path / "other"])
    assert found["left_out"] == ["cmexam: only base sat it"]
    with pytest.raises(OslerError, match="at least two"):
        compare([tmp_path / "base"])
    with pytest.raises(OslerError, match="no task was found"):
        compare([tmp_path / "base", tmp_path])


def test_the_order_of_the_items_does_not_matter(tmp_path: Path):
    base = write_task(tmp_path / "base", seed=1)
    other = write_task(tmp_path / "other", seed=2, model="other") / "items.jsonl"
    before = compare([base.parent, tmp_path / "other"])
    other.write_text("\n".join(reversed(other.read_text().splitlines())) + "\n")
    assert compare([base.parent, tmp_path / "other"]) == before
