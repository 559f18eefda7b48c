"""Tokens of a text: with a model's own tokenizer, or about as many as a common one makes."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from corpora.curate.units import HAN
from pipelines import loading


def rough_tokens(text: str) -> int:
    """About as many tokens as a common tokenizer makes: one for four letters of Latin script, or for one Chinese character."""
    characters = len(HAN.findall(text))
    return characters + math.ceil((len(text) - characters) / 4)


def token_counter(model: str | Path | None) -> tuple[Callable[[str], int], str]:
    """Counts the tokens of a prompt, and says how: with the model's own tokenizer, or roughly where there is none."""
    if model is None:
        return rough_tokens, "about, at 4 characters a token"
    tokenizer = loading.load_tokenizer(model)

    def count(text: str) -> int:
        messages = [{"role": "user", "content": text}]
        laid_out = str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
        return len(tokenizer(laid_out, add_special_tokens=False)["input_ids"])

    return count, "counted with the teacher's tokenizer"
