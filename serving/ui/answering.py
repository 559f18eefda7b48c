"""One answer as it is written, in steps that a page can show, and its end when the person stops it.

The model is asked in a task of its own. Cancelling the task closes the connection, on which vLLM and the gateway give the answer up.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.messages import BaseMessage, HumanMessage

from serving.assistant import DoctorAssistant
from serving.citing import FOUND, SOURCES
from serving.faults import AssistantError
from serving.ui.history import Citation, Fault, Kind, ToolUse, Turn

SHOWN_EVERY = 0.08  # seconds between two pictures of a growing answer
PULSE = 1.0  # seconds after which a silent model's answer is shown again, by which a page that was closed is noticed


class _Tools(AsyncCallbackHandler):
    """Tells which tool is being used."""

    def __init__(self, queue: asyncio.Queue[Any]) -> None:
        self.queue = queue

    async def on_tool_start(self, serialized: dict[str, Any], input_str: str, **kwargs: Any) -> None:
        await self.queue.put(("tool", str((serialized or {}).get("name", ""))))

    async def on_tool_end(self, output: Any, **kwargs: Any) -> None:
        await self.queue.put(("tool", ""))


def _fault(error: AssistantError, turn: Turn) -> Fault:
    cause = error.__cause__
    kind: Kind = "other"
    if turn.answer.strip():
        kind = "broke_off"
    elif isinstance(cause, openai.APITimeoutError | httpx.TimeoutException):
        kind = "timeout"
    elif isinstance(cause, openai.APIConnectionError | httpx.HTTPError | OSError):
        kind = "unreachable"
    return Fault(kind=kind, detail=str(error), reason=error.reason, values=dict(error.values), where=error.where)


async def _pump(assistant: DoctorAssistant, messages: list[BaseMessage], queue: asyncio.Queue[tuple[str, Any]]) -> None:
    try:
        async for piece in assistant.astream(messages, {"callbacks": [_Tools(queue)]}):
            if piece.text:
                await queue.put(("text", str(piece.text)))
            if piece.response_metadata.keys() & {"citations", "tools", "error"}:
                await queue.put(("used", piece.response_metadata))
        await queue.put(("end", None))
    except AssistantError as error:
        await queue.put(("fault", error))
    except asyncio.CancelledError:
        await queue.put(("stopped", None))
        raise


class Desk:
    """The answers under way, by session, so that each can be stopped by its own."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def busy(self, session: str) -> bool:
        """Whether an answer is under way."""
        return session in self._tasks

    def stop(self, session: str) -> None:
        """Gives up the session's answer, if one is under way."""
        task = self._tasks.get(session)
        if task is not None:
            task.cancel()

    async def answer(
        self, session: str, assistant: DoctorAssistant, earlier: list[BaseMessage], turn: Turn
    ) -> AsyncIterator[str]:
        """Fills ``turn`` and yields after each change: the name of the tool in use, or an empty string.

        Ends when the answer is whole, was stopped or failed; ``turn.ended`` says which. It raises nothing of the model's.
        """
        queue: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        task = asyncio.create_task(_pump(assistant, [*earlier, HumanMessage(turn.question)], queue))
        self._tasks[session] = task
        doing = ""
        try:
            while turn.ended is None:
                try:
                    steps = [await asyncio.wait_for(queue.get(), PULSE)]
                except TimeoutError:
                    if task.cancelled():  # before it began
                        turn.ended = "stopped"
                    elif task.done() and queue.empty():  # a fault of ours, not of the model
                        turn.ended, turn.fault = "failed", Fault(kind="other", detail=repr(task.exception()))
                    yield doing
                    continue
                await asyncio.sleep(SHOWN_EVERY)
                while not queue.empty():
                    steps.append(queue.get_nowait())
                for kind, value in steps:
                    doing = value if kind == "tool" else doing
                    self._take(turn, kind, value)
                yield doing
        finally:
            task.cancel()
            if self._tasks.get(session) is task:
                del self._tasks[session]

    def _take(self, turn: Turn, kind: str, value: Any) -> None:
        if kind == "text":
            turn.answer += value
        elif kind == "used":
            turn.citations = [Citation.model_validate(one) for one in value.get("citations", ())]
            turn.tools = [ToolUse.model_validate(one) for one in value.get("tools", ())]
            if turn.citations:  # the page lists them itself
                heading = SOURCES if any(one.cited for one in turn.citations) else FOUND
                turn.answer = turn.answer.rsplit(f"\n\n{heading}\n", 1)[0]
        elif kind == "end":
            turn.ended = "whole"
        elif kind == "stopped":
            turn.ended = "stopped"
        elif kind == "fault":
            turn.ended, turn.fault = "failed", _fault(value, turn)
