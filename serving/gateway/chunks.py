"""The chunks of a streamed answer, read from vLLM's server-sent events as they come."""

from __future__ import annotations

from typing import Any

import orjson

from serving.gateway.errors import ModelDown

_LINE_BYTES = 16 * 2**20
Chunk = dict[str, Any]


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
        self._begun: set[int] = set()
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
                chunk = _chunk(data)
            except ModelDown as fault:
                self.fault = fault
                return chunks
            for choice in chunk["choices"]:
                self._begun.add(choice["index"])
                if choice.get("finish_reason"):
                    self._ended.add(choice["index"])
            chunks.append(chunk)
        if len(self._rest) > _LINE_BYTES:
            self.fault = _unreadable()
        return chunks

    def _end(self) -> None:
        self.done = len(self._begun) == self._answers and self._begun == self._ended
        if not self.done:
            self.fault = broken_off()


def _chunk(data: bytes) -> Chunk:
    try:
        chunk = dict(orjson.loads(data))
        failed = "error" in chunk
        if not failed and not all(isinstance(choice["index"], int) for choice in chunk["choices"]):
            raise ValueError
    except (ValueError, KeyError, TypeError) as error:
        raise _unreadable() from error
    if failed:
        raise ModelDown("the model failed in the middle of its answer", "bad_answer")
    return chunk


def _unreadable() -> ModelDown:
    return ModelDown("the model's answer cannot be read", "bad_answer")


def broken_off() -> ModelDown:
    """An answer that ended before its end."""
    return ModelDown("the model's answer broke off", "bad_answer")
