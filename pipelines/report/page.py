"""The report of a run: one page in Markdown and HTML, its pictures, and every figure of it as JSON."""

from __future__ import annotations

import json
from pathlib import Path

from corpora.disk import write_whole
from corpora.page import write_page
from pipelines.artifact import Artifact, fingerprint, versions
from pipelines.config import Recipe
from pipelines.report.exams import exams, file_name
from pipelines.report.pictures import draw_exam, draw_losses
from pipelines.report.sections import (
    data_section,
    exam_section,
    manifest_section,
    samples_section,
    serve_section,
    stages_section,
    teachers_section,
    tool_use_section,
)


def write_report(recipe: Recipe, artifacts: dict[str, Artifact], run_dir: Path) -> Path:
    """Writes ``report.md``, ``report.html``, ``report.json`` and the pictures to ``run_dir``, unless they are up to date."""
    code = fingerprint([path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.glob("*.py"))])
    outputs = {name: artifact.output for name, artifact in artifacts.items()}
    key = fingerprint({"recipe": recipe.model_dump(), "stages": outputs, "code": code})
    target = run_dir / "report.json"
    if target.is_file() and json.loads(target.read_text(encoding="utf-8")).get("key") == key:
        return run_dir / "report.md"
    results = exams(artifacts)
    serve = artifacts["serve"].metrics if "serve" in artifacts else None
    figures = {
        "key": key,
        "recipe": recipe.model_dump(),
        "exams": results,
        "serve": serve,
        "stages": {
            name: {
                "seconds": artifact.manifest["wall_seconds"],
                "peak_memory_gib": artifact.manifest["peak_memory_gib"],
                "metrics": artifact.metrics,
            }
            for name, artifact in artifacts.items()
        },
        "seconds": round(sum(artifact.manifest["wall_seconds"] for artifact in artifacts.values()), 1),
        "versions": versions(),
        "manifests": {name: artifact.manifest for name, artifact in artifacts.items()},
    }
    lines = [
        f"# Report of the run `{recipe.name}`",
        "",
        recipe.description,
        "",
        "> The model is a research artifact and not a medical device. It must not be used to diagnose or to treat.",
        "",
    ]
    if results:
        lines += ["## The exam", ""]
        for name in dict.fromkeys(name for result in results.values() for name in result["items"]):
            picture = f"exam-{file_name(name)}.png"
            draw_exam(results, name, run_dir / picture)
            lines += [f"![accuracy on {name}]({picture})", ""]
        lines += [*exam_section(results), *tool_use_section(results)]
        lines += ["## The same questions before and after", "", *samples_section(results)]
    if serve:
        lines += ["## Served by vLLM, asked through LangChain", "", *serve_section(serve)]
    lines += data_section(recipe)
    lines += teachers_section(artifacts)
    lines += ["## The stages", "", *stages_section(artifacts)]
    if draw_losses(artifacts, run_dir / "losses.png"):
        lines += ["![loss of each stage](losses.png)", ""]
    lines += ["## The manifest", "", *manifest_section(recipe, artifacts)]
    page = write_page(run_dir, "report", recipe.name, lines)
    write_whole(target, json.dumps(figures, indent=1, ensure_ascii=False, default=str))
    return page
