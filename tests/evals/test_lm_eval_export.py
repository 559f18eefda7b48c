"""The export is read by lm-eval's own tools, and says what lm-eval itself would have said of the same run."""

import hashlib
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from corpora.errors import DataError
from evals.exam.task_files import task_names
from evals.figures.results import write_results
from evals.figures.summary import summarise
from evals.reports.lm_eval_export import export
from evals.reports.lm_eval_names import LM_EVAL_TASKS, lm_eval_name
from pipelines import loading
from pipelines.cli import app
from tests.evals.parity import Outcome, bundled_items, by_lm_eval, by_osler, rows_of
from tests.evals.stub_engine import Stub, oracle, run

lm_eval = pytest.importorskip("lm_eval", reason="lm-eval is not installed: pip install -e '.[dev]'")


def read_export(path: Path) -> tuple[dict, dict[str, list[dict]]]:
    """The results and each task's samples, found as lm-eval finds them among the files of a hub repository."""
    from lm_eval.utils import (
        get_file_datetime,
        get_file_task_name,
        get_latest_filename,
        get_results_filenames,
        get_sample_results_filenames,
    )

    names = [str(file) for file in path.parent.iterdir()]
    latest = get_latest_filename(get_results_filenames(names))
    assert latest == str(path)
    samples = {}
    for name in get_sample_results_filenames(names):
        assert get_file_datetime(Path(name).name) == get_file_datetime(path.name).removesuffix(".json")
        lines = Path(name).read_text(encoding="utf-8").splitlines()
        samples[get_file_task_name(Path(name).name)] = [json.loads(line) for line in lines]
    return json.loads(path.read_text(encoding="utf-8")), samples


def finish(out: Path, name: str) -> None:
    write_results(out, Stub(oracle), None, {name: summarise(out / name)}, {})


def test_it_says_what_lm_eval_says_of_the_same_run(tmp_path: Path, tiny_model: Path):
    from datasets import load_dataset
    from lm_eval.utils import make_table

    loaded = loading.load_model(tiny_model, training=False).eval(), loading.load_tokenizer(tiny_model)
    rows = rows_of("medqa", bundled_items(12))
    ours: Outcome
    ours, folder = by_osler("medqa", tmp_path / "ours", rows[2:], rows[:2], *loaded, True)
    _, theirs = by_lm_eval("medqa", tmp_path / "theirs", rows[2:], rows[:2], *loaded, True)
    finish(folder.parent, "medqa")
    path = export(folder.parent, tmp_path / "exported")
    assert path.parent == tmp_path / "exported" / "stub"
    found, samples = read_export(path)
    expected = theirs["results"]["local_medqa"]
    assert found["results"]["medqa_4options"]["acc,none"] == pytest.approx(expected["acc,none"])
    assert found["results"]["medqa_4options"]["acc_stderr,none"] == pytest.approx(expected["acc_stderr,none"])
    assert found["n-shot"] == {"medqa_4options": 2}
    assert found["n-samples"] == {"medqa_4options": {"original": 10, "effective": 10}}
    mine, other = ([cell.strip() for cell in make_table(one).splitlines()[2].split("|")] for one in (found, theirs))
    assert mine[1] == "medqa_4options"
    assert mine[3:] == other[3:]  # filter, shots, metric, value and standard error
    asked = samples["medqa_4options"]
    by_them = sorted(theirs["samples"]["local_medqa"], key=lambda sample: sample["doc_id"])
    assert len(asked) == len(by_them) == 10
    for mine, other in zip(asked, by_them, strict=True):
        assert set(other) - {"arguments", "acc_norm"} <= set(mine)
        for key in ("doc_id", "filter", "prompt_hash", "target_hash", "acc"):
            assert mine[key] == other[key], key
    assert asked[0]["prompt_hash"] == hashlib.sha256(ours.prompts[0].encode()).hexdigest()
    assert [float(one[0][0]) for one in asked[0]["resps"]] == ours.scores[0]
    name = str(next(path.parent.glob("samples_*.jsonl")))
    assert load_dataset("json", data_files=name, cache_dir=str(tmp_path / "cache"), split="train").num_rows == 10


def test_what_a_model_wrote_is_exported_and_nothing_read_is_invalid(tmp_path: Path):
    run(tmp_path, Stub(lambda prompt: "The answer is B." if "of 3" in prompt else ""), 40, scoring="generative")
    finish(tmp_path, "medqa")
    told = CliRunner().invoke(app, ["export-results", str(tmp_path)])
    assert told.exit_code == 0, told.output
    found, samples = read_export(next((tmp_path / "lm-eval" / "stub").glob("results_*.json")))
    asked = samples["medqa"]  # not lm-eval's medqa_4options, which is asked by likelihood
    assert {sample["filtered_resps"][0] for sample in asked} == {"B", "[invalid]"}
    assert found["results"]["medqa"]["exact_match,none"] == sum(sample["exact_match"] for sample in asked) / 40
    assert found["configs"]["medqa"]["output_type"] == "generate_until"
    assert asked[3]["resps"] == [["The answer is B."]]


def test_the_same_results_give_the_same_files(tmp_path: Path):
    run(tmp_path, Stub(oracle), 20)
    finish(tmp_path, "medqa")
    first = {file.name: file.read_bytes() for file in export(tmp_path, tmp_path / "a").parent.iterdir()}
    again = {file.name: file.read_bytes() for file in export(tmp_path, tmp_path / "b").parent.iterdir()}
    assert first == again


def test_answers_of_an_older_run_are_asked_for_again(tmp_path: Path):
    run(tmp_path, Stub(oracle), 3)
    finish(tmp_path, "medqa")
    path = tmp_path / "medqa" / "items.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for row in rows:
        del row["prompt_sha256"]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with pytest.raises(DataError, match="run the task again"):
        export(tmp_path, tmp_path / "out")


def test_names_are_of_tasks_that_there_are():
    assert set(LM_EVAL_TASKS) <= set(task_names())
    root = Path(lm_eval.__file__).parent / "tasks"
    written = "".join(
        path.read_text(encoding="utf-8")
        for folder in ("medqa", "medmcqa", "pubmedqa", "careqa", "headqa", "mmlu/default", "ceval", "cmmlu")
        for path in (root / folder).glob("*.yaml")
    ).replace('"', "")
    for name in LM_EVAL_TASKS.values():
        assert f"task: {name}\n" in written, name
    assert lm_eval_name({"task": "medqa-nota", "scoring": "likelihood"}) == "medqa-nota"
