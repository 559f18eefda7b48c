"""A recipe of a corpus, a base model, a method and hardware: one stage that trains, its exam, and what serves it.

The settings are those of the bundled recipe for that base and hardware, written out, so that a reader sees them all in one file.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Any

import yaml

from corpora.bundled.wording import wordings
from pipelines.bundled import recipe_names
from pipelines.config import RecipeError, load_layers, recipe_path

# What each record type can teach, the commonest first.
KINDS: dict[str, tuple[str, ...]] = {
    "document": ("cpt",),
    "dialogue": ("sft",),
    "preference": ("dpo", "kto", "orpo", "reward"),
    "exam_item": ("grpo",),
}
WEIGHTS = ("full", "lora", "qlora")
HERE = "cpu"
GPUS = {"24gb": "4090", "80gb": "H100"}  # what a plan takes for a card of so much memory
EMBEDDED = "bundled:osler-nano-base"
QUESTIONS = ["What is asthma?", "What should I avoid with gout?"]
# What of a stage is its method, and not its data.
METHOD = ("sequence_length", "optimizer", "muon_steps", "lora", "quantization", "spikes", "global_batch", "training")


@dataclass(frozen=True)
class Setting:
    """A bundled recipe by what it is for."""

    name: str
    base: str
    hardware: str  # as ``8x80gb``, or ``cpu``
    weights: str

    @property
    def gpus(self) -> str:
        """The same hardware in the words of ``osler plan --gpus``."""
        if self.hardware == HERE:
            return HERE
        *numbers, memory = self.hardware.split("x")
        count = functools.reduce(lambda product, number: product * int(number), numbers, 1)
        return f"{count}x{GPUS[memory]}"


@functools.cache
def settings() -> tuple[Setting, ...]:
    """What there are recipes for: the embedded base on this machine, and published bases on cards."""
    found = [Setting("nano", EMBEDDED, HERE, "full")]
    for name in recipe_names():
        named = re.fullmatch(r"(?:\d+x)?\d+x\d+gb-(full|lora|qlora)", name.rpartition("/")[2])
        if named is not None:
            base = str(load_layers(recipe_path(name)).values["base_model"])
            found.append(Setting(name, base, name.rpartition("/")[2].rpartition("-")[0], named[1]))
    return tuple(found)


def bases() -> list[str]:
    """Base models, the embedded one first."""
    return list(dict.fromkeys(one.base for one in settings()))


def hardware_for(base: str) -> list[str]:
    """Hardware that there is a recipe for, for this base."""
    return list(dict.fromkeys(one.hardware for one in settings() if one.base == base))


def weights_for(base: str, hardware: str) -> list[str]:
    """How weights can be trained there: as the recipes do; the embedded base also by an adapter, with PEFT's usual settings."""
    if base == EMBEDDED:
        return list(WEIGHTS)
    return [one.weights for one in settings() if (one.base, one.hardware) == (base, hardware)]


def setting_for(base: str, hardware: str, weights: str) -> Setting:
    """The bundled recipe whose settings are taken.

    Raises:
        RecipeError: there is none for this base on this hardware.
    """
    alike = [one for one in settings() if (one.base, one.hardware) == (base, hardware)]
    if not alike:
        raise RecipeError(
            f"no bundled recipe trains {base} on {hardware}; there are: {', '.join(hardware_for(base)) or 'none'}"
        )
    return next((one for one in alike if one.weights == weights), alike[0])


def _stages(setting: Setting, kind: str) -> list[dict[str, Any]]:
    stages = load_layers(recipe_path(setting.name)).values["stages"].values()
    return [stage for stage in stages if stage["kind"] == kind]


