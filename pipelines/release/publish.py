"""A model as it is given away: the weights of a stage with its card, the manifest of how they came about and ten samples."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch

from corpora.catalog import find_dataset, load_catalog
from corpora.disk import check_target, write_whole
from corpora.errors import OslerError
from pipelines import loading
from pipelines.artifact import MANIFEST, folder_hashes, load_artifact, refuse_stage_folder
from pipelines.config import Recipe, TrainingStage, named_corpora
from pipelines.release.card import MADE_WITH, artifact_with_model, write_card
from pipelines.release.export import refuse_others_files
from pipelines.release.front_matter import WRITES, task_of
from pipelines.training.weights import remove_weights

OPENINGS = (
    "The old house stood",
    "In the year 1850,",
    "A good student",
    "She looked at him and",
    "The government of the United States",
    "When the price of a product rises,",
    "It was a cold morning, and",
    "People who live in cities",
    "The captain said that",
    "One way to learn a language is",
)


@torch.inference_mode()
def samples(folder: Path, seed: int, max_new_tokens: int = 60) -> list[str]:
    """One continuation of each opening at temperature 0.7, cut at the last full sentence."""
    tokenizer = loading.load_tokenizer(folder)
    model = loading.load_model(folder, training=False).float().eval()
    found = []
    for number, opening in enumerate(OPENINGS):
        torch.manual_seed(seed + number)
        ids = tokenizer(opening, return_tensors="pt", add_special_tokens=False)["input_ids"]
        output: Any = model.generate(  # type: ignore[operator]
            ids,
            max_new_tokens=max_new_tokens,
            do_sample=True,
            temperature=0.7,
            top_p=0.9,
            pad_token_id=tokenizer.pad_token_id,
        )
        text = str(tokenizer.decode(output[0], skip_special_tokens=True))
        end = max(text.rfind(mark) for mark in ".!?")
        found.append(" ".join(text[: end + 1].split()) if end > 0 else " ".join(text.split()))
    return found


def publish(recipe: Recipe, run_dir: Path, stage: str, target: Path) -> Path:
    """Copies the model of ``stage`` to ``target`` and writes ``README.md``, its card, and ``manifest.json`` beside it.

    Weights that an earlier model left in ``target`` are removed.

    Raises:
        OslerError: the stage is not finished or leaves no model, or ``target`` is the folder of a stage, finished or not, or has
            weights of another make.
    """
    artifacts = {name: load_artifact(run_dir / name) for name in recipe.stages}
    last = artifact_with_model(
        recipe, {name: one for name, one in artifacts.items() if one is not None}, run_dir, stage
    )
    refuse_stage_folder(target)
    if target.resolve().parent == run_dir.resolve() and target.name in (*recipe.stages, "serve"):
        raise OslerError(
            f"{target}: this run's stage '{target.name}' will be there, in place of it; name another folder"
        )
    refuse_others_files(target, last.model)
    check_target(target / "README.md", mark=MADE_WITH)
    target.mkdir(parents=True, exist_ok=True)
    names = dict.fromkeys(corpus.name for block in recipe.stages.values() for corpus in named_corpora(block))
    datasets = {name: find_dataset(name) for name in names if name in load_catalog()}
    manifest: dict[str, Any] = {
        "name": target.name,
        "recipe": recipe.model_dump(exclude_defaults=True),
        "sources": {
            name: {"address": entry.address, "licence": entry.licence, "sha256": entry.files}
            for name, entry in datasets.items()
        },
        "stages": {
            name: {
                **artifact.metrics,
                "wall_seconds": artifact.manifest["wall_seconds"],
                "git_commit": artifact.manifest["git_commit"],
                "versions": artifact.manifest["versions"],
            }
            for name, artifact in artifacts.items()
            if artifact is not None
        },
        "tokens": sum(  # that were trained on; a stage that makes a corpus tells those of the corpus
            artifact.metrics.get("tokens", 0)
            for name, artifact in artifacts.items()
            if artifact is not None and isinstance(recipe.stages[name], TrainingStage)
        ),
        "samples": [],
        "files": {},
    }
    _write(manifest, target)  # by which a second try knows the weights of one that was broken off
    remove_weights(target)
    for path in last.model.iterdir():
        shutil.copyfile(path, target / path.name)
    write_card(recipe, run_dir, stage, target)
    if task_of(target) == WRITES:
        manifest["samples"] = samples(target, recipe.seed)
    manifest["files"] = folder_hashes(target)
    _write(manifest, target)
    return target


def _write(manifest: dict[str, Any], folder: Path) -> None:
    write_whole(folder / MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
