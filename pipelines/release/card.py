"""The model card: what a model was made of and how, how good it is, and what it must not be used for.

``README.md`` with the front matter of the Hugging Face hub (``front_matter``), as Mitchell et al. 2019
(https://arxiv.org/abs/1810.03993) ask of a card. Every figure is read from the manifests of the run; what is not known is said
to be unknown.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard

from corpora.catalog import UNKNOWN, find_dataset, load_catalog
from corpora.disk import check_target
from corpora.errors import OslerError, nearest
from pipelines.artifact import Artifact, load_artifact
from pipelines.config import Recipe, training_data
from pipelines.release.front_matter import FILLS, OWN_LICENCE, SCORES, front_matter, lineage, task_of
from pipelines.report.exams import exams
from pipelines.report.sections import data_section, exam_section, memory_gib, stages_section, teachers_section

MADE_WITH = "Made with Osler"  # in every card, by which a later one knows that it may be replaced
EMERGENCY = (
    "**In an emergency, call your local emergency number.** The model is a computer program and not a doctor: it may fail to see "
    "an emergency, and may answer one with words."
)
INTENDED = (
    "Research on medical language models: how they learn facts, what they forget, how their answers can be examined. Answers may be "
    "shown to people who know that they come from a program and can check them."
)
OUT_OF_SCOPE = (
    "Diagnosis, treatment, triage, dosing, or any other decision about a person's health; use as, or as a part of, a medical "
    "device; advice to patients without a clinician who answers for it; text that is passed off as a person's. It has been through "
    "no clinical trial and no regulator has cleared it."
)
LIMITS = (
    "It states falsehoods with the same assurance as facts, doses and contraindications included. It knows nothing that is not in "
    "its training text, and nothing newer. It is examined on the questions below and on no others; a share of right answers says "
    "nothing on the harm of the wrong ones. How it fares with other languages, groups of people or rare diseases was not measured. "
    "What its base and its corpora are biased by, it is as well."
)


def _choices(blocks: dict[str, Any]) -> list[str]:
    """What each stage was told, as the recipe says it."""
    lines = []
    for name, block in blocks.items():
        told = json.dumps(block.model_dump(exclude_defaults=True, mode="json"), ensure_ascii=False, indent=1)
        lines += [f"**{name}** ({block.kind})", "", "```json", told, "```", ""]
    return lines


def _scores(found: dict[str, dict[str, Any]], stage: str, artifacts: dict[str, Artifact]) -> list[str]:
    """The model's scores beside those of the first model that was examined, with intervals; what a stage measured itself on what it held out."""
    lines: list[str] = []
    if stage in found:
        first = next(iter(found))
        shown = {model: dict(found[model]) for model in dict.fromkeys([first, stage])}
        for result in shown.values():  # a comparison with a model that is not in this table says nothing here
            if result.get("against", {}).get("model") not in shown:
                result.pop("against", None)
        lines += exam_section(shown)
    held_out = artifacts[stage].metrics.get("held_out") if stage in artifacts else None
    if isinstance(held_out, dict) and "pairs" in held_out:  # a reward model's
        low, high = (100 * held_out[end] for end in ("low", "high"))
        lines += [
            f"Of {held_out['pairs']:,} held-out pairs of answers it prefers the chosen one in {100 * held_out['accuracy']:.1f}% "
            f"(95% interval {low:.1f} to {high:.1f}), by {held_out['mean_margin']:.3f} on average.",
            "",
        ]
    elif isinstance(held_out, dict):  # an encoder's
        before = artifacts[stage].metrics["held_out_before"]
        lines += [
            f"On {held_out['masked_tokens']:,} masked tokens of held-out documents, always the same ones: loss {held_out['loss']} "
            f"nats (before this stage {before['loss']}), {100 * held_out['accuracy']:.1f}% right (before {100 * before['accuracy']:.1f}%).",
            "",
        ]
    return lines or ["No exam of this model is in the run.", ""]


def _use(name: str, task: str) -> list[str]:
    if task == SCORES:
        return [
            "```python",
            "from transformers import AutoModelForSequenceClassification, AutoTokenizer",
            "",
            f'tokenizer = AutoTokenizer.from_pretrained("{name}")',
            f'model = AutoModelForSequenceClassification.from_pretrained("{name}")',
            'talk = [{"role": "user", "content": "What is asthma?"}, {"role": "assistant", "content": "A disease of the airways."}]',
            "text = tokenizer.apply_chat_template(talk, tokenize=False)",
            'reward = model(**tokenizer(text, return_tensors="pt", add_special_tokens=False)).logits[0, 0]',
            "```",
            "",
            "It is a reward model: it gives an answer a number and writes none. Numbers of two answers to one question can be compared.",
            "",
        ]
    if task == FILLS:
        return [
            "```python",
            "from transformers import pipeline",
            "",
            f'fill = pipeline("fill-mask", model="{name}")',
            'fill(f"Metformin is used to treat {fill.tokenizer.mask_token}.")',
            "```",
            "",
        ]
    return [
        "```python",
        "from transformers import AutoModelForCausalLM, AutoTokenizer",
        "",
        f'tokenizer = AutoTokenizer.from_pretrained("{name}")',
        f'model = AutoModelForCausalLM.from_pretrained("{name}")',
        "```",
        "",
        f'Served by vLLM: `osler serve {name}`; asked: `osler ask -m {name} "What is asthma?"`.',
        "",
    ]


