"""What is checked of a recipe as a whole: that stages find what they name, and that no exam asks what was learnt."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from corpora.errors import nearest
from pipelines.config.data import TokenizeStage
from pipelines.config.exam import ExamStage
from pipelines.config.layers import Layers
from pipelines.config.models import resolve_chat_template
from pipelines.config.parts import Corpus, RecipeError
from pipelines.config.preferences import PreferencesStage
from pipelines.config.recipe import Recipe, named_models
from pipelines.config.synthesis import SynthesiseStage
from pipelines.config.trainers import training_keys, wanted_number
from pipelines.config.training import CptStage, GrpoStage, RewardStage, TrainingStage
from pipelines.curves import TENSORBOARD, TRACKIO


def _learnt_items(stage: Any) -> list[Corpus]:
    """Corpora of exam items, and of what else an exam may ask, that a stage learns from or makes training data of."""
    if isinstance(stage, SynthesiseStage):
        return [corpus for task in stage.tasks for corpus in task.corpora]
    if isinstance(stage, PreferencesStage):
        return [stage.items] if stage.items is not None else []
    return stage.items if isinstance(stage, GrpoStage) else []


def _check_not_examined(layers: Layers, name: str, recipe: Recipe) -> None:
    """Raises RecipeError when items that an exam of the recipe asks are made into training data."""
    examined = [corpus for other in recipe.stages.values() if isinstance(other, ExamStage) for corpus in other.items]
    for corpus in _learnt_items(recipe.stages[name]):
        for asked in examined:
            apart = {corpus.part, asked.part} == {"train", "held_out"}
            if corpus.name == asked.name and not (apart and corpus.held_out_share == asked.held_out_share):
                raise RecipeError(
                    f"{layers.file('stages', name)}: stages.{name} makes training data of '{corpus.name}', which an exam of this recipe asks; "
                    "give the one part: train and the other part: held_out, with the same held_out_share"
                )


def _check_answers(file: Path, where: str, models: list[Any], recipe: Recipe) -> None:
    """Raises RecipeError when a model that must write text is a reward model, which gives a number only."""
    for model in models:
        made = recipe.stages.get(model)
        if isinstance(made, RewardStage):
            raise RecipeError(
                f"{file}: {where} needs a model that writes, and '{model}' is a reward model, which only scores answers; name "
                f"the model that it was made from ('{made.model}')"
            )


# A stage's name is that of a folder of the run, in which these have other meanings.
STAGE_NAME = re.compile(r"\w[\w-]*")
NO_STAGES = ("base", "serve", TENSORBOARD, TRACKIO)


def _check_training(layers: Layers, name: str, stage: Any) -> None:
    """Raises RecipeError for the first value of a training block that its trainer does not know or cannot take."""
    for key, value in stage.training.items():
        file, place = layers.file("stages", name, "training", key), f"stages.{name}.training"
        if key not in training_keys(stage.kind):
            raise RecipeError(f"{file}: {place}: unknown key '{key}'; {nearest(key, training_keys(stage.kind))}")
        wanted = wanted_number(stage.kind, key, value)
        if wanted is not None:
            raise RecipeError(f"{file}: {place}.{key}: {wanted}, not {value!r}")
        if key == "chat_template_path" and value:
            try:
                resolve_chat_template(value)
            except RecipeError as error:
                raise RecipeError(f"{file}: {place}.{error}") from error


def check_stages(layers: Layers, recipe: Recipe) -> None:
    """Raises RecipeError for the first stage that names what no earlier one makes, or cannot be run as its block says."""
    earlier = ["base"] if recipe.base_model else []
    for name, stage in recipe.stages.items():
        if not STAGE_NAME.fullmatch(name) or name in NO_STAGES:
            raise RecipeError(
                f"{layers.file('stages', name)}: stages.{name}: a stage's name is that of its folder: letters, digits, - and _, and none of "
                f"{', '.join(NO_STAGES)}"
            )
        _check_not_examined(layers, name, recipe)
        for word in named_models(stage):
            if word not in earlier and not {"/", ":"} & set(word):
                if word == "base":
                    remedy = "give the recipe a base_model:"
                elif word in recipe.stages:
                    remedy = f"stages.{word} comes later; put it before" if word != name else "it is the stage itself"
                else:
                    remedy = nearest(
                        word, earlier, "" if earlier else "no stage is before it, and there is no base_model:"
                    )
                raise RecipeError(
                    f"{layers.file('stages', name)}: stages.{name} needs '{word}', which no earlier stage makes; {remedy}"
                )
        if isinstance(stage, CptStage) and stage.tokens is not None:
            made = [one for one in earlier if isinstance(recipe.stages.get(one), TokenizeStage)]
            if stage.tokens not in made:
                hint = nearest(stage.tokens, made) if made else "add one"
                raise RecipeError(
                    f"{layers.file('stages', name, 'tokens')}: stages.{name}.tokens: no earlier stage of kind tokenize is called '{stage.tokens}'; {hint}"
                )
        models = [getattr(stage, "model", None), *getattr(stage, "models", [])]
        _check_answers(layers.file("stages", name), f"stages.{name}", models, recipe)
        if isinstance(stage, TrainingStage):
            _check_training(layers, name, stage)
        earlier.append(name)
    if recipe.serve and recipe.serve.model not in earlier:
        raise RecipeError(
            f"{layers.file('serve', 'model')}: serve.model: no stage is called '{recipe.serve.model}'; {nearest(recipe.serve.model, earlier)}"
        )
    if recipe.serve:
        _check_answers(layers.file("serve", "model"), "serve", [recipe.serve.model], recipe)
