"""A teacher's records: what agrees is kept, what fails is told, and what was done is not asked again."""

import contextlib
import email.utils
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter

from corpora.errors import DataError
from corpora.records import LETTERS, Dialogue, Document, ExamItem
from pipelines.artifact import Draft
from pipelines.config import RecipeError, Stage, SynthesiseStage, load_recipe
from pipelines.reproduce import reproduce
from pipelines.synthesis.estimate import estimate
from pipelines.synthesis.journal import Journal
from pipelines.synthesis.teacher import TeacherError, retry_after
from pipelines.synthesis.works import passages
from pipelines.synthesise import estimate_stage, synthesise
from tests.pipelines.scripted import Asked, Say, endpoint

ITEMS = [
    {"id": f"item-{n}", "question": f"Which finding belongs to condition number {n}?", "options": ["w", "x", "y", "z"], "answer": n % 4}
    for n in range(12)
]  # fmt: skip
PASSAGE = (
    "Adults with scarlet fever are given amoxicillin 500 mg three times daily for 10 days. Keep the patient away from school for one "
    "day after the first dose."
)


def write_items(folder: Path, count: int = 12) -> Path:
    path = folder / "items.jsonl"
    path.write_text("\n".join(json.dumps(item) for item in ITEMS[:count]))
    return path


def write_documents(folder: Path, *documents: tuple[str, str]) -> Path:
    path = folder / "guidelines.jsonl"
    rows = [{"id": f"g{n}", "title": title, "text": text} for n, (title, text) in enumerate(documents)]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def stage(url: str, *tasks: dict, teacher: dict | None = None, **more) -> SynthesiseStage:
    block = {
        "kind": "synthesise",
        "teacher": {"url": url, "name": "scripted", "max_tokens": 100, **(teacher or {})},
        "tasks": list(tasks),
        "backoff": 0.01,
        "timeout": 5,
        "concurrency": 4,
        **more,
    }
    made: SynthesiseStage = TypeAdapter(Stage).validate_python(block)
    return made


def exam(path: Path, **more) -> dict:
    return {"task": "exam", "corpora": [{"name": str(path)}], **more}


def lines(draft: Draft, name: str = "records.jsonl") -> list[dict]:
    return [json.loads(line) for line in (draft.folder / name).read_text().splitlines()]


def number_of(prompt: str) -> int:
    return next(n for n, item in enumerate(ITEMS) if item["question"] in prompt)


def right(asked: Asked, _before: int) -> str:
    return f"Thinking of it. Answer: {LETTERS[number_of(asked.prompt) % 4]}"


def test_answers_that_name_the_gold_label_are_kept_and_carry_their_origin(tmp_path: Path, sources, draft):
    with endpoint(right) as teacher:
        synthesise(stage(teacher.url, exam(write_items(tmp_path))), 7, None, None, sources, draft)
    kept = [Dialogue.model_validate(line) for line in lines(draft)]
    assert [one.id for one in kept] == [f"exam/items/item-{n}" for n in range(12)]  # in the order of the source
    meta = kept[5].meta
    assert meta["teacher"] == "scripted"
    assert meta["gold"] == "B"
    assert meta["tries"] == 1
    assert meta["passage_id"] == "items/item-5"
    assert ITEMS[5]["question"] in meta["passage"]
    assert len(meta["prompt_sha256"]) == len(meta["template_sha256"]) == 64
    assert kept[5].messages[0].content.endswith("\nA. w\nB. x\nC. y\nD. z")
    # The gold label is not told to the teacher.
    assert not any("Answer: A" in one or "gold" in one.lower() for one in teacher.prompts())
    assert draft.metrics["gold_letters"] == {"A": 3, "B": 3, "C": 3, "D": 3}
    card = (draft.folder / "card.md").read_text()
    assert "| exam | 12 | 12 | 0 | — |" in card
    assert "12 records (12 Dialogue)" in card


def test_sampling_and_further_fields_reach_the_endpoint_and_null_leaves_one_out(tmp_path: Path, sources, draft):
    asks = {"top_p": 0.9, "extra": {"seed": None, "reasoning_effort": "low"}}
    with endpoint(right) as teacher:
        synthesise(stage(teacher.url, exam(write_items(tmp_path, 1)), teacher=asks), 7, None, None, sources, draft)
    (asked,) = teacher.asked
    assert {name: value for name, value in asked.body.items() if name != "messages"} == {
        "model": "scripted",
        "max_tokens": 100,
        "temperature": 0.7,
        "top_p": 0.9,
        "reasoning_effort": "low",
    }


