"""The front matter of a model card, as the Hugging Face hub reads it: what the model does, its licence, data, base and scores.

https://huggingface.co/docs/hub/model-cards says which fields there are.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from corpora.catalog import UNKNOWN, find_dataset, load_catalog
from corpora.licences import strictest
from pipelines.config import Recipe, named_corpora, named_models, training_data
from pipelines.config.models import own_folder

# The hub's names of licences (https://huggingface.co/docs/hub/repositories-licenses), by the catalogue's.
HUB_LICENCES = {
    "Apache-2.0": "apache-2.0",
    "MIT": "mit",
    "CC BY 4.0": "cc-by-4.0",
    "CC-BY-4.0": "cc-by-4.0",
    "CC-BY-NC-4.0": "cc-by-nc-4.0",
    "ODC-By": "odc-by",
}
OWN_LICENCE = "apache-2.0"  # of this project, its bundled corpora and its bundled base
WRITES, FILLS, SCORES = "text-generation", "fill-mask", "text-classification"
TASKS = {"ForMaskedLM": FILLS, "ForSequenceClassification": SCORES}
LICENCE_NAMES = {"no": "non-commercial", "share": "share-alike"}


def task_of(folder: Path) -> str:
    """What the model in ``folder`` does, as the hub calls it: it writes, fills masks (an encoder) or scores (a reward model)."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    for name in config.get("architectures") or []:
        for end, task in TASKS.items():
            if name.endswith(end):
                return task
    return WRITES


def lineage(recipe: Recipe, stage: str) -> dict[str, Any]:
    """The stages that the model of ``stage`` was made by, itself the last, in the recipe's order."""
    needed = {stage}
    for name, block in reversed(recipe.stages.items()):
        if name in needed:
            needed |= {*named_models(block), *(corpus.name for corpus in named_corpora(block))}
            needed |= {word for word in (getattr(block, "tokens", None),) if isinstance(word, str)}
    return {name: block for name, block in recipe.stages.items() if name in needed}


def _models_licence(recipe: Recipe, blocks: dict[str, Any]) -> str:
    """The hub's name of the licence of the models that the stages began from: that of their cards where they have one.

    It is unknown where a model has no card in its folder, or several models have several licences.
    """
    found = set()
    for name in {model for block in blocks.values() for model in named_models(block)} - blocks.keys():
        place = recipe.base_model if name == "base" else name
        assert place is not None
        folder = own_folder(place)
        if place.startswith("bundled:"):
            found.add(OWN_LICENCE)
        elif folder is not None and (folder / "README.md").is_file():
            found.add(str(ModelCard.load(folder / "README.md").data.get("license") or UNKNOWN))
        else:
            found.add(UNKNOWN)
    return found.pop() if len(found) == 1 else UNKNOWN if found else OWN_LICENCE


def licence(names: list[str], models: str) -> dict[str, str]:
    """The front matter's licence: as much as the strictest of the datasets' licences and the models' allows.

    Args:
        names: of the corpora that the weights are made from; those that the catalogue lacks are this project's own.
        models: the hub's name of the licence of the models that the stages began from.

    Returns:
        ``license``, and ``license_name`` where no licence of the hub's list says it: the terms are then those of the table of data.
    """
    found = strictest(names)
    commercial, forbidding = found["commercial"]
    share, binding = found["share_alike"]
    if commercial == "no":
        deciding, name = forbidding, LICENCE_NAMES["no"]
    elif UNKNOWN in (commercial, models):
        return {"license": UNKNOWN}
    elif share == "yes":
        deciding, name = binding, LICENCE_NAMES["share"]
    elif share == UNKNOWN:
        return {"license": UNKNOWN}
    else:
        return {"license": models}
    known = {HUB_LICENCES.get(find_dataset(one).licence) for one in deciding}
    only = known.pop() if len(known) == 1 else None
    if only is not None and (share != "yes" or "-sa" in only):
        return {"license": only}
    return {"license": "other", "license_name": name}


def _results(found: dict[str, Any]) -> list[EvalResult]:
    """The scores of one model as the hub's index of models holds them."""
    results = []
    for name, scores in found["items"].items():
        entry = load_catalog().get(name)
        hub = entry.hub if entry is not None and entry.hub != UNKNOWN else name
        score = scores["all"]
        results.append(
            EvalResult(
                task_type="question-answering",
                task_name="multiple choice, by log-likelihood",
                dataset_type=hub,
                dataset_name=entry.title if entry is not None else name,
                metric_type="accuracy",
                metric_name="accuracy, %",
                metric_value=round(100 * score["share"], 2),
                metric_args={"n": score["n"], "interval_95": [round(100 * score[end], 2) for end in ("low", "high")]},
            )
        )
    return results


def front_matter(recipe: Recipe, stage: str, name: str, task: str, found: dict[str, dict[str, Any]]) -> ModelCardData:
    """The card's YAML, checked by huggingface_hub."""
    blocks = lineage(recipe, stage)
    names = training_data(blocks)
    entries = [find_dataset(one) for one in names if one in load_catalog()]
    bundled = any(one.startswith("bundled-") for one in names)
    languages = {language for entry in entries for language in entry.language} | ({"en"} if bundled else set())
    base = recipe.base_model
    results = _results(found[stage]) if stage in found else []
    return ModelCardData(
        model_name=name,
        # A hub id only: a folder, a bundled base or one of ModelScope is named in the text.
        base_model=base.partition("@")[0] if base and own_folder(base) is None and ":" not in base else None,
        datasets=sorted({entry.hub for entry in entries if entry.hub != UNKNOWN}) or None,
        language=sorted(languages) or None,
        library_name="transformers",
        pipeline_tag=task,
        tags=["medical", "osler", *dict.fromkeys(block.kind for block in blocks.values())],
        metrics=["accuracy"] if results else None,
        eval_results=results or None,
        **licence(names, _models_licence(recipe, blocks)),  # type: ignore[arg-type]
    )
