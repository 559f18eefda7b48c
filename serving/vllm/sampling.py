"""Many completions from a running server at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import openai
from tqdm import tqdm

from serving.addresses import ServerError
from serving.vllm.server import Server


@dataclass(frozen=True)
class Sample:
    """One completion."""

    text: str
    finished: bool  # ended by itself, not cut at ``max_tokens``


def sample(
    server: Server,
    prompts: Sequence[str],
    n: int,
    max_tokens: int,
    temperature: float,
    top_p: float = 1.0,
    at_once: int = 128,
    label: str = "sampling",
) -> list[list[Sample]]:
    """``n`` completions of each prompt, in the order of ``prompts``.

    Prompts go in groups of fixed members and order to a server that was started with a seed, so that vLLM forms the same
    batches and draws the same numbers each time. A seed for each request would do as well, but on a processor vLLM then
    draws each row's noise apart, which is four times slower.

    Args:
        server: a running vLLM.
        prompts: text as the model reads it, chat marks included.
        n: completions for each prompt.
        max_tokens: of each completion.
        temperature: 1.0 samples from the model's own distribution.
        top_p: share of probability kept.
        at_once: sequences in a group.
        label: what the progress bar says.

    Raises:
        ServerError: the server refuses a request or has stopped.
    """
    client = openai.OpenAI(base_url=server.url, api_key="unused", timeout=3600, max_retries=0)
    step = max(1, at_once // n)
    tokens = 0
    found: list[list[Sample]] = []
    with tqdm(total=len(prompts), desc=label, unit="prompt", dynamic_ncols=True) as bar:
        for start in range(0, len(prompts), step):
            group = list(prompts[start : start + step])
            try:
                answer = client.completions.create(
                    model=server.model,
                    prompt=group,
                    n=n,
                    max_tokens=max_tokens,
                    temperature=temperature,
                    top_p=top_p,
                )
            except openai.OpenAIError as error:
                server.check()
                raise ServerError(f"{label}: vLLM refused a request: {error}; its log is {server.log}") from error
            choices = sorted(answer.choices, key=lambda choice: choice.index)
            found += [
                [Sample(choice.text, choice.finish_reason == "stop") for choice in choices[place * n : (place + 1) * n]]
                for place in range(len(group))
            ]
            tokens += answer.usage.completion_tokens if answer.usage else 0
            bar.set_postfix_str(f"{tokens / bar.format_dict['elapsed']:,.0f} tokens/s", refresh=False)
            bar.update(len(group))
    return found