def test_a_wrong_answer_is_sampled_again_with_another_seed_until_it_agrees(tmp_path: Path, sources, draft):
    def script(asked: Asked, before: int) -> str:
        return right(asked, 0) if before == 2 else "Answer: E" if before else "Who knows?"

    with endpoint(script) as teacher:
        synthesise(stage(teacher.url, exam(write_items(tmp_path, 4))), 7, None, None, sources, draft)
    assert [line["meta"]["tries"] for line in lines(draft)] == [3, 3, 3, 3]
    assert draft.metrics["kept_at_try"] == {"3": 4}
    assert len({one.seed for one in teacher.asked}) == len(teacher.asked) == 12


def test_what_never_agrees_is_dropped_with_its_last_reason_and_the_counts_add_up(tmp_path: Path, sources, draft):
    def script(asked: Asked, _before: int) -> Say | str:
        answers = [right(asked, 0), "Answer: J", "I would rather not.", Say("So long a thou", finish="length")]
        return answers[number_of(asked.prompt) % 4]

    with endpoint(script) as teacher:
        synthesise(stage(teacher.url, exam(write_items(tmp_path)), max_tries=3), 7, None, None, sources, draft)
    (step,) = draft.metrics["waterfall"]
    assert step["in"] == 12
    assert step["kept"] == 3
    assert step["dropped"] == {
        "another option than the gold label": 3,
        "no option named": 3,
        "cut off at max_tokens": 3,
    }
    assert len(teacher.asked) == 3 + 9 * 3
    dropped = lines(draft, "dropped.jsonl")
    assert [line["id"] for line in dropped] == [f"exam/items/item-{n}" for n in range(12) if n % 4]
    assert dropped[0]["said"] == "Answer: J"


def test_passing_failures_of_every_kind_are_tried_again(tmp_path: Path, sources, draft):
    failures = [
        Say(status=500),
        Say(status=429, headers={"Retry-After": "0"}),
        Say(raw=b'{"id": "1", "choices": [{"mess'),
        Say(raw=b'{"id": "1", "choices": []}'),
        Say(raw=b"<html>busy</html>", headers={"Content-Type": "text/html"}),
        Say(stall=30),
        Say("Answer: A", hang_up=True),
        Say(""),
        Say(raw=b'{"id": "1", "choices": null}'),
        Say(status=503),
        Say(raw=b"null"),
        Say(raw=b'{"choices": [{"index": 0, "finish_reason": "stop", "message": null}]}'),
    ]

    def script(asked: Asked, before: int) -> Say | str:
        return failures[number_of(asked.prompt)] if before < 1 else right(asked, before)

    with endpoint(script) as teacher:
        synthesise(stage(teacher.url, exam(write_items(tmp_path)), timeout=0.5), 7, None, None, sources, draft)
    assert len(lines(draft)) == 12
    assert all(line["meta"]["tries"] == 1 for line in lines(draft))  # a failed request is not a disagreement
    spent = draft.metrics["spent"]
    assert spent["requests"] == len(teacher.asked) == 24
    assert spent["failures"] == {
        "answer not readable": 5,
        "empty answer": 2,
        "status 500": 1,
        "status 429": 1,
        "timed out": 1,
        "connection failed": 1,
        "status 503": 1,
    }
    # The same request is sent again, seed and all.
    assert len({one.seed for one in teacher.asked}) == 12


def test_lasting_failures_drop_the_item_and_name_it(tmp_path: Path, sources, draft):
    def script(asked: Asked, _before: int) -> Say | str:
        bad = {2: Say(status=500), 5: Say(stall=30), 9: Say(status=400)}
        return bad.get(number_of(asked.prompt), right(asked, 0))

    with endpoint(script) as teacher:
        block = stage(teacher.url, exam(write_items(tmp_path)), timeout=0.3, retries=2)
        synthesise(block, 7, None, None, sources, draft)
    assert len(lines(draft)) == 9
    reasons = {line["id"]: line["reason"] for line in lines(draft, "dropped.jsonl")}
    assert reasons == {
        "exam/items/item-2": "endpoint: status 500",
        "exam/items/item-5": "endpoint: timed out",
        "exam/items/item-9": "endpoint: status 400",
    }
    sent = [number_of(prompt) for prompt in teacher.prompts()]
    assert [sent.count(n) for n in (2, 5, 9)] == [3, 3, 1]  # a refusal is not asked again


