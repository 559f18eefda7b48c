"""A reward model, which gives an answer one number, learnt from preference pairs with TRL; and its use.

As in Stiennon et al. 2020 (https://arxiv.org/abs/2009.01325, section 3.4), after Bradley and Terry 1952: the model at hand
gets a head of one output in the place of its vocabulary (``AutoModelForSequenceClassification``), read at the last token of
a conversation; the loss is -log sigmoid(reward of the chosen - reward of the rejected answer). Supports full training and
adapters (merged at the end; the new head is trained whole in either). The pairs of a share of the prompts (``held_out``)
are kept for the accuracy, which is that of the model as saved. Assumes a chat template. Raises DataError and TrainingError.
"""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification
from trl import RewardTrainer

from corpora.errors import DataError
from corpora.records import Message
from evals.stats.intervals import wilson
from pipelines import loading, training
from pipelines.artifact import Draft
from pipelines.config import RewardStage
from pipelines.data import Sources
from pipelines.preference_data.pairs import pair_rows, rewards
from pipelines.training import sharding
from pipelines.training.adapters import load_base, lora_config, merged, widen
from serving.hardware import has_gpu

DEFAULTS: dict[str, Any] = {"max_length": 1024}
Row = dict[str, Any]

read_model = functools.partial(loading.load_model, auto=AutoModelForSequenceClassification, num_labels=1)


def split(rows: list[Row], share: float, seed: int, corpus: str) -> tuple[list[Row], list[Row]]:
    """The rows to learn from and those held out: all pairs of a prompt are on one side.

    Raises:
        DataError: there are too few prompts to hold any out.
    """
    keys = [json.dumps(row["prompt"], sort_keys=True) for row in rows]
    prompts = sorted(set(keys))
    count = round(len(prompts) * share)
    if share and count == 0:
        raise DataError(
            f"corpus '{corpus}': {len(prompts)} prompts are too few to hold out {share:.0%} of them; raise held_out, or set it "
            "to 0 for no accuracy"
        )
    kept = set(random.Random(seed).sample(prompts, count))
    learnt = [row for row, key in zip(rows, keys, strict=True) if key not in kept]
    return learnt, [row for row, key in zip(rows, keys, strict=True) if key in kept]


@torch.no_grad()
def score_answers(place: str | Path, conversations: Sequence[Sequence[Message]], batch: int = 16) -> list[float]:
    """The reward of each conversation's last answer, by the reward model at ``place``; differences count, not their zero.

    Args:
        place: folder of a model that a reward stage saved, or of any sequence classifier of one output.
        conversations: each ends with the assistant's message.
        batch: conversations scored at once.

    Raises:
        TrainingError: no reward model, or one without a chat template, is at ``place``.
        DataError: a conversation does not end with an answer, or is longer than the model can read.
    """
    for number, conversation in enumerate(conversations):
        if not conversation or conversation[-1].role != "assistant":
            raise DataError(
                f"conversation {number}: the last message is not the assistant's; there is no answer to score"
            )
    try:
        config = AutoConfig.from_pretrained(place)
    except (OSError, ValueError) as error:
        raise loading.TrainingError(f"no model could be read from {place}: {error}") from error
    classifier = any(name.endswith("ForSequenceClassification") for name in config.architectures or [])
    if not classifier or config.num_labels != 1:
        raise loading.TrainingError(
            f"{place}: not a reward model, which is a sequence classifier of one output; make one with a stage of kind reward"
        )
    tokenizer = training.load_chat_tokenizer(place, "scoring answers")
    tokenizer.padding_side = "right"
    model = read_model(place, training=False).eval().to("cuda" if has_gpu() else "cpu")  # type: ignore[arg-type]
    longest = getattr(config.get_text_config(), "max_position_embeddings", None)
    ids: list[list[int]] = []
    for number, conversation in enumerate(conversations):
        text = tokenizer.apply_chat_template([message.as_dict() for message in conversation], tokenize=False)
        ids.append(list(tokenizer(text, add_special_tokens=False)["input_ids"]))
        if longest is not None and len(ids[-1]) > longest:
            raise DataError(
                f"conversation {number}: {len(ids[-1])} tokens, and {place} reads {longest} at most; shorten it"
            )
    order = sorted(range(len(ids)), key=lambda number: len(ids[number]))  # little padding
    found = [0.0] * len(ids)
    for start in range(0, len(order), batch):
        part = order[start : start + batch]
        padded = tokenizer.pad({"input_ids": [ids[number] for number in part]}, return_tensors="pt").to(model.device)
        for number, reward in zip(part, model(**padded).logits.squeeze(-1).float().tolist(), strict=True):
            found[number] = reward
    return found


def accuracy(place: Path, rows: list[Row], batch: int) -> dict[str, Any]:
    """How often the reward model at ``place`` prefers what was chosen, with a 95% interval, and by how much on average."""
    ends = [Message(**row[side][0]) for row in rows for side in ("chosen", "rejected")]
    starts = [[Message(**message) for message in row["prompt"]] for row in rows for _ in range(2)]
    found = score_answers(place, [[*start, end] for start, end in zip(starts, ends, strict=True)], batch)
    margins = [chosen - rejected for chosen, rejected in zip(found[::2], found[1::2], strict=True)]
    right = sum(margin > 0 for margin in margins)
    low, high = wilson(right, len(rows))
    return {
        "pairs": len(rows),
        "accuracy": round(right / len(rows), 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "mean_margin": round(sum(margins) / len(margins), 4),
    }


def reward(stage: RewardStage, seed: int, model_path: str | Path, sources: Sources, draft: Draft) -> None:
    """Trains a reward model from the model at ``model_path`` on the stage's preference pairs and writes it to ``draft``."""
    template = stage.training.get("chat_template_path")
    tokenizer = training.load_chat_tokenizer(model_path, "reward", template)
    rows = pair_rows(stage.preferences, sources, "reward")
    learnt, held_out = split(rows, stage.held_out, seed, stage.preferences.name)

    args = training.arguments("reward", draft, seed, {**DEFAULTS, **stage.training})
    torch.manual_seed(seed)  # of the new head's weights
    with training.explained("reward"):
        trainer = RewardTrainer(
            model=load_base(model_path, stage, read_model),
            args=args,
            train_dataset=sharding.dataset(learnt, draft),
            processing_class=tokenizer,
            peft_config=lora_config(stage.lora, task_type="SEQ_CLS"),
        )
        widen(trainer.model)
        draft.metrics = training.run(trainer, draft, "reward", stage.spikes)

    model, told = merged(trainer.model, draft.folder / "adapter", lambda: read_model(model_path))
    training.save_model(model, tokenizer, draft.folder / "model")
    draft.metrics |= {
        "pairs": len(learnt),
        "too_long": len(learnt) - len(trainer.train_dataset),  # for training.max_length: TRL leaves these out
        "rewards": rewards(trainer.state.log_history),
        **told,
    }
    if held_out and sharding.rank() == 0:
        draft.metrics["held_out"] = accuracy(draft.folder / "model", held_out, args.per_device_eval_batch_size)
