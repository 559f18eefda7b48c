"""The report says what was found, shows no text of others as markup, and needs no network."""

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from corpora.errors import DataError, OslerError
from evals.figures.summary import summarise
from evals.reports import leaderboard
from evals.reports.cells import plain
from evals.reports.plots import Dot, dots, reliability
from evals.reports.report import write_report
from tests.evals.results_folders import write_results, write_task


@pytest.fixture
def exam(tmp_path: Path) -> Path:
    out = tmp_path / "exam"
    first = write_task(out, "medqa", n=300, model="hub/base")
    (first / "rotations.json").write_text(
        json.dumps(
            {
                "n": 300,
                "rotations": 4,
                "accuracy": 0.5,
                "by_rotation": [0.55, 0.45, 0.5, 0.5],
                "flip_rate": {"n": 300, "share": 0.4, "low": 0.35, "high": 0.46},
                "worst_case": {"n": 300, "share": 0.3, "low": 0.25, "high": 0.35},
            }
        )
    )
    second = write_task(out, "pubmedqa", n=90, options=3, cluster_of=3, generative=True, unparsed=0.2, model="hub/base")
    return write_results(out, {folder.name: summarise(folder) for folder in (first, second)}, model="hub/base")


def test_the_report_has_every_figure(exam: Path):
    text = write_report(exam).read_text(encoding="utf-8")
    found = summarise(exam / "medqa")
    assert (
        f"| medqa | 300 | {100 * found['accuracy']:.1f} ({100 * found['low']:.1f} to {100 * found['high']:.1f}) | 25.0"
        in text
    )
    assert f"{100 * found['majority']:.1f} | 0.0 | 6 | {100 * found['accuracy_without_key_errors']:.1f} |" in text
    assert "clustered" in text
    assert f"{found['ece']['value']:.3f}" in text
    assert "40.0% (35.0 to 46.0) of the items get another answer in some rotation" in text
    assert "### Confidently wrong" in text
    assert "### The first prompt" in text
    for picture in re.findall(r"\]\(([^)]+\.svg)\)", text):
        ET.fromstring((exam / picture).read_text(encoding="utf-8"))


def test_a_page_without_items_quotes_none_and_has_the_same_figures(exam: Path, tmp_path: Path):
    whole, page = write_report(exam).read_text(encoding="utf-8"), write_report(exam, to=tmp_path / "page", items=False)
    text = page.read_text(encoding="utf-8")
    assert re.search(r"Question \d+ of", whole)  # as the items begin
    for told in (text, page.with_suffix(".html").read_text(encoding="utf-8")):
        assert not re.search(r"Question \d+|which .{0,2}drug", told)
    assert "The first prompt" not in text
    assert text.split("## ")[1] == whole.split("## ")[1]  # the table of all tasks
    assert re.findall(r"\| .*ECE.*", text) == re.findall(r"\| .*ECE.*", whole)
    assert sorted(path.name for path in page.parent.glob("*.svg")) == sorted(path.name for path in exam.glob("*.svg"))


def test_the_worst_mistakes_are_those_that_the_model_was_surest_of(exam: Path):
    from evals.stats.calibration import probabilities

    text = write_report(exam).read_text(encoding="utf-8")
    items = [json.loads(line) for line in (exam / "medqa" / "items.jsonl").read_text().splitlines()]
    wrong = {item["id"]: max(probabilities(item["scores"])) for item in items if not item["right"]}
    surest = sorted(wrong, key=lambda name: -wrong[name])[:5]
    assert re.findall(r"\*\*(medqa\\-\d+)\*\* \(", text) == [plain(name) for name in surest]


