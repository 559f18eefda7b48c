"""Scores of answers by a reward model: a sequence classifier with one output, of transformers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification

from corpora.records import Message
from pipelines import training
from serving.hardware import inference_dtype


@torch.inference_mode()
def score_answers(place: str | Path, conversations: Sequence[Sequence[Message]], batch: int) -> list[float]:
    """The reward of each conversation's last answer; only differences between answers to one prompt count.

    Args:
        place: folder or hub id of the reward model.
        conversations: each ends with the assistant's message.
        batch: conversations scored at once.

    Raises:
        TrainingError: there is no model at ``place``, or one that has not one output.
    """
    tokenizer = training.load_tokenizer(place)
    try:
        model = AutoModelForSequenceClassification.from_pretrained(place, dtype=inference_dtype()).eval()
    except (OSError, ValueError) as error:
        raise training.TrainingError(f"no reward model could be read from {place}: {error}") from error
    if model.config.num_labels != 1:
        raise training.TrainingError(f"{place}: a reward model has one output and this has {model.config.num_labels}")
    model.config.pad_token_id = tokenizer.pad_token_id
    texts = [
        str(tokenizer.apply_chat_template([message.as_dict() for message in one], tokenize=False))
        for one in conversations
    ]
    scores = [0.0] * len(texts)
    order = sorted(range(len(texts)), key=lambda place: len(texts[place]), reverse=True)
    for start in range(0, len(order), batch):
        places = order[start : start + batch]
        rows = tokenizer([texts[one] for one in places], return_tensors="pt", padding=True, add_special_tokens=False)
        rows.pop("token_type_ids", None)
        for one, value in zip(places, model(**rows.to(model.device)).logits[:, 0].float().tolist(), strict=True):
            scores[one] = value
    return scores
