"""A loss on a general set is called one only when it is significant, and then in the report and in the comparison."""

from pathlib import Path

import pytest

from corpora.errors import OslerError
from evals.exam.task_files import load_task, task_names
from evals.figures.compare import compare
from evals.figures.forgetting import forgetting
from evals.reports.report import write_report
from tests.evals.results_folders import write_task


def sit(folder: Path, model: str, general: float, medical: float, seed: int, n: int = 400, **about: object) -> Path:
    write_task(folder / model, "mmlu-general", n, skill=general, seed=seed, model=model, general=True, **about)
    write_task(folder / model, "medqa", n, skill=medical, seed=seed + 1, model=model, **about)
    return folder / model


def test_general_tasks_are_marked():
    assert [name for name in task_names() if load_task(name).general] == ["cmmlu-general", "mmlu-general"]


def test_a_loss_is_said_only_where_it_is_significant(tmp_path: Path):
    base = sit(tmp_path, "base", 0.6, 0.3, 1)
    lost, kept = sit(tmp_path, "lost", 0.3, 0.6, 3), sit(tmp_path, "kept", 0.58, 0.6, 5)
    (said,) = forgetting(compare([base, lost]))
    assert said.startswith("lost is worse than base on mmlu-general, a general set: it has forgotten")
    (said,) = forgetting(compare([base, kept]))
    assert said.startswith("no loss of kept shown on mmlu-general")
    assert "worse" not in said
    assert "would have shown in 4 of 5 tries" in said
    (said,) = forgetting(compare([lost, base]))
    assert "better" in said
    text = write_report(lost, base).read_text(encoding="utf-8")
    assert "## Beside its base, base" in text
    assert "it has forgotten some of it" in text
    assert "forgotten some" not in write_report(kept, base).read_text(encoding="utf-8")


def test_the_report_tells_that_the_two_were_asked_in_different_ways(tmp_path: Path):
    base = sit(tmp_path, "base", 0.5, 0.5, 1, 60)
    other = sit(tmp_path, "other", 0.5, 0.5, 3, 60, chat_template=True)
    assert "asked in different ways: chat_template (False and True)" in write_report(other, base).read_text()


def test_without_a_general_set_the_report_says_how_to_get_one(tmp_path: Path):
    base, other = write_task(tmp_path / "base", n=60), write_task(tmp_path / "other", n=60, seed=1, model="other")
    text = write_report(other.parent, base.parent).read_text(encoding="utf-8")
    assert "No general set was sat by both" in text
    write_task(tmp_path / "third", "cmexam", n=60)
    with pytest.raises(OslerError, match="no task in common"):
        write_report(tmp_path / "third", base.parent)


def test_a_p_that_is_too_small_to_show_is_not_shown_as_none(tmp_path: Path):
    base, lost = sit(tmp_path, "base", 0.9, 0.5, 1), sit(tmp_path, "lost", 0.1, 0.5, 3)
    assert "Holm p < 0.0001" in forgetting(compare([base, lost]))[0]
    assert "| < 0.0001 |" in write_report(lost, base).read_text(encoding="utf-8").replace("\\<", "<").replace(
        "&lt;", "<"
    )
