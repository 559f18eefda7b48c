"""The main fields of a recipe, read from it and put into its text."""

from __future__ import annotations

from typing import Any

from pipelines.board.edit import parsed, set_value
from pipelines.config import Recipe, RecipeError, TrainingStage

HEAD = ("name", "base_model", "description", "seed")
TRAINING = (
    "learning_rate",
    "num_train_epochs",
    "max_steps",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "max_length",
    "warmup_steps",
)
LORA = "lora_r"
STAGE = (*TRAINING, LORA)


def trained(recipe: Recipe) -> list[str]:
    """Stages that have fields in the form."""
    return [name for name, stage in recipe.stages.items() if isinstance(stage, TrainingStage)]


def head_values(recipe: Recipe) -> list[str]:
    """What the fields of the whole recipe hold."""
    return ["" if getattr(recipe, key) is None else str(getattr(recipe, key)) for key in HEAD]


def stage_values(recipe: Recipe, stage: str | None) -> list[str]:
    """What the fields of a stage hold; nothing where the trainer's default counts."""
    block: Any = recipe.stages.get(stage or "")
    if not isinstance(block, TrainingStage):
        return [""] * len(STAGE)
    lora = getattr(block, "lora", None)
    values = [block.training.get(key) for key in TRAINING] + [lora.r if lora is not None else None]
    return ["" if value is None else written(value) for value in values]


def written(value: Any) -> str:
    """A value as a person writes it."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def read(text: str) -> Any:
    """What a person wrote in a field, as a number where it is one."""
    text = text.strip()
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def put_head(text: str, key: str, value: str) -> str:
    """The recipe's text with a field of the whole recipe.

    Raises:
        RecipeError: the text is no recipe.
    """
    if key not in HEAD:
        raise RecipeError(f"'{key}' is no field of the form")
    return set_value(text, (key,), read(value) if key == "seed" else value.strip())


def written_out(text: str) -> set[str]:
    """Stages that the recipe's ``repeat`` makes of those that it repeats: they stand nowhere in a text."""
    repeat = parsed(text).get("repeat") or {}
    return {
        f"{name}-{number + 1}" for name in repeat.get("stages", []) for number in range(int(repeat.get("times", 0)))
    }


def put_stage(text: str, recipe: Recipe, stage: str, key: str, value: str) -> str:
    """The recipe's text with a field of a stage. An empty field leaves what is there.

    Raises:
        RecipeError: the text is no recipe, or the stage cannot have the field.
    """
    if stage not in trained(recipe) or key not in STAGE:
        raise RecipeError(f"stages.{stage} has no field '{key}' in the form")
    if not value.strip() or value.strip() == stage_values(recipe, stage)[STAGE.index(key)]:
        return text
    if stage in written_out(text):
        raise RecipeError(f"stages.{stage} is written out by repeat; change the stage that is repeated, in the text")
    if key == LORA:
        if getattr(recipe.stages[stage], "lora", None) is None:
            raise RecipeError(f"stages.{stage} trains all weights; add a lora block in the text for an adapter")
        return set_value(text, ("stages", stage, "lora", "r"), read(value))
    return set_value(text, ("stages", stage, "training", key), read(value))