def test_the_page_needs_no_network_and_runs_nothing(exam: Path):
    path = exam / "medqa" / "items.jsonl"
    path.write_text(
        path.read_text().replace(
            "which | drug?", "<script>alert(1)</script><img src=x> ![x](http://x) **which** | drug?"
        )
    )
    write_report(exam)
    page = (exam / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "<img" not in page
    assert "src=" not in re.sub(r"&lt;.*?&gt;", "", page)
    assert not re.search(r"(?:href|src)=[\"']http", page)
    assert "&lt;script&gt;" in page
    assert page.count("<svg") >= 4
    assert "prefers-color-scheme" in page


def test_the_report_of_an_interrupted_run_has_what_was_finished(exam: Path):
    (exam / "results.json").unlink()
    assert "| medqa | 300 |" in write_report(exam).read_text(encoding="utf-8")
    with pytest.raises(DataError, match="no such folder"):
        write_report(exam.parent / "nothing")


def test_the_same_results_give_the_same_bytes(exam: Path):
    first = write_report(exam).read_bytes()
    assert write_report(exam).read_bytes() == first


def test_text_of_others_stays_text():
    assert plain("a | b\n**c** <d> [e](f)") == r"a \| b \*\*c\*\* &lt;d&gt; \[e\]\(f\)"
    assert plain("x" * 50, most=10) == "x" * 9 + "…"


def test_plots_are_whole_drawings():
    drawing = dots([Dot("A & B <c>", 0.5, 0.4, 0.6, 0.25), Dot("d" * 60, 1.0, 0.9, 1.0)], "by <subject>")
    assert ET.fromstring(drawing).tag.endswith("svg")
    assert "50.0" in drawing
    points = [{"n": 10, "confidence": 0.3, "accuracy": 0.5}, {"n": 10, "confidence": 0.9, "accuracy": 0.7}]
    assert ET.fromstring(reliability(points, "r")).tag.endswith("svg")


def test_the_leaderboard_ranks_by_the_tasks_that_all_sat(tmp_path: Path):
    for name, skill, tasks in (("weak", 0.2, ["medqa"]), ("strong", 0.8, ["medqa", "cmexam"])):
        out = tmp_path / "runs" / name
        folders = [write_task(out, task, skill=skill, model=name) for task in tasks]
        write_results(out, {folder.name: summarise(folder) for folder in folders}, model=name)
    (tmp_path / "runs" / "other").mkdir()
    (tmp_path / "runs" / "other" / "results.json").write_text('{"of": "another program"}')
    found = leaderboard.gather(tmp_path / "runs")
    assert [one["model"]["id"] for one in found] == ["strong", "weak"]
    assert found[0]["mean"] == found[0]["tasks"]["medqa"]["accuracy"]
    head, rows = leaderboard.head_and_rows(found)
    assert head[2:] == ["medqa (n 200)", "cmexam (n 200)"]
    assert rows[1][3] == "–"
    assert "| strong |" in "\n".join(leaderboard.lines(found))
    with pytest.raises(OslerError, match=r"no results\.json below"):
        leaderboard.gather(tmp_path / "nothing")


def test_a_task_of_two_versions_is_in_no_mean(tmp_path: Path):
    for name, version in (("early", 1), ("late", 2)):
        folder = write_task(tmp_path / name, model=name, version=version, data={"file": "f", "sha256": "0"})
        write_results(tmp_path / name, {folder.name: summarise(folder)}, model=name)
    notes: list[str] = []
    assert [one["mean"] for one in leaderboard.gather(tmp_path, notes.append)] == [None, None]
    assert "medqa" in notes[0]


def test_what_confidence_gains_is_held_against_the_items_that_have_one(tmp_path: Path):
    """Half of the items were refused: they are wrong, and of no confidence."""
    folder = write_task(tmp_path, "medqa", n=100, skill=1.0)
    items = [json.loads(line) for line in (folder / "items.jsonl").read_text().splitlines()]
    for item in items[:50]:
        item.update(scores=None, chosen=None, right=False, score=0.0, refused={"kind": "other", "message": "no"})
    (folder / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    assert summarise(folder)["accuracy"] == 0.5
    (line,) = re.findall(r"\| errors left by abstaining \(AURC\) .*", write_report(tmp_path).read_text())
    assert "| 0.000 if confidence told nothing |" in line


def test_one_model_in_two_folders_is_one_row_unless_it_sat_a_task_twice(tmp_path: Path):
    def sit(folder: str, *tasks: str, model: str = "mine", **about) -> None:
        out = tmp_path / "runs" / folder
        written = [write_task(out, task, model=model, **about) for task in tasks]
        write_results(out, {one.name: summarise(one) for one in written}, model=model)

    sit("base", "medqa", "cmexam", model="base")
    sit("mine-1", "medqa")
    sit("mine-2", "cmexam")
    found = leaderboard.gather(tmp_path / "runs")
    assert sorted(one["label"] for one in found) == ["base", "mine"]
    assert all(one["mean"] is not None for one in found)  # two tasks that both sat, whatever the folders
    sit("mine-chat", "medqa", chat_template=True)
    labels = [one["label"] for one in leaderboard.gather(tmp_path / "runs")]
    assert sorted(labels) == ["base", "mine (mine-1)", "mine (mine-2)", "mine (mine-chat)"]


def test_what_was_asked_with_and_without_the_chat_template_is_not_put_together(tmp_path: Path):
    for folder, task, chat in (("plain", "medqa", False), ("chat", "cmexam", True)):
        written = write_task(tmp_path / folder, task, model="mine", chat_template=chat)
        write_results(tmp_path / folder, {task: summarise(written)}, model="mine")
    assert sorted(one["label"] for one in leaderboard.gather(tmp_path)) == ["mine (chat)", "mine (plain)"]
