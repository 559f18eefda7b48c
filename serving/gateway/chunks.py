"""The chunks of a streamed answer, read from vLLM's server-sent events as they come."""

from __future__ import annotations

from typing import Any

import orjson

from serving.gateway.errors import ModelDown, ModelFailed

_LINE_BYTES = 16 * 2**20
Chunk = dict[str, Any]
Together = tuple[list[Chunk], bool]  # what came at once, and whether the answer is whole with it
_TEXT, _COUNT = (str, type(None)), (int, type(None))


class ChunkReader:
    """Reads one answer, piece by piece of what the network hands over.

    Attributes:
        done: The answer has ended, and is whole.
        fault: What is wrong with it: nothing is read any more.
    """

    def __init__(self, answers: int) -> None:
        """``answers`` are the choices that a whole answer has."""
        self.done = False
        self.fault: ModelDown | None = None
        self._answers = answers
        self._ended: set[int] = set()
        self._rest = b""  # of a line, and maybe of a character

    def feed(self, piece: bytes) -> list[Chunk]:
        """The chunks that ``piece`` completes. Those before a fault are good."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        chunks: list[Chunk] = []
        for line in lines:
            if not line.startswith(b"data:"):
                continue
            data = line[5:].strip()
            if data == b"[DONE]":
                self._end()
                return chunks
            try:
                chunk = _chunk(data, self._answers)
            except ModelDown as fault:
                self.fault = fault
                return chunks
            for choice in chunk["choices"]:
                if choice.get("finish_reason"):
                    self._ended.add(choice["index"])
            chunks.append(chunk)
        if len(self._rest) > _LINE_BYTES:
            self.fault = unreadable()
        return chunks

    def _end(self) -> None:
        self.done = len(self._ended) == self._answers
        if not self.done:
            self.fault = broken_off()


def check_shape(body: Chunk, answers: int, said: str) -> None:
    """Checks what is read of an answer or of a chunk further on: its choices, what they hold in ``said``, and its counts of tokens.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: it is not of that shape.
    """
    for choice in body["choices"]:
        holder = choice.get(said, choice)  # a completion's text is in the choice itself
        if not isinstance(holder.get("content"), _TEXT) or not isinstance(holder.get("text"), _TEXT):
            raise ValueError
        for call in holder.get("tool_calls") or ():
            function = call.get("function") or {}
            if not isinstance(function.get("name"), _TEXT) or not isinstance(function.get("arguments"), _TEXT):
                raise ValueError
        if not isinstance(choice["index"], int) or not 0 <= choice["index"] < answers:
            raise ValueError
    usage = body.get("usage") or {}
    if not isinstance(usage.get("prompt_tokens"), _COUNT) or not isinstance(usage.get("completion_tokens"), _COUNT):
        raise ValueError


def _chunk(data: bytes, answers: int) -> Chunk:
    try:
        chunk = dict(orjson.loads(data))
        failed = "error" in chunk
        if not failed:
            check_shape(chunk, answers, "delta")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise unreadable() from error
    if failed:
        raise ModelFailed("the model failed in the middle of its answer", "bad_answer")
    return chunk


def speaks(chunk: Chunk) -> bool:
    """Whether a chunk says or ends anything: the first of vLLM's tells a role alone."""
    for choice in chunk["choices"]:
        said = choice.get("delta") or {}
        if choice.get("finish_reason") or any(value for name, value in said.items() if name != "role"):
            return True
    return False


def unreadable() -> ModelDown:
    """An answer that is no answer of vLLM's."""
    return ModelDown("the model's answer cannot be read", "bad_answer")


def broken_off() -> ModelDown:
    """An answer that ended before its end."""
    return ModelDown("the model's answer broke off", "bad_answer")