def test_retry_after_holds_all_requests_back(tmp_path: Path, sources, draft):
    def script(asked: Asked, before: int) -> Say | str:
        busy = number_of(asked.prompt) == 0 and before == 0
        return Say(status=429, headers={"Retry-After": "1"}) if busy else right(asked, before)

    with endpoint(script) as teacher:
        synthesise(stage(teacher.url, exam(write_items(tmp_path, 4)), concurrency=1), 7, None, None, sources, draft)
    at = [one.at for one in teacher.asked]
    assert len(at) == 5
    assert at[1] - at[0] >= 0.99
    assert at[4] - at[1] < 0.9


def test_retry_after_is_seconds_or_a_date():
    assert retry_after({"retry-after": "7"}) == 7
    assert retry_after({"retry-after": "-7"}) == 0
    assert retry_after({}) is None
    assert retry_after({"retry-after": "soon"}) is None
    assert 8 < retry_after({"retry-after": email.utils.formatdate(time.time() + 10, usegmt=True)}) <= 10


def test_a_quota_that_is_used_up_stops_the_run(tmp_path: Path, sources, draft):
    with (
        endpoint(lambda *_: Say(status=429, headers={"Retry-After": "86400"})) as teacher,
        pytest.raises(TeacherError, match="asks to come back in 86400 s"),
    ):
        synthesise(stage(teacher.url, exam(write_items(tmp_path))), 7, None, None, sources, draft)
    assert len(teacher.asked) <= 4


