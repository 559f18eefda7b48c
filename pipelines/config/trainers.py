"""The fields of the trainers' own configs, which the ``training`` block of a stage may set."""

from __future__ import annotations

import dataclasses
import importlib
import sys
import types
import typing
from typing import Any

# Of each kind of stage that trains, the config class whose fields its ``training`` block may set.
TRAINING_CLASSES = {
    "cpt": ("transformers", "TrainingArguments"),
    "mlm": ("transformers", "TrainingArguments"),
    "sft": ("trl", "SFTConfig"),
    "dpo": ("trl", "DPOConfig"),
    "kto": ("trl", "KTOConfig"),
    "orpo": ("trl.experimental.orpo", "ORPOConfig"),
    "reward": ("trl", "RewardConfig"),
    "grpo": ("trl", "GRPOConfig"),
}


def training_class(kind: str) -> Any:
    """The config class whose fields the ``training`` block of a stage of this kind may set."""
    module, name = TRAINING_CLASSES[kind]
    return getattr(importlib.import_module(module), name)


def training_keys(kind: str) -> set[str]:
    """Names of the fields that the ``training`` block of a stage of this kind may set."""
    return {field.name for field in dataclasses.fields(training_class(kind)) if field.init}


NUMBERS = {bool: "true or false", int: "a whole number", float: "a number"}
# Bounds that the config classes do not know, and that would be found when training has begun, or never.
AT_LEAST_ONE = ("per_device_train_batch_size", "gradient_accumulation_steps")
ABOVE_NOUGHT = ("num_train_epochs",)
NOT_NEGATIVE = ("learning_rate", "weight_decay", "warmup_steps", "max_grad_norm")


def wanted_number(kind: str, key: str, value: Any) -> str | None:
    """What a field of the trainer's config takes, where that is numbers alone and ``value`` is none of them; None where it may be right.

    The config classes take anything, and a word in the place of a number is an error of whatever reckons with it first.
    """
    (annotation,) = (field.type for field in dataclasses.fields(training_class(kind)) if field.name == key)
    kinds = set(typing.get_args(annotation) or [annotation]) - {types.NoneType}
    if value is None or not kinds <= NUMBERS.keys():
        return None
    right = type(value) in kinds or (type(value) is int and float in kinds)
    if right and not abs(value) <= sys.float_info.max:  # nor nan, nor a whole number that no float can hold
        return "a finite number"
    if right and key in AT_LEAST_ONE and value < 1:
        return "1 or more"
    if right and key in ABOVE_NOUGHT and value <= 0:
        return "more than 0"
    if right and key in NOT_NEGATIVE and value < 0:
        return "0 or more"
    return None if right else " or ".join(words for number, words in NUMBERS.items() if number in kinds)
