"""A model in this process, by vLLM."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from corpora.errors import OslerError
from evals.engines import cut, in_own_template
from evals.engines.tokens import tokenized


class VllmEngine:
    """vLLM's own batching; answers are greedy."""

    name = "vllm"
    chunk = 512

    def __init__(self, folder: Path, id: str, fingerprint: str, **flags: Any) -> None:
        """Loads the model.

        Args:
            folder: of the model.
            id: what the user calls it.
            fingerprint: of its files.
            flags: of ``vllm.LLM``.

        Raises:
            OslerError: vLLM is not installed, or cannot load the model.
        """
        try:
            import vllm
        except ImportError as error:
            raise OslerError("--engine vllm needs vLLM: install osler[serve-cpu] or osler[serve-gpu]") from error
        given = {"seed": 0, "disable_log_stats": True, **flags}
        try:
            self.model: Any = vllm.LLM(model=str(folder), **given)
        except (RuntimeError, ValueError, OSError) as error:
            raise OslerError(f"vLLM cannot load {id}: {error}") from error
        self.tokenizer: Any = self.model.get_tokenizer()
        self.longest = int(self.model.llm_engine.model_config.max_model_len)
        self.id, self.fingerprint = id, fingerprint
        self.settings = f"vllm {vllm.__version__}, {given}, at most {self.longest} tokens"

    def log_probs(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """As ``Engine.log_probs``. A prompt too long for the model keeps its end."""
        from vllm import SamplingParams

        rows = tokenized(self.tokenizer, pairs)
        # One token is generated, which needs a place too.
        prompts = [{"prompt_token_ids": [*head, *tail][-(self.longest - 1) :]} for head, tail in rows]
        asked = SamplingParams(temperature=0.0, max_tokens=1, prompt_logprobs=0)
        found = []
        for (_, tail), output in zip(rows, self.model.generate(prompts, asked, use_tqdm=False), strict=True):
            shown = output.prompt_logprobs[-len(tail) :]
            found.append(sum(float(at[token].logprob) for at, token in zip(shown, tail, strict=True)))
        return found

    def generate(self, prompts: Sequence[str], max_tokens: int, stop: Sequence[str]) -> list[str]:
        """As ``Engine.generate``."""
        from vllm import SamplingParams

        room = min(max_tokens, self.longest // 2)  # kept free for the answer; of a long prompt the end is kept
        asked = SamplingParams(
            temperature=0.0, max_tokens=max_tokens, stop=list(stop) or None, skip_special_tokens=False
        )
        tokens = [ids for ids, _ in tokenized(self.tokenizer, [(prompt, "") for prompt in prompts])]
        given = [{"prompt_token_ids": ids[-(self.longest - room) :]} for ids in tokens]
        ends = {self.tokenizer.eos_token, self.tokenizer.pad_token} - {None}
        texts = []
        for output in self.model.generate(given, asked, use_tqdm=False):
            text = str(output.outputs[0].text)
            for end in ends:
                text = text.replace(end, "")
            texts.append(cut(text, stop).strip())
        return texts

    def render(self, messages: list[dict[str, str]]) -> str:
        """As ``Engine.render``.

        Raises:
            OslerError: the model has no chat template.
        """
        return in_own_template(self.tokenizer, messages, self.id)