def test_a_wrong_key_stops_at_once_names_the_endpoint_and_does_not_tell_the_key(
    tmp_path: Path, sources, draft, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TEACHERS_KEY", "sk-wrong-and-secret")
    with endpoint(right, key="sk-right") as teacher:
        block = stage(teacher.url, exam(write_items(tmp_path)), teacher={"key_env": "TEACHERS_KEY"}, concurrency=1)
        with pytest.raises(TeacherError, match=r"127\.0\.0\.1.* refused the key .*variable TEACHERS_KEY") as caught:
            synthesise(block, 7, None, None, sources, draft)
    assert "sk-wrong" not in str(caught.value)
    assert "no such key: [key]" in str(caught.value)
    assert len(teacher.asked) == 1


def test_an_unknown_model_stops_at_once(tmp_path: Path, sources, draft):
    with (
        endpoint(lambda *_: Say(status=404)) as teacher,
        pytest.raises(TeacherError, match=r"knows no model 'scripted'.*teacher\.name"),
    ):
        synthesise(stage(teacher.url, exam(write_items(tmp_path)), concurrency=1), 7, None, None, sources, draft)
    assert len(teacher.asked) == 1


def test_a_missing_key_is_said_before_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("TEACHERS_KEY", raising=False)
    recipe = write_recipe(tmp_path, "http://127.0.0.1:9/v1", teacher={"key_env": "TEACHERS_KEY"})
    with pytest.raises(RecipeError, match="the environment variable TEACHERS_KEY is not set"):
        reproduce(recipe, tmp_path / "run", until_stage="written")
    assert not (tmp_path / "run").exists()


def test_an_endpoint_that_fails_everything_stops_the_run_and_the_next_run_goes_on(tmp_path: Path, sources, draft):
    def script(asked: Asked, _before: int) -> Say | str:
        return right(asked, 0) if number_of(asked.prompt) < 3 or mended else Say(status=502)

    mended = False
    path = write_items(tmp_path)
    with endpoint(script) as teacher:
        block = stage(teacher.url, exam(path), retries=0, stop_after=5, concurrency=1)
        with pytest.raises(TeacherError, match=r"failed 5 records in a row \(5 × endpoint: status 502.*run again"):
            synthesise(block, 7, None, None, sources, draft)
        assert len(teacher.asked) == 8
        mended = True
        synthesise(block, 7, None, None, sources, draft)
    assert len(lines(draft)) == 12
    sent = [number_of(prompt) for prompt in teacher.prompts()]
    assert [sent.count(n) for n in range(12)] == [1, 1, 1, 2, 2, 2, 2, 2, 1, 1, 1, 1]
    assert draft.metrics["spent"]["requests"] == 17
    assert draft.metrics["requests_of_this_run"] == 9


def test_a_closed_port_is_told(tmp_path: Path, sources, draft):
    block = stage("http://127.0.0.1:9/v1", exam(write_items(tmp_path)), retries=0, stop_after=3)
    with pytest.raises(TeacherError, match=r"http://127\.0\.0\.1:9/v1 failed 3 records in a row .*connection failed"):
        synthesise(block, 7, None, None, sources, draft)


def test_the_rate_of_requests_is_kept(tmp_path: Path, sources, draft):
    with endpoint(right) as teacher:
        block = stage(teacher.url, exam(write_items(tmp_path)), requests_per_minute=600, concurrency=8)
        synthesise(block, 7, None, None, sources, draft)
    at = sorted(one.at for one in teacher.asked)
    assert at[-1] - at[0] >= 11 * 0.1 - 0.05  # ten a second
    assert max(sum(start <= other < start + 0.5 for other in at) for start in at) <= 6


def test_the_rate_of_tokens_is_kept(tmp_path: Path, sources, draft):
    with endpoint(right) as teacher:
        block = stage(teacher.url, exam(write_items(tmp_path)), tokens_per_minute=60_000, concurrency=8)
        expected = estimate(block, sources, None)
        synthesise(block, 7, None, None, sources, draft)
    at = sorted(one.at for one in teacher.asked)
    # A thousand tokens a second; each request may take its prompt and 100 of answer.
    each = expected.prompt_tokens / 12 + 100
    assert at[-1] - at[0] >= 0.9 * 11 * each / 1000


def test_the_estimate_is_what_is_sent_when_nothing_is_sampled_again(tmp_path: Path, sources, draft):
    def script(asked: Asked, _before: int) -> str:
        if "passage" in asked.prompt and "Quotation" in asked.prompt:
            return f"Question: What is given in scarlet fever?\nAnswer: Adults are given amoxicillin 500 mg three times daily for 10 days.\nQuotation: {PASSAGE.split('. ')[0]}."
        if "Does the passage support" in asked.prompt:
            return "Supported."
        if "Write the case" in asked.prompt:
            return (
                "CASE "
                + "of a child with a sandpaper rash, a red tongue and a sore throat " * 4
                + "Which diagnosis is likely?"
            )
        return "Diagnosis: scarlet fever" if "CASE" in asked.prompt else right(asked, 0)

    guidelines = write_documents(tmp_path, ("scarlet fever", PASSAGE))
    with endpoint(script) as teacher:
        block = stage(
            teacher.url,
            exam(write_items(tmp_path)),
            {"task": "grounded", "corpora": [{"name": str(guidelines)}], "each": 2},
            {"task": "vignette", "corpora": [{"name": str(guidelines)}], "samples": 3},
            teacher={"price_per_million": {"input": 1.0, "output": 2.0}},
        )
        expected = estimate(block, sources, None)
        assert teacher.asked == []
        synthesise(block, 7, None, None, sources, draft)
    assert expected.requests == len(teacher.asked) == 12 + 2 * 2 + 4
    assert draft.metrics["records"] == 15
    assert draft.metrics["estimate"]["requests"] == 20
    # Twenty requests of 10 and 5 tokens, as the endpoint counts them.
    assert draft.metrics["cost"] == pytest.approx(20 * (10 * 1.0 + 5 * 2.0) / 1e6)
    assert expected.as_dict()["cost_at_most"] == pytest.approx(
        (expected.most_prompt_tokens * 1.0 + 20 * 100 * 2.0) / 1e6
    )


def test_what_costs_too_much_is_not_begun_and_the_limit_holds_in_the_run(tmp_path: Path, sources, draft):
    path = write_items(tmp_path)
    priced = {"price_per_million": {"input": 0, "output": 1000}, "max_tokens": 100}  # 0.1 a request at most
    with endpoint(lambda *_: "Who knows?") as teacher:
        with pytest.raises(RecipeError, match=r"may cost 1\.2 and max_cost is 1: nothing was sent"):
            synthesise(stage(teacher.url, exam(path), teacher=priced, max_cost=1), 7, None, None, sources, draft)
        assert teacher.asked == []
        # Sampling again is not in the estimate: the run itself stops below the limit.
        block = stage(teacher.url, exam(path), teacher=priced, max_cost=1.2, max_tries=1000)
        with pytest.raises(TeacherError, match=r"max_cost 1\.2 is reached"):
            synthesise(block, 7, None, None, sources, draft)
    # Each took 5 tokens, 0.005; four at once may each take 0.1, which is kept in hand.
    assert 150 <= len(teacher.asked) <= 240


def test_the_prompt_is_in_the_language_of_the_source(tmp_path: Path, sources, draft):
    passage = "成人猩红热患者口服阿莫西林，每次0.5克，每日三次，疗程10天。患者在首次用药一天后可以返校。"

    def script(asked: Asked, _before: int) -> str:
        if "引文" in asked.prompt:
            return "问题：成人猩红热如何用药？\n答案：成人口服阿莫西林，每次0.5克，每日3次，疗程10天。\n引文：成人猩红热患者口服阿莫西林，每次0.5克，每日三次，疗程10天。"
        return "支持。" if "不支持" in asked.prompt else "Who asks?"

    path = write_documents(tmp_path, ("猩红热", passage))
    with endpoint(script) as teacher:
        synthesise(
            stage(teacher.url, {"task": "grounded", "corpora": [{"name": str(path)}]}), 7, None, None, sources, draft
        )
    (line,) = lines(draft)
    assert line["meta"]["prompt"] == "grounded.zh.jinja"
    assert line["meta"]["quotation"].startswith("成人猩红热患者")
    assert line["meta"]["passage"] == passage


@pytest.mark.parametrize(
    ("answer", "quotation", "reason"),
    [
        ("Adults are given amoxicillin 750 mg three times daily for 10 days.", PASSAGE[:86], "a number or dose that the passage does not have"),
        ("Adults are given amoxicillin 500 mg twice daily for 10 days.", PASSAGE[:86], "a number or dose that the passage does not have"),
        ("Amoxicillin is given, two tablets at night.", PASSAGE[:86], "a number or dose that the passage does not have"),
        ("Adults are given amoxicillin.", "Adults with scarlet fever are given penicillin V 500 mg", "the quotation is not in the passage"),
        ("Adults are given amoxicillin.", "amoxicillin 500 mg", "the quotation is not in the passage"),
        ("Doxycycline and prednisolone help against fatigue, fever, and pain; admit everyone.", PASSAGE[:86], "says more than the passage"),
        ("The passage says that adults are given amoxicillin.", PASSAGE[:86], "speaks of the passage"),
        ("Nightly clarithromycin tablets 500 mg.", PASSAGE[:86], "a dose of something else"),
    ],
)  # fmt: skip
def test_no_invented_dose_and_no_invented_quotation_passes(
    answer: str, quotation: str, reason: str, tmp_path: Path, sources, draft
):
    good = f"Question: What is given in scarlet fever?\nAnswer: Adults are given amoxicillin 500 mg three times daily.\nQuotation: {PASSAGE[:86]}"

    def script(asked: Asked, _before: int) -> str:
        if "Does the passage support" in asked.prompt:
            return "Supported."
        return (
            good
            if "school" in asked.prompt
            else f"Question: What is given in scarlet fever?\nAnswer: {answer}\nQuotation: {quotation}"
        )

    path = write_documents(tmp_path, ("scarlet fever", PASSAGE), ("scarlet fever", PASSAGE[:86]))
    with endpoint(script) as teacher:
        block = stage(teacher.url, {"task": "grounded", "corpora": [{"name": str(path)}]}, max_tries=2)
        synthesise(block, 7, None, None, sources, draft)
    assert [line["meta"]["passage_id"] for line in lines(draft)] == ["guidelines/g0#1"]
    (dropped,) = lines(draft, "dropped.jsonl")
    assert (dropped["id"], dropped["reason"], dropped["tries"]) == ("grounded/guidelines/g1#1", reason, 2)


def test_the_judge_has_the_last_word(tmp_path: Path, sources, draft):
    def script(asked: Asked, _before: int) -> str:
        if "Does the passage support" in asked.prompt:
            return "Not supported: it is another disease."
        return f"Question: What is given in scarlet fever?\nAnswer: Amoxicillin 500 mg three times daily.\nQuotation: {PASSAGE[:86]}"

    path = write_documents(tmp_path, ("scarlet fever", PASSAGE))
    with (
        endpoint(script) as teacher,
        pytest.raises(DataError, match=r"nothing that could be kept .*judged not supported"),
    ):
        block = stage(teacher.url, {"task": "grounded", "corpora": [{"name": str(path)}]}, max_tries=1)
        synthesise(block, 7, None, None, sources, draft)


def test_a_case_is_kept_when_it_leads_to_its_condition_and_does_not_name_it(tmp_path: Path, sources, draft):
    tale = (
        "a child of six with a sandpaper rash, a red tongue, fever and a sore throat for two days, and friends at school who have it "
        * 2
    )

    def script(asked: Asked, before: int) -> str:
        if "Write the case" in asked.prompt:
            return [f"Scarlet fever in {tale}", f"First {tale}", f"Then {tale} What is it?"][before]
        return (
            "Diagnosis: measles" if asked.prompt.startswith("First") else "A rash like that.\nDiagnosis: Scarlet fever"
        )

    path = write_documents(tmp_path, ("scarlet fever", PASSAGE), ("", PASSAGE))
    with endpoint(script) as teacher:
        synthesise(
            stage(teacher.url, {"task": "vignette", "corpora": [{"name": str(path)}]}), 7, None, None, sources, draft
        )
    (line,) = lines(draft)
    assert line["meta"]["tries"] == 3
    assert line["meta"]["gold"] == "scarlet fever"
    assert line["messages"][0]["content"].startswith("Then a child")
    assert line["messages"][1]["content"].endswith("Diagnosis: Scarlet fever")
    assert lines(draft, "dropped.jsonl")[0]["reason"] == "the document has no title"
    # The one who diagnoses is not told the label.
    assert not any("scarlet" in one.lower() for one in teacher.prompts() if "Write the case" not in one)


@pytest.mark.parametrize("record", ["dialogue", "item"])
def test_a_new_item_is_kept_when_independent_answers_name_its_key(record: str, tmp_path: Path, sources, draft):
    def script(asked: Asked, before: int) -> str:
        if "Write one new question" in asked.prompt:
            if before == 0:
                return f"Question: {ITEMS[number_of(asked.prompt)]['question']}\nA. w\nB. x\nAnswer: A"
            return f"Question: A new patient, the {number_of(asked.prompt)}th, coughs blood. What now?\nA. tea\nB. cake\nC. scan\nAnswer: C"
        key = next(letter for letter in "ABC" if f"{letter}. scan" in asked.prompt)
        # The second patient's key is named by two of three.
        wrong = "A" if key != "A" else "B"
        return f"Look. Answer: {wrong if ' 1th' in asked.prompt and before % 3 == 2 else key}"

    with endpoint(script) as teacher:
        block = stage(teacher.url, exam(write_items(tmp_path, 8), write="items", record=record), max_tries=3)
        synthesise(block, 7, None, None, sources, draft)
    made = lines(draft)
    assert [line["id"] for line in made] == [f"exam/items/item-{n}" for n in range(8) if n != 1]
    assert lines(draft, "dropped.jsonl")[0]["reason"] == "independent answers do not name the key"
    if record == "item":
        items = [ExamItem.model_validate(line) for line in made]
        assert all(item.options[item.answer] == "scan" for item in items)
        assert len({item.answer for item in items}) == 3  # the order of the options is drawn
    else:
        assert all(Dialogue.model_validate(line).messages[1].content.startswith("Look.") for line in made)


def write_recipe(folder: Path, url: str, teacher: dict | None = None, **more):
    block = stage(url, exam(write_items(folder)), teacher=teacher).model_dump(exclude_defaults=True)
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump({"name": "mine", "seed": 3, "stages": {"written": {**block, **more}}}))
    return load_recipe(str(path))


