"""The report of a run says all that its exams found, whatever each of them asked, and is written again when what it says has changed."""

import json
from pathlib import Path

from pipelines.artifact import Artifact, drafting, load_artifact
from pipelines.config import Recipe
from pipelines.report.exams import exams
from pipelines.report.page import write_report
from pipelines.report.sections import exam_section


def sat(
    model: str, items: dict[str, float], bits: dict[str, float], against: str | None = None, parts=("all",)
) -> dict:
    scores = {
        name: {"chance": 0.25, "majority": 0.3}
        | {part: {"share": share, "low": share - 0.1, "high": share + 0.1, "n": 50} for part in parts}
        for name, share in items.items()
    }
    compared = {name: {"gained": 9, "lost": 1, "p": 0.02} for name in items}
    found = {"model": model, "items": scores, "bits_per_byte": bits}
    return found | ({"against": {"model": against, **compared}} if against else {})


def stage(folder: Path, name: str, config: dict, metrics: dict) -> Artifact:
    with drafting(folder / name, name, {"config": config}) as draft:
        draft.metrics = metrics
    made = load_artifact(folder / name)
    assert made is not None
    return made


def test_two_exams_of_one_model_are_both_told(tmp_path: Path):
    kind = {"kind": "exam"}
    first = {"base": sat("base", {"one": 0.3}, {"general": 1.0}), "sft": sat("sft", {"one": 0.5}, {}, "base")}
    second = {
        "sft": sat("sft", {"two": 0.6}, {"medical": 1.2}),
        "dpo": sat("dpo", {"two": 0.7}, {"medical": 1.5}, "sft"),
    }
    found = exams({"a": stage(tmp_path, "a", kind, first), "b": stage(tmp_path, "b", kind, second)})
    assert list(found) == ["base", "sft", "dpo"]
    assert list(found["sft"]["items"]) == ["one", "two"]
    assert found["sft"]["against"]["one"]["gained"] == 9
    text = "\n".join(exam_section(found))
    assert "| sft | 50.0 (40.0 to 60.0) | 9 / 1 | 0.0200 |" in text
    assert "| sft | 60.0 (50.0 to 70.0) |  |  |" in text
    assert "| model | general text | medical text |" in text
    # Each is compared with the first model that read such text.
    assert "| base | 1.000 (+0.0%) |  |" in text
    assert "| sft |  | 1.200 (+0.0%) |" in text
    assert "| dpo |  | 1.500 (+25.0%) |" in text


def test_items_of_one_part_alone_have_a_table_without_parts():
    found = {"base": sat("base", {"bundled-exam": 0.3}, {}, parts=("all", "documents_only"))}
    text = "\n".join(exam_section(found))
    assert "taught in" not in text
    assert "| base | 30.0 (20.0 to 40.0) |" in text


def test_a_report_is_written_again_when_the_recipe_says_something_else(tmp_path: Path):
    exam = {"kind": "exam", "models": ["base"], "items": [{"name": "bundled-exam"}]}
    recipe = Recipe.model_validate({"name": "mine", "description": "One.", "stages": {"exam": exam}})
    artifacts = {"exam": stage(tmp_path, "exam", exam, {"base": sat("base", {"bundled-exam": 0.3}, {})})}
    page = write_report(recipe, artifacts, tmp_path)
    before = page.stat().st_mtime_ns
    assert write_report(recipe, artifacts, tmp_path).stat().st_mtime_ns == before
    write_report(recipe.model_copy(update={"description": "Another."}), artifacts, tmp_path)
    assert "Another." in page.read_text()
    assert json.loads((tmp_path / "report.json").read_text())["recipe"]["description"] == "Another."
