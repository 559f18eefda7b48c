"""What a recipe says of verifiable rewards: which verifiers, their weights, and how the questions are put to the model."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from evals.verifiers import THOUGHT_THEN_ANSWER
from pipelines.config.parts import Block, Pattern

Verifier = Literal["right_option", "right_number", "format", "emergency", "facts"]


class Tolerance(Block):
    """How far a number may be from its reference; the larger of the two counts."""

    relative: float = Field(default=0.01, ge=0)  # of the reference's size
    absolute: float = Field(default=0.0, ge=0)  # in the reference's unit


class Rewards(Block):
    """Verifiers by weight. Each gives 0 or 1 to an answer (facts: −1 to 1), or nothing where it does not apply."""

    rewards: dict[Verifier, float] = Field(min_length=1)  # to their weights
    # Regular expression that the whole answer must match for the reward ``format``.
    format: Pattern = THOUGHT_THEN_ANSWER
    tolerance: Tolerance = Tolerance()  # of right_number
    options: Literal["letters", "text", "none"] = (
        "letters"  # listed beneath an item's question: with letters, bare, not at all
    )
    instruction: str = ""  # follows the question
