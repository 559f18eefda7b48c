"""The text that a model was trained on, by the manifests of the stages that made it.

A model in a run's folder (``RUN/STAGE/model``) is followed back through its stages' manifests to its base; a published one (``manifest.json``
beside the weights, as ``osler publish`` writes it) by the recipe in there. Of a model without a manifest nothing is known, and of a
corpus that is not at hand, or is not what it was when the model was trained, this is said.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from corpora.errors import DataError, OslerError
from evals.figures.contamination import Reader, TrainingText
from pipelines.artifact import MANIFEST, load_artifact
from pipelines.config import MODELS, Corpus, Recipe, learnt_corpora, resolve_model
from pipelines.data import Sources, identity, one_by_one
from pipelines.model_sources import identity as model_identity

GENERATED = ("replay", "synthesise", "preferences")  # stages whose records are written by a model


def training_text(model: str, data_dir: Path | None) -> TrainingText:
    """What is known of the text that ``model`` was trained on.

    Args:
        model: a folder, a hub's id or a bundled model.
        data_dir: folder of the published datasets.
    """
    search = _Search(data_dir)
    search.model(Path(resolve_model(model)), Path(model).name)
    return TrainingText(search.corpora, search.unknown)


class _Search:
    """Follows a model back to what it was made from."""

    def __init__(self, data_dir: Path | None) -> None:
        self.data_dir = data_dir
        self.corpora: dict[str, Reader] = {}
        self.unknown: list[str] = []
        self._seen: set[Path] = set()
        self._read: set[str] = set()

    def model(self, folder: Path, name: str) -> None:
        """The model in ``folder``, which people call ``name``."""
        if folder.resolve() in self._seen:
            return
        self._seen.add(folder.resolve())
        if folder.name == "model" and load_artifact(folder.parent) is not None:
            self.stage(folder.parent)
            return
        recipe = _published(folder)
        if recipe is None:
            self.unknown.append(f"the training data of {name}, which has no manifest of Osler's")
            return
        self._recipe(recipe, name)

    def stage(self, folder: Path) -> None:
        """A finished stage of a run, and those before it."""
        if folder in self._seen:
            return
        self._seen.add(folder)
        artifact = load_artifact(folder)
        assert artifact is not None
        given = artifact.manifest["given"]
        config: dict[str, Any] = given["config"]
        artifacts = {
            path.parent.name: found
            for path in sorted(folder.parent.glob(f"*/{MANIFEST}"))
            if (found := load_artifact(path.parent)) is not None
        }
        sources = Sources(self.data_dir, int(given.get("seed", 0)), artifacts)
        for corpus in _corpora(config):
            self._corpus(corpus, sources, f"{folder.parent.name}/{folder.name}", given["inputs"]["corpora"])
        models = config.get("models") or []
        names = [config.get("model"), config.get("tokens"), *models]
        for name in dict.fromkeys(name for name in names if isinstance(name, str)):
            if name in artifacts:
                self.stage(folder.parent / name)
            elif name == "base":
                self._base(folder.parent, given["inputs"].get("models", []))
            else:
                self._named(name)

    def _corpus(self, corpus: Corpus, sources: Sources, stage: str, were: list[Any] | None) -> None:
        label = f"{stage}: {corpus.name}"
        if corpus.name in sources.artifacts and not (sources.artifacts[corpus.name].folder / "records.jsonl").is_file():
            self.stage(sources.artifacts[corpus.name].folder)
            return
        try:
            now = json.loads(json.dumps(identity(corpus, sources)))
        except (DataError, OSError) as error:
            self.unknown.append(f"{label}: {error}")
            return
        if were is not None and now not in were:
            self.unknown.append(f"{label}, which is not what it was when the model was trained")
            return
        key = json.dumps(now, sort_keys=True)
        if key in self._read:
            return  # another stage has read the same
        self._read.add(key)
        once = corpus.model_copy(update={"repeat": 1})
        self.corpora[label] = partial(one_by_one, once, sources)

    def _base(self, run: Path, identities: list[str]) -> None:
        bundled = [folder for folder in sorted(MODELS.iterdir()) if (folder / "config.json").is_file()]
        for folder in bundled:
            if model_identity(folder) in identities:
                self.model(folder, folder.name)
                return
        self.unknown.append(f"the training data of the base model of {run.name}")

    def _named(self, name: str) -> None:
        """A model outside the run; none is fetched for this."""
        if name.startswith("bundled:") or Path(name).is_dir():
            self.model(Path(resolve_model(name)), name)
        else:
            self.unknown.append(f"the training data of {name}")

    def _recipe(self, recipe: Recipe, name: str) -> None:
        """A published model: of the stages that generated text only the recipe is left."""
        sources = Sources(self.data_dir, recipe.seed, {})
        for stage_name, stage in recipe.stages.items():
            if stage.kind in GENERATED:
                self.unknown.append(f"{name}/{stage_name}: text that a model wrote, which is not published")
            for corpus in learnt_corpora(stage):
                if corpus.name not in recipe.stages:
                    self._corpus(corpus, sources, name, None)
        if recipe.base_model is not None:
            self._named(str(recipe.base_model))


def _published(folder: Path) -> Recipe | None:
    """The recipe in the manifest beside a published model's weights."""
    path = folder / MANIFEST
    if not path.is_file():
        return None
    try:
        return Recipe.model_validate(json.loads(path.read_text(encoding="utf-8"))["recipe"])
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, ValidationError, OslerError):
        return None


def _corpora(config: Any) -> Iterator[Corpus]:
    """Every corpus of a stage's resolved config but those it was freed of."""
    if isinstance(config, dict):
        if set(Corpus.model_fields) <= set(config):
            yield Corpus.model_validate({name: config[name] for name in Corpus.model_fields})
            return
        for name, part in config.items():
            if name != "against":
                yield from _corpora(part)
    elif isinstance(config, list):
        for part in config:
            yield from _corpora(part)
