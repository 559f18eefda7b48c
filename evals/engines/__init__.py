"""Who computes: a model in this process by transformers or by vLLM, or a server that speaks OpenAI's protocol."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from corpora.disk import file_sha256
from corpora.errors import OslerError


class Engine(Protocol):
    """A model that can be examined."""

    id: str  # as the user named it
    name: str  # transformers, vllm or openai
    fingerprint: (
        str  # of the weights and the tokenizer; of the address and the model's name where they are out of reach
    )
    settings: str  # what else its answers depend on: versions, number format, batch size
    chunk: int  # items that are asked at once, and kept at once when their options are scored

    def log_probs(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """Log-probability in nats of each continuation given the text before it."""

    def generate(self, prompts: Sequence[str], max_tokens: int, stop: Sequence[str]) -> list[str]:
        """The likeliest continuation of each prompt, without what comes at and after the first of ``stop``."""

    def render(self, messages: list[dict[str, str]]) -> str:
        """The messages in the model's own chat template, up to where the assistant begins."""


RefusalKind = Literal["context too long", "content filter", "other"]


@dataclass(frozen=True)
class Refusal:
    """Why a server will not answer one request, however often it is asked."""

    kind: RefusalKind
    message: str  # the server's


class Unanswered(OslerError):
    """A request that a server failed to answer; ``place`` is its place among those that were asked together."""

    def __init__(self, message: str, place: int) -> None:
        super().__init__(message)
        self.place = place


@runtime_checkable
class AsTheyCome(Protocol):
    """An engine that gives each text when it is finished, so that each is kept as it comes."""

    def answered(
        self, prompts: Sequence[str], max_tokens: int, stop: Sequence[str]
    ) -> Iterator[tuple[int, str | Refusal]]:
        """Place of each prompt with its continuation, as ``Engine.generate`` gives it, in the order in which they come.

        Raises:
            Unanswered: one of them failed; those that were finished already have come before.
        """


@runtime_checkable
class OneByOne(AsTheyCome, Protocol):
    """An engine whose answers do not depend on what is asked beside them, so that each is kept as it comes."""

    not_taken: set[str]  # parameters that its model turned out not to take, so that it is asked without them

    def scored(self, pairs: Sequence[tuple[str, str]]) -> Iterator[tuple[int, float | Refusal]]:
        """Place of each pair with its log-probability, as ``Engine.log_probs`` gives it, in the order in which they come.

        Raises:
            Unanswered: as ``answered``.
        """


@runtime_checkable
class InBatches(Protocol):
    """An engine that writes texts batch by batch, so that each batch is kept when it is finished."""

    def batches(self, prompts: Sequence[str], max_tokens: int) -> list[list[int]]:
        """Places of the prompts that are continued together, in the order in which they are.

        Given to ``Engine.generate`` alone, a batch has the same texts as among the others.
        """


def not_taken(engine: Engine) -> set[str]:
    """Parameters that an engine's model turned out not to take, as a server's may; it was asked without them."""
    return engine.not_taken if isinstance(engine, OneByOne) else set()


SUFFIXES = {".safetensors", ".bin", ".json", ".jinja", ".model", ".txt", ".gguf"}


def weights_fingerprint(folder: Path) -> str:
    """SHA-256 over the files of a model's folder that its answers depend on: weights, configuration, tokenizer, chat template."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix in SUFFIXES and path.name != "manifest.json":
            digest.update(f"{path.name} {file_sha256(path)}\n".encode())
    return digest.hexdigest()


def cut(text: str, stop: Sequence[str]) -> str:
    """The text up to the first of ``stop``."""
    places = [place for place in (text.find(one) for one in stop if one) if place >= 0]
    return text[: min(places)] if places else text


def in_own_template(tokenizer: Any, messages: list[dict[str, str]], model: str) -> str:
    """As ``Engine.render``, for a model whose tokenizer is at hand.

    Raises:
        OslerError: ``model`` has no chat template.
    """
    if tokenizer.chat_template is None:
        raise OslerError(f"{model}: the model has no chat template; ask it with --no-chat")
    return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
