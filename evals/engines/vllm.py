"""A model in this process, by vLLM."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
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
        self._numbers = itertools.count()  # of the requests
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
        found = dict(self.answered(prompts, max_tokens, stop))
        return [found[place] for place in range(len(prompts))]

    def answered(self, prompts: Sequence[str], max_tokens: int, stop: Sequence[str]) -> Iterator[tuple[int, str]]:
        """As ``AsTheyCome.answered``: vLLM is given all prompts at once, as ``vllm.LLM.generate`` does, and batches them as it likes."""
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        room = min(max_tokens, self.longest // 2)  # kept free for the answer; of a long prompt the end is kept
        asked = SamplingParams(
            temperature=0.0,
            max_tokens=max_tokens,
            stop=list(stop) or None,
            skip_special_tokens=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        vllm, places = self.model.llm_engine, {}
        try:
            for place, (ids, _) in enumerate(tokenized(self.tokenizer, [(prompt, "") for prompt in prompts])):
                name = f"text-{next(self._numbers)}"
                vllm.add_request(name, {"prompt_token_ids": ids[-(self.longest - room) :]}, asked)
                places[name] = place
            while places:
                for output in vllm.step():
                    if output.finished:
                        yield places.pop(output.request_id), self._text(output, stop)
        finally:  # nobody waits for the rest
            vllm.abort_request(list(places))

    def _text(self, output: Any, stop: Sequence[str]) -> str:
        text = str(output.outputs[0].text)
        for end in {self.tokenizer.eos_token, self.tokenizer.pad_token} - {None}:
            text = text.replace(end, "")
        return cut(text, stop).strip()

    def render(self, messages: list[dict[str, str]]) -> str:
        """As ``Engine.render``.

        Raises:
            OslerError: the model has no chat template.
        """
        return in_own_template(self.tokenizer, messages, self.id)