def deterministic(asked: Asked, _before: int) -> str:
    """The same reply to the same prompt and seed, right two times of three."""
    return right(asked, 0) + f" ({asked.seed})" if asked.seed % 3 else "Answer: J"


def test_a_killed_run_goes_on_and_gives_the_bytes_of_one_in_a_piece(tmp_path: Path):
    killed_at = 9

    def slow(asked: Asked, before: int) -> Say:
        return Say(deterministic(asked, before), stall=0.05)

    with endpoint(slow) as teacher:
        recipe = write_recipe(tmp_path, teacher.url, concurrency=2)
        command = [sys.executable, "-m", "pipelines.cli", "corpora", "synthesise", str(tmp_path / "mine.yaml")]
        process = subprocess.Popen(
            [*command, "--run", str(tmp_path / "run")], stderr=subprocess.PIPE, start_new_session=True
        )
        try:
            ends = time.monotonic() + 120
            while len(teacher.asked) < killed_at and process.poll() is None and time.monotonic() < ends:
                time.sleep(0.01)
            os.kill(process.pid, signal.SIGKILL)
        finally:
            process.kill()
            process.communicate()
        journal = tmp_path / "run" / "written.partial.checkpoints" / "journal.jsonl"
        done = [json.loads(line)["key"] for line in journal.read_bytes().split(b"\n")[:-1]]
        assert 2 <= len(done) < 12
        with journal.open("ab") as stream:
            stream.write(b'{"key": "exam/items/item-11", "outc')  # a line that was torn off
        before = len(teacher.asked)
        resumed = reproduce(recipe, tmp_path / "run", until_stage="written")["written"]
        again = [number_of(prompt) for prompt in teacher.prompts()[before:]]
        assert not {f"exam/items/item-{n}" for n in again} & set(done)
        assert len(again) > 0

        # Other limits make no other records: nothing is asked anew.
        count = len(teacher.asked)
        faster = write_recipe(tmp_path, teacher.url, concurrency=7, retries=1)
        reproduce(faster, tmp_path / "run", until_stage="written")
        assert len(teacher.asked) == count

    with endpoint(deterministic) as other:
        whole = reproduce(write_recipe(tmp_path, other.url), tmp_path / "whole", until_stage="written")["written"]
    for name in ("records.jsonl", "dropped.jsonl"):
        assert (resumed.folder / name).read_bytes() == (whole.folder / name).read_bytes()
    assert resumed.metrics["waterfall"] == whole.metrics["waterfall"]


