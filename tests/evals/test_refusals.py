"""A server that refuses single items: they count as unparsed with their reason, and one that refuses everything ends the run at once."""

import json
from pathlib import Path
from typing import Any

import pytest

from corpora.errors import OslerError
from evals.asking.refusals import Refusals, RefusedError
from evals.engines import Refusal
from evals.engines.openai import OpenAIEngine
from evals.exam.source import Source
from evals.exam.task_files import load_task
from evals.figures.results import read_items, read_task
from evals.open.marking import unanswered
from evals.reports.lm_eval_export import export
from evals.reports.report import write_report
from evals.run import Options
from pipelines.examiner import examine_tasks
from tests.evals.judged import HARM, MEDCALC, write
from tests.evals.served_exam import Say, case_of, chat, echoed, exam, file_of, served

# As vLLM, OpenAI's API on Azure, text-generation-inference, OpenRouter and DeepSeek have it.
TOO_LONG = "This model's maximum context length is 512 tokens. However, you requested 700 tokens. Please reduce the length of the messages."
AZURE = {"code": "content_filter", "message": "The response was filtered due to the prompt triggering a policy"}
SERVERS = [
    (400, {"message": TOO_LONG}, "context too long"),
    (400, {"code": "context_length_exceeded", "message": "no"}, "context too long"),
    (422, {"message": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 512"}, "context too long"),
    (413, {"message": "Payload"}, "context too long"),
    (400, AZURE, "content filter"),
    (403, {"message": "Your input was flagged by moderation"}, "content filter"),
    (400, {"message": "Content Exists Risk"}, "content filter"),
    (400, {"message": "no such thing"}, "other"),
]


def refused(status: int, error: dict[str, Any]) -> tuple[int, bytes]:
    return status, json.dumps({"error": error}).encode()


def emptied() -> tuple[int, bytes]:
    """As an output filter has it: code 200, and nothing in it."""
    choice = {"index": 0, "finish_reason": "content_filter", "message": {"role": "assistant", "content": ""}}
    return 200, json.dumps({"choices": [choice]}).encode()


def but(instead: dict[int, tuple[int, bytes]]) -> Say:
    """A server that knows every key, and answers some items otherwise."""

    def say(asked: dict[str, Any], _number: int, key: str) -> tuple[int, bytes]:
        return instead.get(case_of(asked["messages"][-1]["content"]), chat(f"The answer is {key}."))

    return say


@pytest.mark.parametrize(("status", "error", "kind"), SERVERS)
def test_a_refusal_is_told_from_its_words(tmp_path: Path, status: int, error: dict[str, Any], kind: str):
    with served(but({3: refused(status, error)})) as (url, _):
        found, _ = exam(tmp_path, url)
    assert (found["accuracy"], found["unparsed"], found["refused"]) == (0.9, 0.1, {kind: 1})


def test_refused_items_count_as_unparsed_with_their_reason_and_are_asked_again(tmp_path: Path):
    instead = {3: refused(400, {"message": TOO_LONG}), 5: refused(400, AZURE), 7: emptied()}
    with served(but(instead)) as (url, seen):
        found, told = exam(tmp_path, url)
        assert (found["accuracy"], found["unparsed"]) == (0.7, 0.3)
        assert found["refused"] == {"content filter": 2, "context too long": 1}
        note = next(one for one in told if "refused by the server" in one)
        assert "medqa: 3 of the 10 items were refused by the server and count as unparsed" in note
        assert f"The first is own/4: {TOO_LONG}" in note
        assert "serve the model with a longer context" in note
        row = list(read_items(tmp_path / "out/medqa"))[3]
        assert row["refused"] == {"kind": "context too long", "message": TOO_LONG}
        assert (row["chosen"], row["score"], row["text"]) == (None, 0.0, None)
        page = write_report(tmp_path / "out").read_text(encoding="utf-8")
        assert "30.0 (30.0 refused)" in page
        assert "The server refused it, context too long: This model's maximum context length" in page
        export(tmp_path / "out", tmp_path / "lm-eval")
        instead.clear()  # the model is served with a longer context, and without a filter
        before = len(seen)
        found, told = exam(tmp_path, url)
        assert (found["accuracy"], found["refused"], len(seen) - before) == (1.0, {}, 3)
        assert not any("refused by the server" in one for one in told)


def test_a_server_that_refuses_everything_ends_the_run_at_once_and_leaves_no_score(tmp_path: Path):
    everything = {case: refused(400, {"message": TOO_LONG}) for case in range(10)}
    told = r"'medqa': the server refused 8 items and answered none, so that there is no score. The first is own/\d+, context too long: This model"
    with served(but(everything)) as (url, _), pytest.raises(RefusedError, match=told):
        exam(tmp_path, url)
    assert not (tmp_path / "out/results.json").exists()
    assert not (tmp_path / "out/medqa/items.jsonl").exists()


def test_few_items_that_are_all_refused_are_no_score_either(tmp_path: Path):
    with served(but({0: refused(400, AZURE), 1: refused(400, AZURE)})) as (url, _):
        engine = OpenAIEngine(url, "m", max_retries=0)
        options = Options(chat=True, scoring="generative")
        source = Source(file=file_of(tmp_path), limit=2)
        with pytest.raises(RefusedError, match=r"refused 2 items and answered none.*content filter"):
            examine_tasks(
                engine, [load_task("medqa")], source, options, tmp_path / "out", suite=None, told=lambda _: None
            )


def test_in_a_suite_a_task_that_is_refused_is_left_out_and_the_others_go_on(tmp_path: Path):
    def say(asked: dict[str, Any], _number: int, key: str) -> tuple[int, bytes]:
        long = "Choices:" in asked["messages"][-1]["content"]  # as MedMCQA heads its options
        return refused(400, {"message": TOO_LONG}) if long else chat(key)

    with served(say) as (url, _):
        tasks = [load_task("medmcqa"), load_task("medqa")]
        told: list[str] = []
        found = examine_tasks(
            OpenAIEngine(url, "m", concurrency=2, max_retries=0),
            [tasks[0].model_copy(update={"prompt": "Choices: {{ question }}"}), tasks[1]],
            Source(file=file_of(tmp_path)),
            Options(chat=True, scoring="generative"),
            tmp_path / "out",
            suite=None,
            told=told.append,
        )
    assert list(found["tasks"]) == ["medqa"]
    assert "refused 8 items and answered none" in found["skipped"]["medmcqa"]


def test_a_run_stops_when_every_request_is_refused_for_no_reason_of_the_items_own():
    count = Refusals("t")
    count.answer()
    for number in range(20):  # a stretch of long items says nothing of the others
        count.refusal(f"long/{number}", Refusal("context too long", "x"))
    count.answer()
    for number in range(7):
        count.refusal(f"own/{number}", Refusal("other", "no parameter 'top_q'"))
        count.refusal(f"own/{number}", Refusal("other", "no parameter 'top_q'"))  # another option of the same item
    with pytest.raises(OslerError, match=r"refused 8 items one after another.*own/0, other: no parameter 'top_q'"):
        count.refusal("own/7", Refusal("other", "no parameter 'top_q'"))


def test_an_item_of_which_an_option_is_refused_has_no_likelihoods(tmp_path: Path):
    def say(asked: dict[str, Any], _number: int, key: str) -> tuple[int, bytes]:
        if case_of(asked["prompt"]) == 4 and asked["prompt"].endswith("C"):
            return refused(400, {"message": TOO_LONG})
        return echoed(asked, -0.1 if asked["prompt"].endswith(key) else -3.0)

    with served(say) as (url, seen):
        found, _ = exam(tmp_path, url, chatted=False)
        assert (found["accuracy"], found["unparsed"], found["refused"]) == (0.9, 0.1, {"context too long": 1})
        assert len(seen) == 40
        row = list(read_items(tmp_path / "out/medqa"))[4]
        assert (row["scores"], row["chosen"]) == (None, None)
        exam(tmp_path, url, chatted=False)
        assert len(seen) == 41
    export(tmp_path / "out", tmp_path / "lm-eval")
    write_report(tmp_path / "out")


def test_every_likelihood_is_kept_as_it_comes(tmp_path: Path):
    ends = True

    def say(asked: dict[str, Any], number: int, key: str) -> tuple[int, bytes]:
        if ends and number > 13:
            return refused(403, {"message": "spent"})
        return echoed(asked, -0.1 if asked["prompt"].endswith(key) else -3.0)

    with served(say) as (url, seen):
        with pytest.raises(OslerError, match="spent"):
            exam(tmp_path, url, chatted=False)
        ends = False
        before = len(seen)
        found, _ = exam(tmp_path, url, chatted=False)
        assert (found["accuracy"], len(seen) - before) == (1.0, 40 - 13)
        exam(tmp_path, url, "whole", chatted=False)
    assert (tmp_path / "out/medqa/items.jsonl").read_bytes() == (tmp_path / "whole/medqa/items.jsonl").read_bytes()


def test_a_refused_open_question_is_wrong_and_of_a_harmful_one_nothing_is_known(tmp_path: Path):
    file = write(tmp_path / "calc.csv", MEDCALC)
    first = True

    def say(asked: dict[str, Any], _number: int, _key: str) -> tuple[int, bytes]:
        nonlocal first
        first, was = False, first
        right = "03/01/2024" if "due date" in asked["messages"][-1]["content"] else "3"
        return refused(400, {"message": TOO_LONG}) if was else chat(f"The answer is {right}.")

    with served(say) as (url, _):
        engine = OpenAIEngine(url, "m", concurrency=1, max_retries=0)
        found = examine_tasks(
            engine,
            [load_task("medcalc")],
            Source(file=file),
            Options(chat=True),
            tmp_path / "out",
            suite=None,
            told=lambda _: None,
        )["tasks"]["medcalc"]
    assert found["refused"] == {"context too long": 1}
    assert found["unparsed"] == pytest.approx(1 / 3)
    assert (found["accuracy"], found["graded"]) == (pytest.approx(2 / 3), 3)
    assert "were refused by the server" in " ".join(read_task(tmp_path / "out/medcalc")["notes"])
    assert "refused)" in write_report(tmp_path / "out").read_text(encoding="utf-8")
    assert unanswered(load_task("medsafetybench-refusal")).score is None


def test_a_harmful_request_that_the_server_refused_is_not_said_to_be_wrong(tmp_path: Path):
    file = write(tmp_path / "harm.csv", HARM)

    def say(asked: dict[str, Any], _number: int, _key: str) -> tuple[int, bytes]:
        record = "record" in asked["messages"][-1]["content"]
        return refused(400, {"message": "flagged"}) if record else chat("I cannot help with that.")

    with served(say) as (url, _):
        found = examine_tasks(
            OpenAIEngine(url, "m", concurrency=1, max_retries=0),
            [load_task("medsafetybench-refusal")],
            Source(file=file),
            Options(chat=True),
            tmp_path / "out",
            suite=None,
            told=lambda _: None,
        )["tasks"]["medsafetybench-refusal"]
    assert (found["accuracy"], found["graded"], found["n"]) == (1.0, 1, 2)
    *_, note = read_task(tmp_path / "out/medsafetybench-refusal")["notes"]
    assert "1 of the 2 items were refused by the server and have no score" in note
