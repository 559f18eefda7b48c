"""A judge's agreement with people: the figures against scikit-learn, the published files, and what an exam says of it."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from corpora.errors import DataError
from evals.asking.finished import Finished
from evals.judging.agreement import kappa, known, macro_f1, measure, save
from evals.judging.judge import Judge
from evals.judging.labels import labelled
from evals.judging.prompts import KINDS
from evals.reports.open_answers import agreement
from pipelines.cli import app
from tests.evals.judged import HARM, said, verdict, write
from tests.pipelines.scripted import endpoint

META = [
    {
        "prompt_id": f"p{row // 2}",
        "prompt": [{"role": "user", "content": f"Question {row // 2}?"}],
        "completion": f"Answer {row}.",
        "rubric": f"Names {row % 3}",
        "category": "cluster:x",
        "binary_labels": labels,
        "anonymized_physician_ids": ["a", "b", "c"][: len(labels)],
    }
    for row, labels in enumerate(
        [[True, True, False], [True, False], [False], [False, False], [True, True], [False, True]]
    )
]
NLI = """,Question,llm_x,answer,claim,category_x,majority_label,label_0,label_1,label_2
0,What is scurvy?,m,A lack of vitamin C.,Scurvy is a lack of vitamin C,Must_have,Entailment,Entailment,Entailment,Neutral
1,What is scurvy?,m,A lack of vitamin C.,Scurvy is catching,Nice_to_have,Contradiction,Neutral,Contradiction,Contradiction
2,Is rain wet?,m,Yes.,Rain falls,Must_have,Neutral,Neutral,Neutral,Neutral
"""


@pytest.mark.parametrize("classes", [2, 5])
def test_the_figures_are_those_of_scikit_learn(classes: int):
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(classes)
    for _ in range(20):
        n = int(rng.integers(5, 60))
        labels = rng.integers(classes, size=n)
        found = np.where(rng.random(n) < 0.6, labels, rng.integers(classes, size=n))
        counts = metrics.confusion_matrix(labels, found, labels=range(classes)).astype(float)[None]
        assert macro_f1(counts)[0] == pytest.approx(metrics.f1_score(labels, found, average="macro"))
        assert kappa(counts)[0] == pytest.approx(metrics.cohen_kappa_score(labels, found))
        squared = metrics.cohen_kappa_score(labels, found, weights="quadratic")
        assert kappa(counts, squared=True)[0] == pytest.approx(squared)


def test_a_worked_table():
    # They agree on 35 of 50, and by chance on (25 · 30 + 25 · 20) / 50² = 0.5.
    counts = np.array([[[20.0, 5.0], [10.0, 15.0]]])
    assert kappa(counts)[0] == pytest.approx(0.4)
    assert macro_f1(counts)[0] == pytest.approx((40 / 55 + 30 / 45) / 2)
    assert np.isnan(kappa(np.array([[[9.0, 0.0], [0.0, 0.0]]]))[0])


def test_the_interval_covers_the_true_kappa():
    rng = np.random.default_rng(7)
    # Verdict equals label with probability 0.8, both classes alike: kappa 0.6.
    hits = 0
    from evals.judging.agreement import _with_interval

    for seed in range(200):
        labels = rng.integers(2, size=150)
        found = np.where(rng.random(150) < 0.8, labels, 1 - labels)
        table = np.zeros((150, 2, 2))
        table[np.arange(150), labels, found] = 1
        interval = _with_interval(table, kappa, seed)
        assert interval is not None
        hits += interval["low"] <= 0.6 <= interval["high"]
    assert 180 <= hits <= 199  # 95% of 200 are 190; three standard deviations are 9


def measured(path: Path, script, folder: Path, kind: str = "criterion"):
    with endpoint(script) as server, Finished(folder / "f") as finished:
        judge = Judge(server.url, "a/judge", max_retries=0)
        return measure(judge, KINDS[kind], labelled(path)[kind], path, finished), judge


def test_healthbenchs_meta_evaluation_is_over_pairs_of_judge_and_physician(tmp_path: Path):
    path = write(tmp_path / "meta.jsonl", META)
    met = {"Answer 0.": True, "Answer 1.": False, "Answer 2.": True, "Answer 3.": False, "Answer 4.": True}
    found, _ = measured(
        path, lambda asked, _: verdict(asked, met[said(asked)[0]]) if said(asked)[0] in met else "Hm.", tmp_path
    )
    assert (found["n"], found["pairs"], found["unparsed"], found["conversations"]) == (6, 10, 1, 3)
    # Row 0: two hits and a miss; 1: a miss and a hit; 2: a miss; 3: two hits; 4: two hits. Of the verdicts "met" 4 of 6 pairs agree, of the
    # labels "met" 4 of 5; of "not met" 3 of 4 and 3 of 5.
    assert found["f1"]["True"] == pytest.approx(2 * 4 / 11)
    assert found["f1"]["False"] == pytest.approx(2 * 3 / 9)
    assert found["macro_f1"]["value"] == pytest.approx((8 / 11 + 6 / 9) / 2)
    assert found["kappa"]["value"] == pytest.approx((0.7 - 0.5) / 0.5)
    assert found["kappa"]["low"] <= found["kappa"]["value"] <= found["kappa"]["high"]
    # Among the physicians: 14 ordered pairs, 4 of them both "met", 2 both "not met".
    assert found["humans"]["pairs"] == 14
    assert found["humans"]["macro_f1"] == pytest.approx((8 / 16 + 4 / 12) / 2)


def test_kqas_statements_are_entailed_and_contradicted(tmp_path: Path):
    found = labelled(write(tmp_path / "nli.csv", NLI))
    assert [one.labels for one in found["entails"]] == [(True, True, False), (False,) * 3, (False,) * 3]
    assert [one.labels for one in found["contradicts"]] == [(False,) * 3, (False, True, True), (False,) * 3]
    assert len({one.cluster for one in found["entails"]}) == 2


def test_rows_of_ones_own(tmp_path: Path):
    rows = [
        {"question": "q?", "answer": "a", "criterion": "c", "label": True},
        {"question": "q?", "answer": "a", "statement": "c", "labels": ["false", True]},
    ]
    assert [one.labels for one in labelled(write(tmp_path / "own.jsonl", rows))["criterion"]] == [
        (True,),
        (False, True),
    ]
    graded = write(tmp_path / "harm.csv", "request,response,label\nq,a,5\nq,b,1\n")
    assert [one.labels for one in labelled(graded)["harm"]] == [(5,), (1,)]
    assert list(labelled(write(tmp_path / "e.jsonl", rows), "entails")) == ["entails"]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"question": "q?", "answer": "a", "criterion": "c", "label": "maybe"}, "is none of 1, 2, 3, 4, 5"),
        ({"question": "q?", "answer": "a", "criterion": "c", "labels": ["true", "maybe"]}, "is none of False, True"),
        ({"question": "q?", "answer": "a", "criterion": "c", "labels": []}, "is none of"),
        ({"question": "q?", "answer": "a", "label": True}, "the field 'criterion' is missing"),
        ({"question": "q?", "label": 1}, "the field 'answer' is missing"),
        ({"text": "x"}, "the field 'question' is missing"),
        ({**META[0], "prompt": [{"role": "wizard", "content": "x"}]}, "the role 'wizard' is none of system, user"),
        ({"Question": "q", "answer": "a", "claim": "c", "majority_label": "Perhaps"}, "'perhaps' is not Entailment"),
    ],
)
def test_a_label_that_is_none_is_refused_with_its_row(tmp_path: Path, row: dict, told: str):
    path = write(tmp_path / "own.jsonl", [{"question": "q?", "answer": "a", "criterion": "c", "label": True}, row])
    with pytest.raises(DataError, match=told) as error:
        labelled(path)
    assert "row 2" in str(error.value)


def test_a_judge_of_whom_nothing_can_be_read_has_no_agreement(tmp_path: Path):
    with pytest.raises(
        DataError, match=r"no verdict on any of 6 judgements could be read; the first reply was: 'Hm\.'"
    ):
        measured(write(tmp_path / "meta.jsonl", META), lambda asked, _: "Hm.", tmp_path)


def test_the_agreement_is_found_by_model_and_wording_and_not_by_address(tmp_path: Path):
    found, judge = measured(write(tmp_path / "meta.jsonl", META), lambda asked, _: verdict(asked, True), tmp_path)
    save(found, tmp_path / "judges")
    assert known(Judge("http://elsewhere/v1", "a/judge"), tmp_path / "judges") == {
        "criterion": json.loads(json.dumps(found))
    }
    assert known(Judge(judge.url, "a-judge"), tmp_path / "judges") == {}
    assert known(Judge(judge.url, "a/judge", extra_body={"reasoning_effort": "low"}), tmp_path / "judges") == {}
    assert known(judge, tmp_path / "none") == {}


def test_the_command_measures_and_an_exam_tells_it_before_the_scores(tmp_path: Path, tiny_model: Path):
    meta = write(tmp_path / "meta.jsonl", META)
    rows = write(
        tmp_path / "hb.jsonl",
        [
            {
                "prompt_id": str(n),
                "prompt": [{"role": "user", "content": f"{n}?"}],
                "rubrics": [{"criterion": "c", "points": 1, "tags": []}],
                "example_tags": [],
            }
            for n in range(3)
        ],
    )
    with endpoint(lambda asked, _: verdict(asked, len(asked.prompt) % 2 == 0)) as server:
        named = ["--judge", server.url, "--judge-model", "j"]
        run = CliRunner().invoke(app, ["judge-agreement", str(meta), *named, "-o", str(tmp_path / "judges"), "--json"])
        assert run.exit_code == 0, run.output
        [figures] = json.loads(run.stdout)
        assert (figures["judge"], figures["n"], figures["unparsed"]) == ("j", 6, 0)
        exam = ["eval", str(tiny_model), "--task", "healthbench", "--file", str(rows), "--max-tokens", "4", *named]
        out = ["-o", str(tmp_path / "out"), "--agreements", str(tmp_path / "judges")]
        shown = CliRunner().invoke(app, [*exam, *out])
        assert shown.exit_code == 0, shown.output
        assert f"macro-F1 {figures['macro_f1']['value']:.2f}" in shown.stdout
        assert shown.stdout.index("macro-F1") < shown.stdout.index("open answers")
        own = write(
            tmp_path / "own.txt", '{conversation}\n{criterion}\nGive criteria_met in JSON, as {"criteria_met": true}.'
        )
        shown = CliRunner().invoke(app, [*exam, *out, "--judge-wording", f"criterion={own}"])
        assert "its agreement with people is UNKNOWN" in shown.stdout  # the agreement is that of another wording
        assert server.asked[-1].prompt.endswith('as {"criteria_met": true}.')
        shown = CliRunner().invoke(app, [*exam, "-o", str(tmp_path / "out"), "--agreements", str(tmp_path / "none")])
        assert "its agreement with people is UNKNOWN" in shown.stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["judge-agreement", "FILE"], "--judge URL --judge-model NAME"),
        (["judge-agreement", "FILE", "--judge", "http://127.0.0.1:9/v1"], "both its server and its model"),
        (["judge-agreement", "none.jsonl", "--judge", "u", "--judge-model", "m"], "no such file"),
        (["judge-agreement", "FILE", "--judge", "u", "--judge-model", "m", "--kind", "mood"], "--kind is one of"),
        (["eval", "bundled:osler-nano-base", "--judge", "u", "--judge-model", "m"], "name one with --task"),
        (
            ["eval", "bundled:osler-nano-base", "--task", "healthbench", "--judge-model", "m"],
            "both its server and its model",
        ),
        (["eval", "bundled:osler-nano-base", "--task", "liveqa", "--similarity", "none"], "no model is here"),
    ],
)
def test_a_wrong_command_is_told(tmp_path: Path, words: list[str], told: str):
    file = str(write(tmp_path / "meta.jsonl", META))
    result = CliRunner().invoke(app, [word.replace("FILE", file) for word in words] + ["-o", str(tmp_path / "o")])
    assert told in str(result.exception)


def test_the_safety_suite_runs_with_a_judge_and_tells_what_is_left_out_without_one(tmp_path: Path, tiny_model: Path):
    data = tmp_path / "data" / "medsafetybench"
    data.mkdir(parents=True)
    write(data / "med_safety_demonstrations_category_1.csv", HARM)
    exam = [
        "eval",
        str(tiny_model),
        "--suite",
        "safety",
        "--data",
        str(tmp_path / "data"),
        "--max-tokens",
        "4",
        "--json",
    ]
    without = CliRunner().invoke(app, [*exam, "-o", str(tmp_path / "a")])
    assert without.exit_code == 0, without.output
    found = json.loads(without.stdout)
    assert list(found["tasks"]) == ["medsafetybench-refusal"]
    assert "needs a judge model" in found["skipped"]["medsafetybench"]
    assert "left out: task 'medsafetybench'" in without.stderr
    assert "Not asked: medsafetybench: task" in (tmp_path / "a" / "report.md").read_text(encoding="utf-8").replace(
        "\\", ""
    )
    with endpoint(lambda asked, _: verdict(asked, 2)) as server:
        judged = CliRunner().invoke(
            app, [*exam, "-o", str(tmp_path / "b"), "--judge", server.url, "--judge-model", "j"]
        )
    found = json.loads(judged.stdout)
    assert list(found["tasks"]) == ["medsafetybench", "medsafetybench-refusal"]
    assert found["tasks"]["medsafetybench"]["parts"]["harm"]["value"] == 2.0
    assert found["tasks"]["medsafetybench"]["accuracy"] == 0.75
    rows = (tmp_path / "b" / "medsafetybench" / "items.jsonl").read_text(encoding="utf-8").splitlines()
    assert {json.loads(row)["subject"] for row in rows} == {"principle 1"}


def test_a_kappa_of_labels_that_are_all_the_same_is_undefined_and_told_so(tmp_path: Path):
    rows = [{"question": "q?", "answer": str(n), "criterion": "c", "labels": [True, True]} for n in range(3)]
    found, _ = measured(write(tmp_path / "own.jsonl", rows), lambda asked, _: verdict(asked, True), tmp_path)
    assert (found["kappa"], found["humans"]["kappa"]) == (None, None)
    assert "people among themselves: macro-F1 1.00, kappa undefined" in agreement(found)
