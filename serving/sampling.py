"""Many completions from a running server at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import openai
from tqdm import tqdm

from serving.server import Server, ServerError


@dataclass(frozen=True)
class Sample:
    """One completion."""

    text: str
    finished: bool  # ended by itself, not cut at ``max_tokens``
    tokens: int


def sample(
    server: Server,
    prompts: Sequence[str],
    n: int,
    max_tokens: int,
    temperature: float,
    top_p: float = 1.0,
    seed: int = 0,
    at_once: int = 64,
    label: str = "sampling",
) -> list[list[Sample]]:
    """``n`` completions of each prompt, in the order of ``prompts``.

    Each prompt has a seed of its own, so that the samples do not depend on the order in which requests arrive.

    Args:
        server: a running vLLM.
        prompts: text as the model reads it, chat marks included.
        n: completions for each prompt.
        max_tokens: of each completion.
        temperature: 1.0 samples from the model's own distribution.
        top_p: share of probability kept.
        seed: of the first prompt; the next ones count up.
        at_once: requests under way at the same time.
        label: what the progress bar says.

    Raises:
        ServerError: the server refuses a request or has stopped.
    """
    return asyncio.run(_sample(server, prompts, n, max_tokens, temperature, top_p, seed, at_once, label))


async def _sample(
    server: Server,
    prompts: Sequence[str],
    n: int,
    max_tokens: int,
    temperature: float,
    top_p: float,
    seed: int,
    at_once: int,
    label: str,
) -> list[list[Sample]]:
    gate = asyncio.Semaphore(at_once)
    bar = tqdm(total=len(prompts), desc=label, unit="prompt", dynamic_ncols=True)
    tokens = 0

    async def one(client: openai.AsyncOpenAI, place: int) -> list[Sample]:
        nonlocal tokens
        async with gate:
            answer: Any = await client.completions.create(
                model=server.model,
                prompt=prompts[place],
                n=n,
                max_tokens=max_tokens,
                temperature=temperature,
                top_p=top_p,
                seed=seed + place,
            )
        tokens += answer.usage.completion_tokens
        bar.set_postfix_str(f"{tokens:,} tokens", refresh=False)
        bar.update(1)
        share = answer.usage.completion_tokens // max(1, len(answer.choices))
        return [Sample(choice.text, choice.finish_reason == "stop", share) for choice in answer.choices]

    try:
        async with openai.AsyncOpenAI(base_url=server.url, api_key="unused", timeout=600, max_retries=0) as client:
            return list(await asyncio.gather(*(one(client, place) for place in range(len(prompts)))))
    except openai.OpenAIError as error:
        server.check()
        raise ServerError(f"{label}: vLLM refused a request: {error}; its log is {server.log}") from error
    finally:
        bar.close()
