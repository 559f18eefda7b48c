"""A model in this process, by transformers: each prompt is computed once for all of its options (``evals.engines.continuations``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import transformers

from evals.engines import cut, in_own_template
from evals.engines.continuations import continuation_log_probs
from evals.engines.generate import greedy_answers, in_batches

MOST_AT_ONCE = 64  # prompts that are continued together
ON_A_GPU, ON_A_PROCESSOR = 8192, 2048  # tokens computed at once by default (see ``evals.engines.continuations``)
KEPT_TOKENS = 65_536  # whose keys and values are held at once: 8 GiB at 128 KiB a token, as an 8B Llama 3 has


class TransformersEngine:
    """A loaded model and its tokenizer."""

    name = "transformers"
    chunk = 512

    def __init__(self, model: Any, tokenizer: Any, id: str, fingerprint: str, batch_tokens: int | None = None) -> None:
        """An engine.

        Args:
            model: a causal language model.
            tokenizer: its tokenizer.
            id: what the user calls it.
            fingerprint: of its files.
            batch_tokens: tokens computed at once, padding included; None for what is fast on the model's device.
        """
        self.model, self.tokenizer, self.id, self.fingerprint = model.eval(), tokenizer, id, fingerprint
        self.batch_tokens = batch_tokens or (ON_A_PROCESSOR if model.device.type == "cpu" else ON_A_GPU)
        self.settings = (
            f"transformers {transformers.__version__}, torch {torch.__version__}, {model.dtype} on {model.device.type}, "
            f"{self.batch_tokens} tokens at once"
        )

    def log_probs(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """As ``Engine.log_probs``."""
        return continuation_log_probs(self.model, self.tokenizer, pairs, self.batch_tokens, "options")

    def batches(self, prompts: Sequence[str], max_tokens: int) -> list[list[int]]:
        """As ``InBatches.batches``: prompts of like length together."""
        return in_batches(prompts, _at_once(prompts, max_tokens))

    def generate(self, prompts: Sequence[str], max_tokens: int, stop: Sequence[str]) -> list[str]:
        """As ``Engine.generate``."""
        at_once = _at_once(prompts, max_tokens)
        texts = greedy_answers(
            self.model, self.tokenizer, prompts, max_tokens, at_once, "answers", stop=stop, keep_marks=True
        )
        return [cut(text, stop) for text in texts]

    def render(self, messages: list[dict[str, str]]) -> str:
        """As ``Engine.render``.

        Raises:
            OslerError: the model has no chat template.
        """
        return in_own_template(self.tokenizer, messages, self.id)


def _at_once(prompts: Sequence[str], max_tokens: int) -> int:
    """How many of the prompts are continued together; no fewer of some of them than of all."""
    # As many tokens as the longest prompt has at most: in most text a token has three bytes or more.
    longest = max(len(prompt.encode()) for prompt in prompts) // 3
    return max(1, min(MOST_AT_ONCE, KEPT_TOKENS // (longest + max_tokens)))
