"""Rounds: some stages of a recipe run several times, each time on what the time before left.

``repeat: {stages: [preferences, dpo], times: 3}`` is written out when the recipe is read, into the ordinary stages ``preferences-1``, ``dpo-1``,
``preferences-2`` and so on, so that each has its own folder and manifest, and is skipped, resumed and reported on as any other. Sampling from the
newest model in each round is iterative DPO (Xiong et al. 2024, https://arxiv.org/abs/2312.11456; Pang et al. 2024,
https://arxiv.org/abs/2404.19733).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field

from corpora.errors import nearest
from pipelines.config.parts import Block, Corpus, RecipeError

_MODEL_KEYS = ("model", "models", "chat", "tokens")  # fields that name stages, beside the corpora


class Repeat(Block):
    """Stages that follow each other, and how many times they run."""

    stages: list[str] = Field(min_length=1)
    times: int = Field(ge=2)


def renamed(block: Any, names: Mapping[str, str]) -> Any:
    """The block with other names for the stages that it reads."""
    if isinstance(block, Corpus):
        return block.model_copy(update={"name": names.get(block.name, block.name)})
    if isinstance(block, BaseModel):
        changed: dict[str, Any] = {}
        for key in type(block).model_fields:
            value = getattr(block, key)
            changed[key] = _named(value, names) if key in _MODEL_KEYS else renamed(value, names)
        return block.model_copy(update={key: new for key, new in changed.items() if new != getattr(block, key)})
    if isinstance(block, list):
        return [renamed(one, names) for one in block]
    if isinstance(block, dict):
        return {key: renamed(one, names) for key, one in block.items()}
    return block


def _named(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return names.get(value, value)
    if isinstance(value, list):
        return [_named(one, names) for one in value]
    return {_named(key, names): one for key, one in value.items()} if isinstance(value, dict) else value


def written_out(stages: dict[str, Any], repeat: Repeat) -> tuple[dict[str, Any], dict[str, str]]:
    """The recipe's stages with the repeated ones written out, and the names under which later stages find the last round's.

    Within a round a repeated stage reads the others of its round. The model that the first of them names is where the first round starts; in
    later rounds the last model of the round before stands in its place, in all of the repeated stages.

    Raises:
        RecipeError: the repeated stages do not exist or do not follow each other, or none of them makes a model.
    """
    unknown = [name for name in repeat.stages if name not in stages]
    if unknown:
        raise RecipeError(f"repeat.stages: no stage is called '{unknown[0]}'; {nearest(unknown[0], list(stages))}")
    order = list(stages)
    first = order.index(repeat.stages[0])
    if order[first : first + len(repeat.stages)] != repeat.stages:
        raise RecipeError("repeat.stages: the repeated stages must follow each other in the recipe, in the same order")
    start = getattr(stages[repeat.stages[0]], "model", None)
    trained = [name for name in repeat.stages if hasattr(stages[name], "training")]
    if start is None or not trained:
        raise RecipeError("repeat.stages: the first repeated stage must read a model, and one of them must train it")
    rounds: dict[str, Any] = {}
    for number in range(1, repeat.times + 1):
        names = {name: f"{name}-{number}" for name in repeat.stages}
        if number > 1:
            names[start] = f"{trained[-1]}-{number - 1}"
        for name in repeat.stages:
            stage = renamed(stages[name], names)
            if "round" in type(stage).model_fields:
                stage = stage.model_copy(update={"round": number})
            rounds[f"{name}-{number}"] = stage
    clash = sorted(set(rounds) & set(stages))
    if clash:
        raise RecipeError(f"repeat: a stage is already called '{clash[0]}'; give it another name")
    last = {name: f"{name}-{repeat.times}" for name in repeat.stages}
    before, after = order[:first], order[first + len(repeat.stages) :]
    return {
        **{name: stages[name] for name in before},
        **rounds,
        **{name: renamed(stages[name], last) for name in after},
    }, last
