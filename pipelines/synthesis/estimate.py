"""What a synthesise stage will take, counted before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from pipelines.config import Asking, RecipeError, SynthesiseStage
from pipelines.data import Sources
from pipelines.synthesis.journal import Journal
from pipelines.synthesis.prompting import load_prompts
from pipelines.synthesis.teacher import Spent
from pipelines.synthesis.token_counts import token_counter
from pipelines.synthesis.works import first_step, further_steps, sourced


@dataclass
class Estimate:
    """What the records that are not yet done will take when no reply is sampled again. ``most``: with the longest answers."""

    stage: Asking
    counted: str  # how tokens were counted
    wished: int = 0
    done: int = 0
    requests: int = 0
    prompt_tokens: int = 0
    most_prompt_tokens: int = 0
    largest: int = 1  # tokens of the largest request, answer included
    keys: list[str] = field(default_factory=list)

    @property
    def expected_answer(self) -> int:
        """Tokens of an answer."""
        return self.stage.teacher.expected_tokens or max(1, self.stage.teacher.max_tokens // 2)

    def cost(self, most: bool = False) -> float:
        """In the currency of the prices."""
        answer = self.stage.teacher.max_tokens if most else self.expected_answer
        prompts = self.most_prompt_tokens if most else self.prompt_tokens
        return Spent(prompt_tokens=prompts, completion_tokens=self.requests * answer).cost(
            self.stage.teacher.price_per_million
        )

    def minutes(self) -> float | None:
        """At the rate limits, at least; None where there are none."""
        tokens = self.prompt_tokens + self.requests * self.expected_answer
        limits = [(self.requests, self.stage.requests_per_minute), (tokens, self.stage.tokens_per_minute)]
        found = [amount / limit for amount, limit in limits if limit]
        return max(found) if found else None

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        found: dict[str, Any] = {
            "records_wished": self.wished,
            "records_done": self.done,
            "requests": self.requests,
            "requests_if_all_are_resampled": self.requests * self.stage.max_tries,
            "tokens": self.counted,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens_expected": self.requests * self.expected_answer,
            "completion_tokens_at_most": self.requests * self.stage.teacher.max_tokens,
            "minutes_at_the_rate_limits": self.minutes(),
        }
        if self.stage.teacher.price_per_million is not None:
            at_most = self.cost(most=True)
            found |= {"cost_expected": self.cost(), "cost_at_most": at_most}
            found["cost_if_all_are_resampled"] = at_most * self.stage.max_tries
        return found

    def lines(self) -> list[str]:
        """For people."""
        told = self.as_dict()
        lines = [
            f"{self.wished:,} records wished, {self.done:,} of them done before",
            f"requests: {self.requests:,} when no reply is sampled again, {told['requests_if_all_are_resampled']:,} at most",
            f"tokens: prompts {self.prompt_tokens:,} ({self.counted}), answers {told['completion_tokens_expected']:,} expected, "
            f"{told['completion_tokens_at_most']:,} at most",
        ]
        if "cost_expected" in told:
            lines.append(
                f"cost: {told['cost_expected']:.4g} expected, {told['cost_at_most']:.4g} at most, "
                f"{told['cost_if_all_are_resampled']:.4g} if every reply is sampled {self.stage.max_tries} times"
            )
        else:
            lines.append("cost: not known; give teacher.price_per_million")
        minutes = self.minutes()
        at_least = "no rate limit is set" if minutes is None else f"{minutes:.1f} minutes or more at the rate limits"
        return [*lines, f"time: {at_least}"]

    def check(self) -> None:
        """Raises RecipeError when it costs more than ``max_cost``, or one request is more than a minute's tokens."""
        if self.stage.max_cost is not None and self.cost(most=True) > self.stage.max_cost:
            raise RecipeError(
                f"this may cost {self.cost(most=True):.4g} and max_cost is {self.stage.max_cost:g}: nothing was sent; raise "
                "max_cost, lower max_tokens, or limit the corpora"
            )
        if self.stage.tokens_per_minute is not None and self.largest > self.stage.tokens_per_minute:
            raise RecipeError(
                f"one request may take {self.largest:,} tokens and tokens_per_minute is {self.stage.tokens_per_minute:,}; lower "
                "teacher.max_tokens or passage_characters"
            )


def estimate(
    stage: SynthesiseStage, sources: Sources, model: str | Path | None, done: Journal | frozenset[str] = frozenset()
) -> Estimate:
    """Goes through the sources, sends nothing, and counts.

    Args:
        stage: what is to be done.
        sources: where its corpora are.
        model: whose tokenizer counts; None for a rough count.
        done: keys that are not asked for again.

    Raises:
        OslerError: as ``sourced``, or a prompt cannot be made.
    """
    count, how = token_counter(model)
    found = Estimate(stage, how)
    prompts = [load_prompts(task) for task in stage.tasks]
    longest = stage.teacher.max_tokens
    for work in tqdm(sourced(stage, sources), desc="estimating", unit="record", leave=False, disable=None):
        found.keys.append(work.key)
        found.wished += 1
        if work.key in done:
            found.done += 1
            continue
        steps = [] if work.unfit else [first_step(work), *further_steps(work)]
        of_task = prompts[stage.tasks.index(work.task)]
        for number, (step, values) in enumerate(steps):
            tokens = count(of_task[f"{step}.{work.language}"].render(**values))
            found.requests += 1
            # A further step's prompt holds what the teacher wrote before.
            found.prompt_tokens += tokens + (found.expected_answer if number else 0)
            most = tokens + (longest if number else 0)
            found.most_prompt_tokens += most
            found.largest = max(found.largest, most + longest)
    return found
