"""Group relative policy optimisation (Shao et al. 2024, https://arxiv.org/abs/2402.03300, section 4.1) with verifiable rewards, by TRL.

For each question the model samples a group of answers; verifiers reward them; an answer's advantage is its reward less the group's mean,
over the group's standard deviation. HuatuoGPT-o1 (Chen et al. 2024, https://arxiv.org/abs/2412.18925) has such a stage after fine-tuning, with PPO
and a model that compares an answer with the key; here the key is compared by rule (``evals.verifiers``).

Supports full training and adapters (merged at the end). Answers are sampled by transformers, or by vLLM on a GPU with TRL's own keys:
``use_vllm: true`` with ``vllm_mode: colocate`` (in this process), or ``server`` and ``vllm_server_base_url`` (see docs/alignment.md).
A run that was cut goes on to the same bytes, in any pass over the questions (``Passes``); with ``num_iterations`` above 1 only from a checkpoint
between two samplings, as TRL does not keep the answers that it was learning from.
Raises DataError and TrainingError.
"""

from __future__ import annotations

import collections
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import torch
from trl import GRPOTrainer
from trl.trainer.utils import RepeatSampler

from pipelines import loading, training
from pipelines.artifact import Draft
from pipelines.config import GrpoStage, Rewards, Verifier
from pipelines.data import Sources
from pipelines.synthesis.questions import Asked, asked_of, verdict
from pipelines.training.adapters import load_base, lora_config, merged, widen
from pipelines.training.plain_head import plain_head

DEFAULTS: dict[str, Any] = {
    "max_completion_length": 512,
    # TRL counts the tokens of prompts and completions itself; transformers would look for them in what the trainer is given.
    "include_num_input_tokens_seen": "no",
}
# What TRL logs of each step, by the name that the manifest gives it.
_LOGGED = {
    "reward": "reward",
    "reward_std": "reward_std",
    "kl": "kl",
    "entropy": "entropy",
    "mean_length": "completions/mean_length",  # tokens
    "cut_off": "completions/clipped_ratio",  # share of answers that did not end by themselves
}
EXAMPLES = 6


class Passes(RepeatSampler):  # type: ignore[misc]
    """TRL's sampler with an order of the questions that follows from the seed and the number of the pass.

    TRL's own goes on drawing from one generator, which a resumed run starts anew: its second pass then had the order of the first.
    """

    def begin(self, number: int) -> None:
        """Makes the next order that of this pass, counted from 0."""
        if self.shuffle:
            self.generator.manual_seed((self.seed or 0) + number)


class Trainer(GRPOTrainer):  # type: ignore[misc]
    """TRL's trainer with the sampler above."""

    def _get_train_sampler(self, dataset: datasets.Dataset | None = None) -> Passes:
        order = super()._get_train_sampler(dataset)
        order.__class__ = Passes
        self.order: Passes = order
        return self.order  # type: ignore[no-any-return]

    def _run_epoch(self, **given: Any) -> None:
        self.order.begin(given["epoch"])
        super()._run_epoch(**given)


def reward_function(
    name: Verifier, block: Rewards, asked: list[Asked], seen: collections.deque[dict[str, Any]]
) -> Callable[..., list[float | None]]:
    """A reward as TRL calls it: one value for each completion, None where the verifier does not apply. The last ones go to ``seen``."""

    def function(completions: list[list[dict[str, str]]], question: list[int], **_: Any) -> list[float | None]:
        found = []
        for completion, place in zip(completions, question, strict=True):
            answer = completion[0]["content"]
            found.append(verdict(name, asked[place], answer, block))
            seen.append({"question": asked[place].prompt[-1].content, "answer": answer, name: found[-1]})
        return found

    function.__name__ = name  # TRL's name for it in its logs
    return function


def steps_of(history: list[dict[str, Any]], names: list[Verifier]) -> list[dict[str, Any]]:
    """From the trainer's log, for each logged step: every verifier's mean reward and what else tells how it goes."""
    keys: dict[str, str] = {**{name: f"rewards/{name}/mean" for name in names}, **_LOGGED}
    return [
        {"step": entry["step"], **{name: entry[key] for name, key in keys.items() if entry.get(key) is not None}}
        for entry in history
        if "reward" in entry
    ]


def grpo(stage: GrpoStage, seed: int, model_path: str | Path, sources: Sources, draft: Draft) -> None:
    """Trains the model at ``model_path`` on the rewards of its own answers and writes it to ``draft``."""
    tokenizer = training.load_chat_tokenizer(model_path, "grpo")
    asked = asked_of(stage.items, stage.prompts, stage, sources)
    rows = [{"prompt": one.messages(), "question": place} for place, one in enumerate(asked)]
    names = list(stage.rewards)
    seen = {name: collections.deque[dict[str, Any]](maxlen=EXAMPLES) for name in names}

    weights = {"reward_weights": list(stage.rewards.values())}
    args = training.arguments("grpo", draft, seed, {**DEFAULTS, **weights, **stage.training})
    torch.manual_seed(seed)
    with training.explained("grpo"), plain_head():
        trainer = Trainer(
            model=load_base(model_path, stage),
            reward_funcs=[reward_function(name, stage, asked, seen[name]) for name in names],
            args=args,
            train_dataset=datasets.Dataset.from_list(rows),
            processing_class=tokenizer,
            peft_config=lora_config(stage.lora),
        )
        widen(trainer.model)
        draft.metrics = training.run(trainer, draft, "grpo", stage.spikes)

    model, told = merged(trainer.model, draft.folder / "adapter", lambda: loading.load_model(model_path))
    training.save_model(model, tokenizer, draft.folder / "model")
    draft.metrics |= {
        **told,
        "questions": dict(collections.Counter(one.kind for one in asked)),
        "rewards": steps_of(trainer.state.log_history, names),
        # The same answers were shown to each verifier.
        "examples": [{k: v for one in shown for k, v in one.items()} for shown in zip(*seen.values(), strict=True)],
    }