def test_the_key_is_in_no_file_and_no_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd):
    monkeypatch.setenv("TEACHERS_KEY", "sk-most-secret")

    def script(asked: Asked, before: int) -> Say | str:
        echoed = Say(status=400, raw=b'{"error": {"message": "bad request of sk-most-secret"}}')
        return echoed if number_of(asked.prompt) == 4 else right(asked, before)

    with endpoint(script, key="sk-most-secret") as teacher:
        recipe = write_recipe(tmp_path, teacher.url, teacher={"key_env": "TEACHERS_KEY"})
        reproduce(recipe, tmp_path / "run")
        told = (tmp_path / "run" / "report.md").read_text()
    assert "| written: exam | scripted | 11 of 12 | 1 endpoint: status 400 | 12 |" in told
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "manifest.json" for path in files)
    assert not [path for path in files if b"sk-most-secret" in path.read_bytes()]
    assert "sk-most-secret" not in "".join(capfd.readouterr())
    assert "bad request of [key]" in (tmp_path / "run" / "written" / "dropped.jsonl").read_text()


def test_the_command_estimates_and_sends_nothing(tmp_path: Path):
    with endpoint(right) as teacher:
        recipe = write_recipe(tmp_path, teacher.url, requests_per_minute=6)
        name, found = estimate_stage(recipe, None, tmp_path / "run", None)
        assert teacher.asked == []
    assert name == "written"
    told = "\n".join(found.lines())
    assert "requests: 12 when no reply is sampled again, 96 at most" in told
    assert "4 characters a token" in told
    assert "2.0 minutes or more" in told
    assert not (tmp_path / "run").exists()
    with pytest.raises(RecipeError, match=r"no synthesise stage is called 'writen'; did you mean 'written'\?"):
        estimate_stage(recipe, "writen", tmp_path / "run", None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"teacher": {"url": "http://h/v1"}}, "needs name"),
        ({"teacher": {"url": "http://user:pass@h/v1", "name": "m"}}, "a key is never in a recipe"),
        ({"teacher": {"url": "http://h/v1?key=1", "name": "m"}}, "a key is never in a recipe"),
        ({"teacher": {"url": "h:80", "name": "m"}}, "url is an address"),
        ({"teacher": {"name": "m"}}, r"either model .* or url"),
        ({"max_cost": 1}, "max_cost needs teacher.price_per_million"),
        ({"tasks": [{"task": "exam", "corpora": [{"name": "bundled-exam"}], "sample": 2}]}, r"unknown key 'sample'; did you mean 'samples'\?"),
        ({"tasks": [{"task": "exam", "corpora": [{"name": "bundled-exam"}], "prompts": {"exm": "plain"}}]}, "no step is called 'exm'"),
        ({"tasks": [{"task": "exam", "corpora": [{"name": "bundled-exam"}]}] * 2}, "two tasks are called 'exam'"),
        ({"tasks": [{"task": "exams", "corpora": [{"name": "bundled-exam"}]}]}, r"tasks\.0\.task: a task is one of: exam, grounded, vignette"),
        ({"concurency": 2}, r"unknown key 'concurency'; did you mean 'concurrency'\?"),
        ({"teacher": {"url": "http://h/v1", "name": "m", "temprature": 1}}, r"did you mean 'temperature'\?"),
    ],
)  # fmt: skip
def test_a_recipe_that_cannot_be_right_is_refused(change: dict, message: str, tmp_path: Path):
    block = {
        "kind": "synthesise",
        "teacher": {"url": "http://h/v1", "name": "m"},
        "tasks": [{"task": "exam", "corpora": [{"name": "bundled-exam"}]}],
    }
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"name": "mine", "stages": {"written": {**block, **change}}}))
    with pytest.raises(RecipeError, match=message):
        load_recipe(str(path))


