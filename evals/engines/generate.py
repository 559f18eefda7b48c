"""Greedy answers from a model in process, many at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from tqdm import tqdm


def in_batches(prompts: Sequence[str], size: int) -> list[list[int]]:
    """Places of the prompts in batches of at most ``size``, the longest first, so that a batch has little padding."""
    order = sorted(range(len(prompts)), key=lambda place: len(prompts[place]), reverse=True)
    return [order[start : start + size] for start in range(0, len(order), size)]


@torch.inference_mode()
def greedy_answers(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[str],
    max_new_tokens: int = 64,
    batch_size: int = 64,
    label: str = "",
    stop: Sequence[str] = (),
    keep_marks: bool = False,
) -> list[str]:
    """The likeliest continuation of each prompt, up to the end of the turn.

    Args:
        model: the model.
        tokenizer: its tokenizer.
        prompts: what is continued.
        max_new_tokens: of each answer.
        batch_size: prompts at once.
        label: of the progress bar.
        stop: texts that end an answer, which are left at its end.
        keep_marks: keep special tokens other than those that end or fill a text; some models mark their thoughts by them.
    """
    ends = {tokenizer.eos_token, tokenizer.pad_token} - {None}
    limit = int(getattr(model.config, "max_position_embeddings", 2048))
    # A chat template may have put the beginning that the tokenizer puts before every text.
    begun = bool(prompts) and prompts[0].startswith(tokenizer.bos_token or "\0")
    model.eval()
    answers = [""] * len(prompts)
    batches = in_batches(prompts, batch_size)
    for places in tqdm(batches, desc=label, leave=False, disable=True if len(batches) == 1 else None):
        batch = tokenizer(
            [prompts[place] for place in places],
            return_tensors="pt",
            padding=True,
            padding_side="left",
            add_special_tokens=not begun,
        ).to(model.device)
        # A prompt too long for the model keeps its end; the prompts of a batch are padded on the left.
        longest = limit - min(max_new_tokens, limit // 2)
        batch = {name: values[:, -longest:] for name, values in batch.items() if name != "token_type_ids"}
        output = model.generate(
            **batch,
            max_new_tokens=min(max_new_tokens, limit - batch["input_ids"].shape[1]),
            do_sample=False,
            use_cache=True,
            pad_token_id=tokenizer.pad_token_id,
            **({"stop_strings": list(stop), "tokenizer": tokenizer} if stop else {}),
        )
        for row, place in enumerate(places):
            new = output[row, batch["input_ids"].shape[1] :]
            text = str(tokenizer.decode(new, skip_special_tokens=not keep_marks))
            for end in ends if keep_marks else ():
                text = text.replace(end, "")
            answers[place] = text.strip()
    return answers
