"""A streamed answer, however the network cuts it."""

from __future__ import annotations

import json

import pytest

from serving.gateway.chunks import ChunkReader


def event(text: str, finish: str | None = None, index: int = 0) -> bytes:
    choice = {"index": index, "delta": {"content": text}, "finish_reason": finish}
    return f"data: {json.dumps({'choices': [choice]}, ensure_ascii=False)}\r\n\r\n".encode()


DONE = b"data: [DONE]\n\n"
WHOLE = b": a comment\n\n" + event("哮喘") + event("是气道的病", "stop") + DONE


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50, len(WHOLE)])
def test_characters_and_lines_that_are_cut_in_two_come_whole(size: int):
    reader = ChunkReader(1)
    chunks = [chunk for at in range(0, len(WHOLE), size) for chunk in reader.feed(WHOLE[at : at + size])]
    assert [chunk["choices"][0]["delta"]["content"] for chunk in chunks] == ["哮喘", "是气道的病"]
    assert reader.done
    assert reader.fault is None


@pytest.mark.parametrize(
    ("sent", "good", "said"),
    [
        (event("a") + DONE, 1, "broke off"),  # no reason to end
        (event("a", "stop") + DONE, 1, "broke off"),  # the second choice never began
        (event("a") + event("b", "stop", 1) + DONE, 2, "broke off"),
        (event("a") + b"data: {no json\n\n", 1, "cannot be read"),
        (b'data: {"choices": [{"index": "0"}]}\n\n', 0, "cannot be read"),
        (event("a") + event("b", "stop", 2) + DONE, 1, "cannot be read"),  # nobody asked for a third choice
        (event("a") + b'data: {"choices": [{"index": 0, "delta": null, "finish_reason": "stop"}]}\n\n', 1, "be read"),
        (event("a") + b'data: {"choices": [{"index": 0, "delta": {"content": 5}}]}\n\n', 1, "cannot be read"),
        (b'data: {"choices": [{"index": 0, "delta": {"tool_calls": [null]}}]}\n\n', 0, "cannot be read"),
        (event("a") + b'data: {"choices": [], "usage": {"prompt_tokens": "7"}}\n\n', 1, "cannot be read"),
        (event("a") + b'data: {"error": {"message": "dead"}}\n\n', 1, "failed in the middle"),
    ],
)
def test_what_is_not_whole_is_a_fault_after_what_was_good(sent: bytes, good: int, said: str):
    reader = ChunkReader(2)
    assert len(reader.feed(sent)) == good
    assert said in str(reader.fault)
    assert not reader.done


def test_a_line_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("serving.gateway.chunks._LINE_BYTES", 1000)
    reader = ChunkReader(1)
    reader.feed(b"data: " + b"x" * 2000)
    assert "cannot be read" in str(reader.fault)