def test_items_of_the_recipes_own_exam_are_no_training_data(tmp_path: Path):
    def recipe(part: str, share: float) -> Path:
        written = {
            "kind": "synthesise",
            "teacher": {"model": "base"},
            "tasks": [
                {"task": "exam", "corpora": [{"name": "bundled-exam", "part": "train", "held_out_share": share}]}
            ],
        }
        asked = {
            "kind": "exam",
            "models": ["base"],
            "items": [{"name": "bundled-exam", "part": part, "held_out_share": 0.3}],
        }
        path = tmp_path / "mine.yaml"
        block = {"name": "mine", "base_model": "bundled:osler-nano-base", "stages": {"written": written, "exam": asked}}
        path.write_text(yaml.safe_dump(block))
        return path

    load_recipe(str(recipe("held_out", 0.3)))
    for part, share in (("all", 0.3), ("train", 0.3), ("held_out", 0.2)):
        with pytest.raises(
            RecipeError, match="makes training data of 'bundled-exam', which an exam of this recipe asks"
        ):
            load_recipe(str(recipe(part, share)))


def test_a_prompt_of_the_recipes_own_is_used(tmp_path: Path, sources, draft):
    own = tmp_path / "mine.jinja"
    own.write_text("Quick: {{ question }}")
    with endpoint(right) as teacher:
        block = stage(teacher.url, exam(write_items(tmp_path, 2), prompts={"exam": str(own)}))
        synthesise(block, 7, None, None, sources, draft)
    assert all(prompt.startswith("Quick: Which finding") for prompt in teacher.prompts())
    own.write_text("{{ passage }}")
    with pytest.raises(RecipeError, match=r"mine\.jinja: 'passage' is undefined; this step gives: question, stem"):
        estimate(block, sources, None)


