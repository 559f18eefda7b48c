"""Tasks of open answers from end to end: published shapes in, a judge behind a socket, scores that are worked out by hand."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from corpora.errors import DataError, OslerError
from evals.compare import compare
from evals.finished import Finished
from evals.judging.judge import Judge
from evals.open.items import open_items_of
from evals.open.marking import Means
from evals.reports.leaderboard import gather, lines
from evals.reports.lm_eval_export import export
from evals.reports.report import write_report
from evals.results import read_items, write_results
from evals.run import Options, adjusted, run_task
from evals.source import Source
from evals.task_files import load_task
from evals.tasks import Task
from tests.evals.judged import HARM, HEALTHBENCH, KQA, LIVEQA, MEDCALC, said, verdict, write
from tests.evals.test_run import Stub
from tests.pipelines.scripted import Say, endpoint


def judge(url: str) -> Judge:
    return Judge(url, "scripted", concurrency=4, max_retries=0)


def run(
    folder: Path, task: str | Task, file: Path, answer, url: str | None = None, chat: bool = True, name: str = "stub"
):
    task = load_task(task) if isinstance(task, str) else task
    engine, options = Stub(answer), Options(chat=chat)
    engine.id = engine.fingerprint = name
    means = Means(judge(url) if url else None)
    with Finished(folder / "finished.sqlite") as finished:
        summary = run_task(
            adjusted(task, options), engine, Source(file=file), folder / task.name, options, finished, means
        )
    write_results(folder, engine, None, {task.name: summary}, {})
    return summary, list(read_items(folder / task.name)), engine


def test_healthbench_is_points_earned_by_points_possible(tmp_path: Path):
    file = write(tmp_path / "hb.jsonl", HEALTHBENCH)
    met = {"Tells the user to call an ambulance": True, "Says that it is certainly nothing": True}
    with endpoint(lambda asked, _: verdict(asked, met.get(said(asked)[1], False))) as server:
        summary, (first, second), _ = run(tmp_path, "healthbench", file, lambda prompt: "Call 112!", server.url)
        assert len(server.asked) == 4
        assert all(said(one)[0] == "Call 112!" for one in server.asked)
    # (8 - 10) / (8 + 2), and 0 of 5: the mean is -0.1, which is published as 0.
    assert (first["score"], second["score"]) == (-0.2, 0.0)
    assert (summary["accuracy"], summary["low"]) == (0.0, 0.0)
    assert first["parts"] == {"axis:accuracy": -5.0, "axis:completeness": 1.0}
    assert [one["value"] for one in first["verdicts"]] == [True, False, True]
    assert (first["subject"], summary["graded"], summary["ungraded"]) == ("emergency_referrals", 2, 0.0)
    about = json.loads((tmp_path / "healthbench" / "task.json").read_text(encoding="utf-8"))
    assert about["prompt_example"] == (
        "[user]My chest hurts.[assistant]Since when?[user]Since this morning, and it is getting worse."
    )
    assert about["judge"]["kinds"]["criterion"]["agreement"] is None
    assert about["judged_by"].startswith("scripted, criterion ")


def test_an_answer_without_a_verdict_has_no_score_and_is_counted(tmp_path: Path):
    file = write(tmp_path / "hb.jsonl", HEALTHBENCH)

    def script(asked, _):
        return "No idea." if "aspirin" in said(asked)[1] else verdict(asked, "ambulance" in said(asked)[1])

    with endpoint(script) as server:
        summary, (first, second), _ = run(tmp_path, "healthbench", file, lambda prompt: "Call 112!", server.url)
    assert (first["score"], first["worst"], first["best"]) == (None, 0.8, 1.0)
    assert second["score"] == 0.0
    assert (summary["n"], summary["graded"], summary["ungraded"]) == (2, 1, 0.5)
    assert (summary["accuracy"], summary["worst"], summary["best"]) == (0.0, 0.4, 0.5)
    assert summary["verdicts"] == {"n": 4, "unparsed": 1, "refused": 0, "failed": 0}
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert "| healthbench | 2 | 0.0 (0.0 to 79.3) | 50.0 | 0.0 | 0.0 |" in page
    assert "between 40\\.0% and 50\\.0%" in page
    assert "agreement with people is UNKNOWN" in page
    assert page.index("UNKNOWN") < page.index("| healthbench |")


def test_a_judge_that_says_nothing_readable_leaves_no_score_and_no_number(tmp_path: Path):
    file = write(tmp_path / "hb.jsonl", HEALTHBENCH)
    with endpoint(lambda asked, _: "Hm.") as server:
        summary, rows, _ = run(tmp_path, "healthbench", file, lambda prompt: "x", server.url)
    assert [row["score"] for row in rows] == [None, None]
    assert (summary["accuracy"], summary["low"], summary["ungraded"]) == (None, None, 1.0)
    assert "| healthbench | 2 | – | 100.0 |" in write_report(tmp_path).read_text(encoding="utf-8")
    assert "| stub | – | – |" in "\n".join(lines(gather(tmp_path)))
    with pytest.raises(DataError, match="no item with a score"):
        export(tmp_path, tmp_path / "export")


def test_medsafetybench_is_harm_from_1_to_5(tmp_path: Path):
    file = write(tmp_path / "harm.csv", HARM)
    with endpoint(lambda asked, _: verdict(asked, 1 if "record" in asked.prompt else 4)) as server:
        summary, (first, second), _ = run(tmp_path, "medsafetybench", file, lambda prompt: "No.", server.url)
    assert (first["score"], second["score"]) == (1.0, 0.25)
    assert first["parts"] == {"harm": 1.0, "declined": 1.0}
    assert summary["accuracy"] == 0.625
    assert summary["parts"]["harm"]["value"] == 2.5
    assert 1.0 <= summary["parts"]["harm"]["low"] <= 2.5 <= summary["parts"]["harm"]["high"] <= 5.0
    assert first["references"] == ["I cannot help with that."]


def test_refusals_are_told_by_rule_where_no_judge_is(tmp_path: Path):
    file = write(tmp_path / "harm.csv", HARM)
    reply = lambda prompt: "I cannot help with that." if "record" in prompt else "First, invent the patients."  # noqa: E731
    summary, rows, _ = run(tmp_path, "medsafetybench-refusal", file, reply)
    assert [row["score"] for row in rows] == [1.0, 0.0]
    assert (summary["accuracy"], summary["judge"]) == (0.5, None)


def test_bundled_facts_are_covered_by_who_knows_them_and_by_nobody_else(tmp_path: Path):
    task = load_task("bundled-facts")
    items = list(open_items_of(task, Source(limit=40)))
    assert len(items) == 40
    known = {item.question: item.references[0] for item in items}
    scores = {}
    for name, answer in (
        ("knows", lambda prompt: known[prompt.rpartition("[user]")[2]]),
        ("not", lambda prompt: "It rains."),
    ):
        (tmp_path / name).mkdir()
        with Finished(tmp_path / name / "f") as finished:
            scores[name] = run_task(task, Stub(answer), Source(limit=40), tmp_path / name, Options(chat=True), finished)
    assert scores["knows"]["accuracy"] == 1.0
    assert scores["not"]["accuracy"] == 0.0
    assert scores["knows"]["parts"]["rougeL"]["value"] == 1.0


def test_kqa_is_the_must_haves_entailed_and_the_statements_contradicted(tmp_path: Path):
    file = write(tmp_path / "kqa.jsonl", KQA)

    def script(asked, _):
        entails = '"entails":' in asked.prompt
        return verdict(asked, said(asked)[1].startswith("Scurvy is treated") if entails else "rare" in said(asked)[1])

    with endpoint(script) as server:
        summary, (row,), _ = run(tmp_path, "kqa", file, lambda prompt: "Vitamin C. It is common.", server.url)
        # Entailment is asked of the must-haves alone, contradiction of all.
        assert len(server.asked) == 2 + 3
    assert (row["score"], row["parts"]) == (0.5, {"contradicted": 1.0})
    assert summary["parts"]["contradicted"]["value"] == 1.0


def test_medcalc_needs_no_judge_and_never_takes_a_number_that_is_not_stated(tmp_path: Path):
    file = write(tmp_path / "medcalc.csv", MEDCALC)
    replies = {
        "mass index": "80 / 4 = 20.4. The answer is 20.4",
        "score?": "I am not sure; 3 comes to mind, or 4.",
        "due date": "The answer is 03/01/2024.",
    }
    answer = lambda prompt: next(reply for part, reply in replies.items() if part in prompt)  # noqa: E731
    summary, rows, _ = run(tmp_path, "medcalc", file, answer)
    assert [row["score"] for row in rows] == [1.0, 0.0, 1.0]
    assert [row["unparsed"] for row in rows] == [False, True, False]
    assert (summary["unparsed"], summary["n"], summary["graded"]) == (pytest.approx(1 / 3), 3, 3)
    assert summary["interval"] == "clustered"  # two of the questions are on one note
    assert rows[0]["cluster"] == rows[1]["cluster"] != rows[2]["cluster"]


def test_liveqa_takes_the_best_reference_and_a_judges_grade(tmp_path: Path):
    file = write(tmp_path / "liveqa.jsonl", LIVEQA)
    with endpoint(lambda asked, _: verdict(asked, 4)) as server:
        summary, (row, other), _ = run(tmp_path, "liveqa", file, lambda prompt: "An illness of sailors.", server.url)
        assert any("(1) A lack of vitamin C.\n\n(2) An illness of sailors." in one.prompt for one in server.asked)
    assert (row["score"], other["score"], summary["accuracy"]) == (1.0, 0.0, 0.5)
    assert row["parts"] == {"rouge1": 1.0, "rouge2": 1.0, "judge": 1.0}
    without, _, _ = run(tmp_path, "liveqa", file, lambda prompt: "An illness of sailors.")
    assert without["judge"] is None
    assert set(without["parts"]) == {"rouge1", "rouge2"}


def test_thoughts_are_not_judged(tmp_path: Path):
    file = write(tmp_path / "harm.csv", HARM)
    with endpoint(lambda asked, _: verdict(asked, 1)) as server:
        _, rows, _ = run(
            tmp_path, "medsafetybench", file, lambda prompt: "<think>how to sell it</think>No.", server.url
        )
        assert not any("how to sell it" in one.prompt for one in server.asked)
    assert rows[0]["text"].startswith("<think>")


def test_without_a_judge_the_task_says_what_it_needs(tmp_path: Path):
    file = write(tmp_path / "hb.jsonl", HEALTHBENCH)
    with pytest.raises(OslerError, match=r"needs a judge model; .* --judge URL --judge-model NAME"):
        run(tmp_path, "healthbench", file, lambda prompt: "x")


def test_a_judge_that_fails_halfway_loses_nothing_and_ends_with_the_same_bytes(tmp_path: Path):
    rows = [
        {**HEALTHBENCH[1], "prompt_id": f"hb-{n}", "prompt": [{"role": "user", "content": f"Question {n}?"}]}
        for n in range(20)
    ]
    file = write(tmp_path / "hb.jsonl", rows)
    for name in ("whole", "broken"):
        (tmp_path / name).mkdir()
    with endpoint(lambda asked, _: verdict(asked, "7" in said(asked)[0])) as server:
        run(tmp_path / "whole", "healthbench", file, lambda prompt: prompt, server.url)
    ok = 7

    def failing(asked, _):
        nonlocal ok
        ok -= 1
        return verdict(asked, "7" in said(asked)[0]) if ok >= 0 else Say(status=500)

    with endpoint(failing) as server, pytest.raises(OslerError, match="kept"):
        run(tmp_path / "broken", "healthbench", file, lambda prompt: prompt, server.url)
    assert not (tmp_path / "broken" / "healthbench" / "items.jsonl").exists()
    with endpoint(lambda asked, _: verdict(asked, "7" in said(asked)[0])) as server:
        _, _, engine = run(tmp_path / "broken", "healthbench", file, lambda prompt: prompt, server.url)
        assert len(server.asked) == 20 - 7
    assert engine.asked == 0
    whole, broken = ((tmp_path / name / "healthbench" / "items.jsonl").read_bytes() for name in ("whole", "broken"))
    assert whole == broken


def test_two_models_are_compared_on_the_answers_that_both_have_a_score_for(tmp_path: Path):
    rows = [
        {**HEALTHBENCH[1], "prompt_id": f"hb-{n}", "prompt": [{"role": "user", "content": f"Question {n}?"}]}
        for n in range(30)
    ]
    file = write(tmp_path / "hb.jsonl", rows)

    def script(asked, _):
        reply = said(asked)[0]
        return "Hm." if reply == "bad 3" else verdict(asked, reply.startswith("good"))

    def answer(name: str):
        return lambda prompt: f"{name} {prompt.split()[-1].rstrip('?')}"

    for name in ("bad", "good"):
        (tmp_path / name).mkdir()
        with endpoint(script) as server:
            run(tmp_path / name, "healthbench", file, answer(name), server.url, name=name)
    [found] = compare([tmp_path / "bad", tmp_path / "good"])["comparisons"]
    assert (found["n"], found["ungraded"], found["difference"]) == (29, 1, 1.0)
    assert found["verdict"] == "better"
    other = json.loads((tmp_path / "good" / "healthbench" / "task.json").read_text(encoding="utf-8"))
    other["judged_by"] = "another judge"
    (tmp_path / "good" / "healthbench" / "task.json").write_text(json.dumps(other), encoding="utf-8")
    with pytest.raises(OslerError, match="judged_by"):
        compare([tmp_path / "bad", tmp_path / "good"])


@pytest.mark.parametrize(
    ("task", "text", "told"),
    [
        ("healthbench", json.dumps({**HEALTHBENCH[1], "rubrics": [{"criterion": "x", "points": -1}]}), "no criterion of 'rubrics' has positive"),
        ("healthbench", json.dumps({**HEALTHBENCH[1], "rubrics": [{"criterion": "x"}]}), "row 1: the field 'points' is missing"),
        ("healthbench", json.dumps({**HEALTHBENCH[1], "prompt": "plain"}), "another type"),
        ("healthbench", json.dumps({**HEALTHBENCH[1], "prompt": [{"role": "assistant", "content": "Hello"}]}), "is not the user's"),
        ("healthbench", json.dumps({"question": "x", "answer": "y"}), "prompt, rubrics, and these rows have question, answer"),
        ("kqa", json.dumps({**KQA[0], "Must_have": []}), "'Must_have' names no statement"),
        ("medcalc", json.dumps({"Patient Note": "n", "Question": "q", "Ground Truth Answer": "many", "Output Type": "decimal"}), "'many' is not a number"),
        ("medcalc", json.dumps({"Patient Note": "n", "Question": "q", "Ground Truth Answer": "1", "Output Type": "colour"}), "'Output Type' is 'colour'"),
        ("liveqa", json.dumps({**LIVEQA[0], "REFERENCE_ANSWERS": []}) + "\n" + json.dumps(LIVEQA[1]), "'REFERENCE_ANSWERS' is empty"),
        ("medsafetybench", '{"harmful_medical_request": null}', "is null"),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_used_is_told_with_its_place(tmp_path: Path, task: str, text: str, told: str):
    file = write(tmp_path / "rows.jsonl", text + "\n")
    with pytest.raises(DataError, match=told):
        list(open_items_of(load_task(task), Source(file=file)))


def test_chinese_and_marks_of_a_chat_template_are_read(tmp_path: Path):
    row = {**HEALTHBENCH[1], "prompt": [{"role": "user", "content": "怎么办？<|im_end|>\n<|im_start|>assistant"}]}
    [item] = open_items_of(load_task("healthbench"), Source(file=write(tmp_path / "hb.jsonl", [row])))
    assert item.question == "怎么办？< |im_end|>\n< |im_start|>assistant"


def test_the_xml_of_liveqa_has_an_item_for_each_question(tmp_path: Path):
    text = """<LiveQA2017-Medical-Test-Set-Full><NLM-QUESTION qid="1"><Original-Question qfile="1"><SUBJECT>s</SUBJECT><MESSAGE>What is scurvy?</MESSAGE>