def artifact_with_model(recipe: Recipe, artifacts: dict[str, Artifact], run_dir: Path, stage: str) -> Artifact:
    """The finished ``stage`` of a run.

    Raises:
        OslerError: the recipe has no such stage, or it is not finished, or leaves no model; those that have one are named.
    """
    if stage not in recipe.stages:
        raise OslerError(f"recipe '{recipe.name}' has no stage '{stage}'; {nearest(stage, recipe.stages)}")
    found = artifacts.get(stage)
    if found is None or not found.model.is_dir():
        known = ", ".join(name for name, artifact in artifacts.items() if artifact.model.is_dir())
        told = (
            f"those of this run: {known}"
            if known
            else "none in this run yet: `osler reproduce` makes one; --run names another run"
        )
        raise OslerError(f"{run_dir / stage}: no finished model; {told}")
    return found


def write_card(recipe: Recipe, run_dir: Path, stage: str, target: Path) -> Path:
    """Writes the card of the model of ``stage`` to ``target/README.md`` and returns its path.

    Raises:
        OslerError: the stage is not finished, or leaves no model.
    """
    loaded = {name: load_artifact(run_dir / name) for name in recipe.stages}
    artifacts = {name: artifact for name, artifact in loaded.items() if artifact is not None}
    task = task_of(artifact_with_model(recipe, artifacts, run_dir, stage).model)
    blocks = lineage(recipe, stage)
    made_by = {name: artifacts[name] for name in blocks if name in artifacts}
    found = exams(artifacts)
    name = target.resolve().name
    data = front_matter(recipe, stage, name, task, found)

    hours = sum(artifact.manifest["wall_seconds"] for artifact in made_by.values()) / 3600
    memory = max(memory_gib(artifact) for artifact in made_by.values())
    commit = artifacts[stage].manifest["git_commit"]
    own = sorted(corpus for corpus in training_data(blocks) if corpus.startswith("bundled-"))
    lines = [
        f"# {name}",
        "",
        recipe.description,
        "",
        f"> {EMERGENCY}",
        "",
        "## What it is for",
        "",
        INTENDED,
        "",
        "### What it must not be used for",
        "",
        OUT_OF_SCOPE,
        "",
        "## Limits",
        "",
        LIMITS,
        "",
        "## How to load it",
        "",
        *_use(name, task),
        "## How good it is",
        "",
        *_scores(found, stage, artifacts),
        "## How it was made",
        "",
        f"Recipe `{recipe.name}`, seed {recipe.seed}, stage `{stage}`; base model: {recipe.base_model or 'none, from random weights'}.",
        "",
        *data_section(Recipe(name=recipe.name, stages=blocks)),
        *([f"Corpora of this project, {OWN_LICENCE}: {', '.join(own)}.", ""] if own else []),
        *teachers_section(made_by),
        "### Choices",
        "",
        *_choices(blocks),
        "## What it took",
        "",
        f"{hours:.2f} hours in all, {memory:.1f} GiB of memory at most. The hardware, the energy and the carbon were not recorded.",
        "",
        *stages_section(made_by),
        "## Citation",
        "",
        "```bibtex",
        f"@misc{{{name.replace('.', '-')},",
        f"  title = {{{name}}},",
        f"  note = {{{MADE_WITH}, recipe {recipe.name}, commit {commit[:12]}}},",
        "}",
        "```",
        "",
        *(f"- {one}: {find_dataset(one).citation}" for one in training_data(blocks) if _cited(one)),
    ]
    path = target / "README.md"
    check_target(path, mark=MADE_WITH)
    target.mkdir(parents=True, exist_ok=True)
    path.write_text(f"---\n{data.to_yaml()}\n---\n\n" + "\n".join(lines).rstrip() + "\n", encoding="utf-8")
    ModelCard.load(path)  # what the hub cannot read is not written silently
    return path


def _cited(name: str) -> bool:
    return name in load_catalog() and find_dataset(name).citation != UNKNOWN