def test_records_of_another_type_are_named(tmp_path: Path, sources, draft):
    path = write_documents(tmp_path, ("scarlet fever", PASSAGE))
    with pytest.raises(DataError, match="holds Document records; a task of kind exam needs ExamItem"):
        synthesise(stage("http://127.0.0.1:9/v1", exam(path)), 7, None, None, sources, draft)


def test_passages_hold_all_of_a_text_and_are_cut_between_sentences():
    text = "One sentence here. And a second one follows.\n第三句话在这里。第四句。" + "x" * 100
    found = passages(text, 45)
    assert all(len(one) <= 45 for one in found)
    assert "".join("".join(found).split()) == "".join(text.split())
    assert found[0] == "One sentence here. And a second one follows."
    assert Document(id="1", text=text)


def test_a_journal_with_a_damaged_line_is_read_up_to_it(tmp_path: Path):
    path = tmp_path / "journal.jsonl"
    spent = {"requests": 1, "prompt_tokens": 2, "completion_tokens": 3, "failures": {}}
    one = Journal(path)
    for key in "abc":
        one.add({"key": key, "outcome": "kept", "record": {}, "tries": 1, "spent": spent})
    one.close()
    path.write_bytes(path.read_bytes()[:-4])
    found = Journal(path)
    assert list(found.outcomes) == ["a", "b"]
    assert found.spent.requests == 2
    found.add({"key": "c", "outcome": "dropped", "reason": "r", "said": "", "tries": 1, "spent": spent})
    assert found.read("c")["reason"] == "r"
    assert found.read("a")["outcome"] == "kept"
    found.close()
    assert Journal(path).outcomes == {"a": "kept", "b": "kept", "c": "dropped"}


@pytest.mark.slow
def test_the_embedded_model_behind_our_own_vllm_is_a_teacher(base_model: Path, sources, draft):
    """The base knows no medicine: whether it names an option is chance, and that each item is accounted for is not."""
    block = {
        "kind": "synthesise",
        "teacher": {"model": "base", "max_tokens": 24, "temperature": 1.0, "extra": {"stop": [".", "\n"]}},
        "tasks": [exam(Path("bundled-exam"), choice="text", prompts={"exam": "plain"})],
        "max_tries": 3,
    }
    block["tasks"][0]["corpora"][0] |= {"limit": 24, "part": "train", "held_out_share": 0.3}
    made: SynthesiseStage = TypeAdapter(Stage).validate_python(block)
    with contextlib.suppress(DataError):  # none of them, by chance
        synthesise(made, 7, str(base_model), "f" * 64, sources, draft)
    journal = Journal(draft.checkpoints / "journal.jsonl")
    assert len(journal.outcomes) == 24
    assert 24 <= journal.spent.requests <= 72
    assert not journal.spent.failures
    assert {"kept", "dropped"} >= set(journal.outcomes.values())
    kept = [Dialogue.model_validate(line) for line in lines(draft)]
    assert len(kept) == list(journal.outcomes.values()).count("kept")
    assert len(kept) + len(lines(draft, "dropped.jsonl")) == 24
    for one in kept:
        assert one.meta["teacher_fingerprint"] == "f" * 64
        assert one.messages[1].content.strip()
