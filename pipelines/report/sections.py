"""The sections of a run's report: exams, samples, stages, data and teachers, each as lines of Markdown."""

from __future__ import annotations

from typing import Any

from corpora.catalog import find_dataset, load_catalog
from corpora.licences import consequence
from corpora.page import p_value, percent, table
from pipelines.artifact import Artifact, versions
from pipelines.config import Recipe, training_data


def _interval(result: dict[str, Any]) -> str:
    return f"{percent(result['share'])} ({percent(result['low'])} to {percent(result['high'])})"


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
        compared = any(name in result.get("against", {}) for result in sat.values())
        head += ["items won / lost", "exact McNemar p"] if compared else []
        rows = []
        for model, result in sat.items():
            scores = result["items"][name]
            row = [model, _interval(scores["all"])]
            row += [_interval(scores["dialogues"]), _interval(scores["documents_only"])] if several else []
            against = result.get("against", {}).get(name)
            if compared:
                row += [f"{against['gained']} / {against['lost']}", p_value(against["p"])] if against else ["", ""]
            rows.append(row)
        lines += [
            f"### {name}",
            "",
            f"{first['all']['n']} items; chance is {percent(first['chance'])}%, and {percent(first['majority'])}% for one who always "
            "names the commonest option." + (" Each model is compared with the one above it." if compared else ""),
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


def memory_gib(artifact: Artifact) -> float:
    """The largest memory of a stage: its own and that of the vLLM which it started, which were there at once."""
    return float(artifact.manifest["peak_memory_gib"] + artifact.metrics.get("vllm_memory_gib", 0))


def stages_section(artifacts: dict[str, Artifact]) -> list[str]:
    """Time, memory and tokens of each stage."""
    rows = []
    for name, artifact in artifacts.items():
        metrics = artifact.metrics
        rows.append(
            [
                name,
                artifact.kind,
                f"{artifact.manifest['wall_seconds']:.0f}",
                f"{memory_gib(artifact):.2f}",
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
        if artifact.kind != "synthesise":
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


def serve_section(serve: dict[str, Any]) -> list[str]:
    """The recipe's questions and the served model's answers."""
    rows = [[turn["question"], turn["answer"], f"{turn['seconds']:.2f}"] for turn in serve["turns"]]
    return [
        f"vLLM was healthy after {serve['vllm_start_seconds']:.0f} s and held {serve['vllm_memory_gib']:.2f} GiB.",
        "",
        table(["question", "answer", "seconds"], rows),
        "",
    ]


def manifest_section(recipe: Recipe, artifacts: dict[str, Artifact]) -> list[str]:
    """Seed, code, versions, and what each stage was made from and has made."""
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
