"""The tokens of prompts and of what may follow them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def tokenized(tokenizer: Any, pairs: Sequence[tuple[str, str]]) -> list[tuple[list[int], list[int]]]:
    """The tokens of each prompt and of its continuation.

    The tokens that the tokenizer puts before every text stand before the prompt, unless a chat template has put them there. Where a
    prompt ends in a space, the space is the continuation's.
    """
    parted = []
    for before, after in pairs:
        bare = before.rstrip(" ")
        parted.append((bare, before[len(bare) :] + after))
    prompts = list(dict.fromkeys(before for before, _ in parted))
    whole = list(dict.fromkeys(before + after for before, after in parted))
    tokens = dict(zip([*prompts, *whole], _encoded(tokenizer, [*prompts, *whole]), strict=True))
    found = []
    for before, after in parted:
        head = tokens[before] or [tokenizer.eos_token_id]  # nothing before it: as at the start of a document
        tail = tokens[before + after][len(tokens[before]) :]
        found.append((head, tail or tokenizer(after, add_special_tokens=False)["input_ids"]))
    return found


def _encoded(tokenizer: Any, texts: list[str]) -> list[list[int]]:
    """Tokens of each text; a beginning that the text has already is not put before it again."""
    start = tokenizer.bos_token or ""
    found: list[list[int]] = [[] for _ in texts]
    for given in (False, True):
        places = [place for place, text in enumerate(texts) if bool(start and text.startswith(start)) is given]
        if places:
            chosen = [texts[place] for place in places]
            for place, row in zip(places, _ids(tokenizer, chosen, not given), strict=True):
                found[place] = row
    return found


def _ids(tokenizer: Any, texts: list[str], special: bool) -> list[list[int]]:
    """The tokens alone: a tokenizer in Rust works out masks and the place of each token in the text besides, in as much time again."""
    backend: Any = getattr(tokenizer, "backend_tokenizer", None)
    if not hasattr(backend, "encode_batch_fast"):
        return list(tokenizer(texts, add_special_tokens=special)["input_ids"])
    backend.no_truncation()
    backend.no_padding()
    return [encoding.ids for encoding in backend.encode_batch_fast(texts, add_special_tokens=special)]