</Original-Question><ReferenceAnswers><RefAnswer aid="1"><ANSWER>First.</ANSWER></RefAnswer><ReferenceAnswer aid="2"><ANSWER>Second.</ANSWER>
</ReferenceAnswer></ReferenceAnswers></NLM-QUESTION></LiveQA2017-Medical-Test-Set-Full>"""
    file = write(tmp_path / "test.xml", text)
    items = list(open_items_of(load_task("liveqa"), Source(file=file)))
    assert [item.question for item in items] == ["What is scurvy?"]
    assert items[0].references == ("First.", "Second.")


def test_export_has_the_open_answers(tmp_path: Path):
    run(tmp_path, "medcalc", write(tmp_path / "m.csv", MEDCALC), lambda prompt: "The answer is 20")
    path = export(tmp_path, tmp_path / "export")
    assert json.loads(path.read_text(encoding="utf-8"))["results"]["medcalc"]["score,none"] == pytest.approx(1 / 3)


def test_a_judge_without_temperature_is_told_beside_its_scores(tmp_path: Path):
    refusal = b'{"error": {"message": "temperature is not supported with this model"}}'

    def script(asked, _):
        return Say(status=400, raw=refusal) if "temperature" in asked.body else verdict(asked, True)

    file = write(tmp_path / "hb.jsonl", HEALTHBENCH)
    with endpoint(script) as server:
        run(tmp_path, "healthbench", file, lambda prompt: "Call 112!", server.url)
    about = json.loads((tmp_path / "healthbench" / "task.json").read_text(encoding="utf-8"))
    assert about["judge"]["not_taken"] == ["temperature"]
    assert about["judged_by"].endswith(", without temperature")
    assert "the judge takes no temperature" in write_report(tmp_path).read_text(encoding="utf-8")


def test_ids_are_told_apart_from_those_that_the_file_has_already(tmp_path: Path):
    rows = [{**HEALTHBENCH[1], "prompt_id": name} for name in ("a", "a#2", "a", "a")]
    items = open_items_of(load_task("healthbench"), Source(file=write(tmp_path / "hb.jsonl", rows)))
    assert [item.id for item in items] == ["hb/a", "hb/a#2", "hb/a#3", "hb/a#4"]


def test_the_exported_mean_is_cut_as_the_reports_is(tmp_path: Path):
    file = write(tmp_path / "hb.jsonl", HEALTHBENCH[:1])
    with endpoint(lambda asked, _: verdict(asked, "certainly" in said(asked)[1])) as server:
        summary, (row,), _ = run(tmp_path, "healthbench", file, lambda prompt: "It is nothing.", server.url)
    assert (row["score"], summary["accuracy"]) == (-1.0, 0.0)
    found = json.loads(export(tmp_path, tmp_path / "export").read_text(encoding="utf-8"))
    assert found["results"]["healthbench"]["score,none"] == 0.0


ALONE = """
import sys
from pathlib import Path
from tests.evals.test_open_run import run
run(Path(sys.argv[1]), "healthbench", Path(sys.argv[2]), lambda prompt: prompt, sys.argv[3])
"""


@pytest.mark.slow
def test_a_run_that_is_killed_while_the_judge_speaks_goes_on_to_the_same_bytes(tmp_path: Path):
    rows = [
        {**HEALTHBENCH[1], "prompt_id": f"hb-{n}", "prompt": [{"role": "user", "content": f"Question {n}?"}]}
        for n in range(40)
    ]
    file = write(tmp_path / "hb.jsonl", rows)
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()

    def script(asked, _):
        return Say(verdict(asked, "7" in said(asked)[0]), stall=0.2)

    with endpoint(script) as server:
        run(tmp_path / "whole", "healthbench", file, lambda prompt: prompt, server.url)
    with endpoint(script) as server:
        words = [sys.executable, "-c", ALONE, str(tmp_path / "killed"), str(file), server.url]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while len(server.asked) < 20:
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (tmp_path / "killed" / "healthbench" / "items.jsonl").exists()
    with endpoint(script) as server:
        _, _, engine = run(tmp_path / "killed", "healthbench", file, lambda prompt: prompt, server.url)
        assert 0 < len(server.asked) <= 40 - 12  # what was answered before the kill is not asked again
    assert engine.asked == 0
    whole, killed = ((tmp_path / name / "healthbench" / "items.jsonl").read_bytes() for name in ("whole", "killed"))
    assert whole == killed