def _method(setting: Setting, kind: str, weights: str) -> tuple[dict[str, Any], str]:
    """The settings of the recipe's stage of this kind, as far as they are for these weights, and a sentence on where they are from."""
    same = _stages(setting, kind)
    own = {key: same[-1][key] for key in METHOD if key in same[-1]} if same else {}
    told = f"the settings of training are those of the bundled recipe {setting.name}"
    if not same:
        told = f"the bundled recipes have no {kind} stage: TRL's defaults count"
        if kind in KINDS["preference"] and (near := _stages(setting, "dpo")):
            own = {key: near[-1][key] for key in ("lora", "quantization") if key in near[-1]}
    training = dict(own.get("training", {}))
    adapted = own.get("lora") is not None
    if weights == "full":
        if (
            adapted and "learning_rate" in training
        ):  # recipes/_common/lora.yaml: an adapter's is about ten times that of all weights
            training["learning_rate"] /= 10
            told += ", with a tenth of its adapter's rate"
        own |= {"lora": None} if kind in KINDS["preference"] else {}
    else:
        if not adapted:
            own["lora"] = {"r": 16, "lora_alpha": 32}
            told += ", with an adapter of rank 16, for which nobody has tuned the rate" if same else ""
            own.pop("optimizer", None)  # Muon trains the matrices that an adapter freezes
            own.pop("muon_steps", None)
        if weights == "qlora":
            own.setdefault("quantization", {"load_in_4bit": True})
        else:
            own.pop("quantization", None)
    return {**own, "training": training}, told


def compose(
    name: str, corpus: str, record: str, base: str, kind: str, weights: str, hardware: str, epochs: float | None = None
) -> str:
    """The text of a recipe.

    Args:
        name: of the recipe, and of its run.
        corpus: a catalogued dataset, a bundled rendering, or a file.
        record: what its records are: document, dialogue, preference or exam_item.
        base: the base model.
        kind: of the stage that trains, as ``sft``.
        weights: full, lora or qlora.
        hardware: as ``1x80gb``, or ``cpu``.
        epochs: passes over the corpus, where the recipe's should not be taken.

    Raises:
        RecipeError: the records cannot be taught in this way, or no recipe knows the base on this hardware.
    """
    if kind not in KINDS.get(record, ()):
        ways = ", ".join(KINDS.get(record, ())) or "nothing"
        raise RecipeError(f"{corpus} holds {record} records, from which {kind} cannot learn; {ways} can")
    setting = setting_for(base, hardware, weights)
    method, told = _method(setting, kind, weights)
    training = {**method.pop("training", {}), "logging_steps": 10 if base != EMBEDDED else 5}
    if epochs:
        training.pop("max_steps", None)
        training["num_train_epochs"] = int(epochs) if float(epochs).is_integer() else float(epochs)
    corpora: dict[str, Any] = {"corpora": [{"name": corpus}]}
    if record == "preference":
        corpora = {"preferences": {"name": corpus}}
    elif record == "exam_item":
        corpora = {"items": [{"name": corpus}], "rewards": {"right_option": 1.0}}
    blocks: list[dict[str, Any]] = [
        {"name": name, "description": f"{kind.upper()} of {base.rpartition(':')[2]} on {corpus.rpartition('/')[2]}"},
        {"seed": 42, "base_model": base},
    ]
    launch = load_layers(recipe_path(setting.name)).values.get("launch")
    if launch is not None:
        blocks.append({"launch": launch})
    stage = {"kind": kind, "model": "base", **corpora, **method, "training": training}
    stages: dict[str, Any] = {kind: stage}
    talks = kind not in ("cpt", "reward")
    if kind != "reward":
        items = [{"name": "bundled-exam", "normalise": "unconditional", "limit": 200}]
        stages["exam"] = {"kind": "exam", "models": ["base", kind], **({"chat": [kind]} if talks else {})}
        stages["exam"] |= {"instruction": wordings()["brief"], "items": items, "questions": QUESTIONS}
    blocks.append({"stages": stages})
    if talks:
        blocks.append({"serve": {"model": kind, "questions": QUESTIONS}})
    head = f"# {kind.upper()} ({weights}): {told}.\n"
    return head + "\n".join(yaml.safe_dump(block, allow_unicode=True, sort_keys=False, width=110) for block in blocks)
