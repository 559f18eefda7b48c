"""The report of a run: one page in Markdown and HTML, its pictures, and every figure of it as JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from corpora.catalog import find_dataset, load_catalog
from corpora.disk import write_whole
from corpora.licences import consequence
from corpora.page import percent, table, write_page
from pipelines.artifact import Artifact, fingerprint, versions
from pipelines.config import Recipe, training_data

# The unit of the loss curve of a kind of stage, where it is not nats per token.
LOSS = {"dpo": "DPO loss", "kto": "KTO loss", "orpo": "ORPO loss", "reward": "reward loss, nats per pair"}


def file_name(name: str) -> str:
    """A name as a part of a file's: items of one's own are called by their path, and a model of a hub by its id."""
    return re.sub(r"[^\w.-]+", "-", name)


def _kind(artifact: Artifact) -> str:
    return str(artifact.manifest["given"]["config"].get("kind", ""))


def exams(artifacts: dict[str, Artifact]) -> dict[str, dict[str, Any]]:
    """What the exam stages found about each model, by model; of what two of them found of one, the later counts."""
    found: dict[str, dict[str, Any]] = {}
    for artifact in artifacts.values():
        if _kind(artifact) == "exam":
            for model, result in artifact.metrics.items():
                found[model] = _both(found.get(model, {}), result)
    return found


def _both(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What two exams found about one model."""
    parts = {key for key in ("items", "bits_per_byte", "against") if key in before and key in after}
    return {**before, **after, **{key: {**before[key], **after[key]} for key in parts}}


def _interval(result: dict[str, Any]) -> str:
    return f"{percent(result['share'])} ({percent(result['low'])} to {percent(result['high'])})"


def _p(value: float) -> str:
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"


def exam_section(results: dict[str, dict[str, Any]]) -> list[str]:
    """Tables of accuracy, bits per byte and emergencies."""
    lines: list[str] = []
    sets = list(dict.fromkeys(name for result in results.values() for name in result["items"]))
    for name in sets:
        sat = {model: result for model, result in results.items() if name in result["items"]}
        first = next(iter(sat.values()))["items"][name]
        several = {"dialogues", "documents_only"} <= first.keys()
        head = ["model", "accuracy, % (95% interval)"]
        head += ["taught in dialogues", "taught in documents only"] if several else []
        head += ["items won / lost", "exact McNemar p"]
        rows = []
        for model, result in sat.items():
            scores = result["items"][name]
            row = [model, _interval(scores["all"])]
            row += [_interval(scores["dialogues"]), _interval(scores["documents_only"])] if several else []
            against = result.get("against", {}).get(name)
            row += [f"{against['gained']} / {against['lost']}", _p(against["p"])] if against else ["", ""]
            rows.append(row)
        lines += [
            f"### {name}",
            "",
            f"{first['all']['n']} items; chance is {percent(first['chance'])}%, and {percent(first['majority'])}% for one who always "
            "names the commonest option. Each model is compared with the one above it.",
            "",
            table(head, rows),
            "",
        ]
    base: dict[str, float] = {}  # of each kind of text, the first model's
    for result in results.values():
        for kind, value in result["bits_per_byte"].items():
            base.setdefault(kind, value)
    if base:
        rows = []
        for model, result in results.items():
            bits = result["bits_per_byte"]
            told = [
                f"{bits[kind]:.3f} ({100 * (bits[kind] / base[kind] - 1):+.1f}%)" if kind in bits else ""
                for kind in base
            ]
            rows.append([model, *told])
        lines += [
            "### Bits per byte on held-out text",
            "",
            "Lower is better; in brackets the change from the first model. General text shows what was forgotten.",
            "",
            table(["model", *(f"{kind} text" for kind in base)], rows),
            "",
        ]
    if any("emergencies" in result for result in results.values()):
        rows = [
            [model, _interval(result["emergencies"])] for model, result in results.items() if "emergencies" in result
        ]
        lines += ["### Emergencies referred first", "", table(["model", "share, % (95% interval)"], rows), ""]
    return lines


def tool_use_section(results: dict[str, dict[str, Any]]) -> list[str]:
    """What each model that was asked does with tools and passages."""
    asked = {model: result["tool_use"] for model, result in results.items() if "tool_use" in result}
    if not asked:
        return []
    from pipelines.tool_use.marks import MARKS

    rows = [
        [words, str(next(iter(asked.values()))["marks"][name]["n"])]
        + [_interval(found["marks"][name]) for found in asked.values()]
        for name, words in MARKS.items()
        if all(name in found["marks"] for found in asked.values())
    ]
    head = ["share of prompts on which the model …", "prompts", *(f"{model}, % (95% interval)" for model in asked)]
    return ["### Tools and passages", "", table(head, rows), ""]


