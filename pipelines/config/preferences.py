"""The preferences stage: how answers are sampled, scored and paired."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from pipelines.config.parts import Block, Corpus
from pipelines.config.rewards import Rewards
from pipelines.config.synthesis import Asking, Prompted


class FactsScorer(Block):
    """The words of the prompt's bundled fact that an answer holds, and for an emergency its referral (``pipelines.preference_data.facts``)."""

    by: Literal["facts"]


class VerifierScorer(Rewards):
    """The weighted sum of verifiable rewards (``evals.verifiers``)."""

    by: Literal["verifier"]


class RewardScorer(Block):
    """A reward model's score, on its own scale: choose ``min_margin`` by its histogram in the stage's report."""

    by: Literal["reward"]
    model: str  # a reward stage's name, a folder or a hub id
    batch: int = Field(default=8, ge=1)  # conversations scored at once


class JudgeScorer(Asking, Prompted):
    """A number from 1 to 10 that a teacher gives to each answer by itself, so that no order of two can sway it."""

    by: Literal["judge"]
    criteria: str = ""  # further lines for the rubric, as the hospital's own rules
    with_reference: bool = True  # show the judge the prompt's reference answer, or its item's key

    steps: ClassVar[tuple[str, ...]] = ("score",)


Scorer = Annotated[FactsScorer | VerifierScorer | RewardScorer | JudgeScorer, Field(discriminator="by")]


class Pairing(Block):
    """Which of a prompt's answers become pairs.

    Length control: preference data whose chosen answers are the longer ones teach length in place of quality (Park et al. 2024,
    https://arxiv.org/abs/2403.19159; Meng et al. 2024, https://arxiv.org/abs/2405.14734, section 4.2). Lengths are in the model's tokens.
    """

    take: Literal["best_worst", "best_random", "all"] = "best_worst"  # of a prompt's answers, those min_margin apart
    # A chosen answer is at most so many times its rejected one's length.
    max_length_ratio: float | None = Field(default=None, gt=0)
    # Scores so little below the best count as the best; of those the nearest in length is chosen.
    near: float = Field(default=0.0, ge=0)
    max_pairs: int | None = Field(default=None, ge=1)  # of one prompt, the widest margins first (take: all)

    @model_validator(mode="after")
    def _is_of_all(self) -> Pairing:
        if self.max_pairs is not None and self.take != "all":
            raise ValueError("max_pairs belongs to take: all; the other two take one pair of a prompt")
        return self


class PreferencesStage(Block):
    """Preference pairs from a model's own answers, sampled through vLLM, scored and paired."""

    kind: Literal["preferences"]
    model: str
    prompts: Corpus | None = None  # dialogues; the last answer of each is its reference
    items: Corpus | None = None  # or exam items
    samples: int = Field(default=4, ge=2)  # answers for each prompt
    temperature: float = 1.0
    top_p: float = Field(default=1.0, gt=0, le=1)
    max_tokens: int = 128
    vllm: dict[str, Any] = {}  # flags of the vLLM that samples, as ``tensor-parallel-size: 4``
    scorer: Scorer = FactsScorer(by="facts")
    pairing: Pairing = Pairing()
    min_margin: float = Field(default=0.2, ge=0)  # least difference of score between the answers of a pair
    round: int = Field(default=1, ge=1)  # set by ``repeat``: later rounds draw other prompts and sample by another seed

    @model_validator(mode="after")
    def _has_one_source(self) -> PreferencesStage:
        if (self.prompts is None) == (self.items is None):
            raise ValueError(
                "a preferences stage asks either prompts (dialogues) or items (exam items): give one of the two keys"
            )
        if isinstance(self.scorer, FactsScorer) and self.items is not None:
            raise ValueError("the scorer facts needs prompts; score items by verifier, reward or judge")
        if isinstance(self.scorer, VerifierScorer):
            wanted = {"right_option"} if self.items is not None else {"right_number", "emergency", "facts"}
            if not {*wanted, "format"} & set(self.scorer.rewards):
                raise ValueError(f"none of the rewards can score these prompts: add {' or '.join(sorted(wanted))}")
        return self

    @property
    def scored_by(self) -> str | None:
        """The model of ours that scores, if one does."""
        if isinstance(self.scorer, RewardScorer):
            return self.scorer.model
        return self.scorer.teacher.model if isinstance(self.scorer, JudgeScorer) else None

    def makes(self) -> dict[str, Any]:
        """The settings that the pairs depend on."""
        scorer = self.scorer.makes() if isinstance(self.scorer, JudgeScorer) else self.scorer.model_dump()
        return {**self.model_dump(exclude={"scorer"}), "scorer": scorer}
