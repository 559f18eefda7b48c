"""Greedy answers from a model in process, many at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from tqdm import tqdm


@torch.inference_mode()
def greedy_answers(
    model: Any, tokenizer: Any, prompts: Sequence[str], max_new_tokens: int = 64, batch_size: int = 64, label: str = ""
) -> list[str]:
    """The likeliest continuation of each prompt, up to the end of the turn or of the line of a plain answer."""
    model.eval()
    order = sorted(range(len(prompts)), key=lambda place: len(prompts[place]), reverse=True)
    answers = [""] * len(prompts)
    side = tokenizer.padding_side
    tokenizer.padding_side = "left"
    for start in tqdm(range(0, len(order), batch_size), desc=label, leave=False, disable=None):
        places = order[start : start + batch_size]
        batch = tokenizer(
            [prompts[place] for place in places], return_tensors="pt", padding=True, add_special_tokens=False
        ).to(model.device)
        batch.pop("token_type_ids", None)
        output = model.generate(
            **batch,
            max_new_tokens=max_new_tokens,
            do_sample=False,
            use_cache=True,
            pad_token_id=tokenizer.pad_token_id,
        )
        for row, place in enumerate(places):
            new = output[row, batch["input_ids"].shape[1] :]
            answers[place] = str(tokenizer.decode(new, skip_special_tokens=True)).strip()
    tokenizer.padding_side = side
    return answers