def samples_section(results: dict[str, dict[str, Any]]) -> list[str]:
    """The same questions, answered by each model."""
    questions = [sample["question"] for result in results.values() for sample in result.get("samples", [])]
    lines: list[str] = []
    for question in dict.fromkeys(questions):
        rows = [
            [model, sample["answer"][:300] or "(nothing)"]
            for model, result in results.items()
            for sample in result.get("samples", [])
            if sample["question"] == question
        ]
        lines += [f"**{question}**", "", table(["model", "answer"], rows), ""]
    return lines


def stages_section(artifacts: dict[str, Artifact]) -> list[str]:
    """Time, memory and tokens of each stage."""
    rows = []
    for name, artifact in artifacts.items():
        metrics = artifact.metrics
        memory = artifact.manifest["peak_memory_gib"] + metrics.get("vllm_memory_gib", 0)  # both are there at once
        rows.append(
            [
                name,
                _kind(artifact),
                f"{artifact.manifest['wall_seconds']:.0f}",
                f"{memory:.2f}",
                f"{metrics['tokens']:,}" if metrics.get("tokens") else "",
                f"{metrics['tokens_per_second']:,}" if metrics.get("tokens_per_second") else "",
                f"{metrics['final_loss']:.3f}" if metrics.get("final_loss") is not None else "",
            ]
        )
    total = sum(artifact.manifest["wall_seconds"] for artifact in artifacts.values())
    rows.append(["all", "", f"{total:.0f}", "", "", "", ""])
    return [table(["stage", "kind", "seconds", "memory, GiB", "tokens", "tokens/s", "last loss"], rows), ""]


def data_section(recipe: Recipe) -> list[str]:
    """The public datasets that the weights were made from, their licences, and what those allow."""
    names = [name for name in training_data(recipe.stages) if name in load_catalog()]
    if not names:
        return []
    entries = {name: find_dataset(name) for name in names}
    rows = [
        [name, entry.licence, entry.commercial, entry.share_alike, entry.address] for name, entry in entries.items()
    ]
    said = [f"- The result: {sentence}." for sentence in consequence(names)]
    head = ["dataset", "licence", "commercial use", "share-alike", "address"]
    return ["## Made from", "", table(head, rows), "", *said, ""]


def teachers_section(artifacts: dict[str, Artifact]) -> list[str]:
    """Records that teachers wrote: by whom, how many were kept, why others were not, and what they took."""
    rows = []
    for name, artifact in artifacts.items():
        if _kind(artifact) != "synthesise":
            continue
        metrics = artifact.metrics
        spent, cost = metrics["spent"], f"{metrics['cost']:.4g}" if "cost" in metrics else ""
        for step in metrics["waterfall"]:
            reasons = "; ".join(f"{count:,} {reason}" for reason, count in step["dropped"].items())
            tokens = f"{spent['prompt_tokens'] + spent['completion_tokens']:,}"
            who = [
                f"{name}: {step['step']}",
                metrics["teacher"],
                f"{step['kept']:,} of {step['in']:,}",
                reasons or "none",
            ]
            rows.append([*who, f"{spent['requests']:,}", tokens, cost])
    if not rows:
        return []
    head = ["records", "teacher", "kept", "dropped", "requests of the stage", "its tokens", "its cost"]
    return ["## Written by a teacher", "", table(head, rows), ""]


def draw_losses(artifacts: dict[str, Artifact], path: Path) -> bool:
    """A curve of the loss for each stage that trains, of the rewards for one of kind grpo; False when there is none."""
    rewarded = {name: artifact.metrics["rewards"] for name, artifact in artifacts.items() if _kind(artifact) == "grpo"}
    trained = {
        name: artifact.metrics["losses"]
        for name, artifact in artifacts.items()
        if artifact.metrics.get("losses") and name not in rewarded
    }
    if not trained and not rewarded:
        return False
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    count = len(trained) + len(rewarded)
    figure, axes = pyplot.subplots(1, count, figsize=(4.2 * count, 3.2), squeeze=False, layout="constrained")
    # The loss of GRPO is near zero whatever is learnt: its advantages have a mean of zero.
    for axis, (name, steps) in zip(axes[0][len(trained) :], rewarded.items(), strict=True):
        for verifier in artifacts[name].manifest["given"]["config"]["rewards"]:
            points = [(step["step"], step[verifier]) for step in steps if verifier in step]
            axis.plot(*zip(*points, strict=True), label=verifier)
        axis.set(title=name, xlabel="step", ylabel="mean reward", ylim=(0, 1.02))
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    for axis, (name, losses) in zip(axes[0][: len(trained)], trained.items(), strict=True):
        axis.plot([point["step"] for point in losses], [point["loss"] for point in losses], color="#2a6f97")
        axis.set(
            title=name,
            xlabel="step",
            ylabel=LOSS.get(_kind(artifacts[name]), "loss, nats per token"),
        )
        axis.set_ylim(0, 1.05 * max(point["loss"] for point in losses))
        axis.grid(alpha=0.3)
    figure.savefig(path, dpi=130)
    pyplot.close(figure)
    return True


def draw_exam(results: dict[str, dict[str, Any]], name: str, path: Path) -> None:
    """Accuracy of each model on one set of items with its interval, by part, and the line of chance."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    models = [model for model, result in results.items() if name in result["items"]]
    scores = [results[model]["items"][name] for model in models]
    labels = {"all": "all items", "dialogues": "taught in dialogues", "documents_only": "taught in documents only"}
    shown = [part for part in labels if part in scores[0]]
    colours = {"all": "#1c2733", "dialogues": "#2a9d8f", "documents_only": "#e07a1f"}
    figure, axis = pyplot.subplots(figsize=(7.5, 3.8), layout="constrained")
    for number, part in enumerate(shown):
        places = [place + (number - (len(shown) - 1) / 2) * 0.12 for place in range(len(models))]
        values = [100 * score[part]["share"] for score in scores]
        below = [100 * (score[part]["share"] - score[part]["low"]) for score in scores]
        above = [100 * (score[part]["high"] - score[part]["share"]) for score in scores]
        axis.errorbar(places, values, yerr=[below, above], fmt="o", capsize=3, color=colours[part], label=labels[part])
    axis.axhline(100 * scores[0]["chance"], linestyle="--", color="#999999", linewidth=1, label="chance")
    axis.set_xticks(range(len(models)), models)
    axis.set(ylabel="accuracy, % (95% interval)", ylim=(0, 100), title=name)
    axis.grid(axis="y", alpha=0.3)
    axis.legend(loc="upper left", fontsize=8)
    figure.savefig(path, dpi=130)
    pyplot.close(figure)


def write_report(recipe: Recipe, artifacts: dict[str, Artifact], run_dir: Path) -> Path:
    """Writes ``report.md``, ``report.html``, ``report.json`` and the pictures to ``run_dir``, unless they are up to date."""
    code = fingerprint(Path(__file__).read_text(encoding="utf-8"))
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
        lines += ["## Served by vLLM, asked through LangChain", "", *_serve_lines(serve)]
    lines += data_section(recipe)
    lines += teachers_section(artifacts)
    lines += ["## The stages", "", *stages_section(artifacts)]
    if draw_losses(artifacts, run_dir / "losses.png"):
        lines += ["![loss of each stage](losses.png)", ""]
    lines += ["## The manifest", "", *_manifest_lines(recipe, artifacts)]
    page = write_page(run_dir, "report", recipe.name, lines)
    write_whole(target, json.dumps(figures, indent=1, ensure_ascii=False, default=str))
    return page


def _serve_lines(serve: dict[str, Any]) -> list[str]:
    rows = [[turn["question"], turn["answer"], f"{turn['seconds']:.2f}"] for turn in serve["turns"]]
    return [
        f"vLLM was healthy after {serve['vllm_start_seconds']:.0f} s and held {serve['vllm_memory_gib']:.2f} GiB.",
        "",
        table(["question", "answer", "seconds"], rows),
        "",
    ]


def _manifest_lines(recipe: Recipe, artifacts: dict[str, Artifact]) -> list[str]:
    rows = [[name, f"`{artifact.key[:16]}`", f"`{artifact.output[:16]}`"] for name, artifact in artifacts.items()]
    found = ", ".join(f"{name} {version}" for name, version in versions().items())
    commit = next(iter(artifacts.values())).manifest["git_commit"]
    return [
        f"Seed {recipe.seed}; code at `{commit[:12]}`; {found}.",
        "",
        table(["stage", "made from", "result"], rows),
        "",
        "Every figure of this page, and the whole manifest of each stage, is in `report.json`.",
    ]
