"""The dialogues: each case as it goes when every text of the model is right."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from langchain_core.messages import BaseMessage

from corpora.bundled.facts import SOURCE
from corpora.errors import DataError
from corpora.records import Dialogue, ToolCall
from pipelines.tool_use.cases import Case, cases
from pipelines.tool_use.copying import copying
from pipelines.tool_use.knowledge import wordings
from pipelines.tool_use.turns import Talk, as_chunk, recorded, schemas, spaced, talk


def right_answer(case: Case, done: Talk) -> str:
    """The right text at this point of the turn: a call, or the answer from what the tool gave."""
    answers = wordings()["answers"]
    if case.call is None:
        return case.answer
    if not done.results:
        return written_call(case.call)
    result = done.results[-1].artifact
    if case.call.name in wordings()["calculations"]:
        return str(wordings()["calculations"][case.call.name]["answer"].format(value=f"{result.value:g}"))
    if not result.found:
        return str(answers["no_interaction"])
    return str(answers["interaction"].format(effect="; ".join(one.effect for one in result.found)))


def written_call(call: ToolCall) -> str:
    """A call as the chat template writes it."""
    written = {
        key: [spaced(one) for one in value] if isinstance(value, list) else value
        for key, value in call.arguments.items()
    }
    arguments = json.dumps(written, ensure_ascii=False)
    return f'<tool_call>\n{{"name": "{call.name}", "arguments": {arguments}}}\n</tool_call>'


def dialogue(case: Case) -> Dialogue:
    """The case as it goes when every text of the model is right."""
    turn = talk(case.question, case.tools, case.passages)
    last: list[BaseMessage] = []
    try:
        done = next(turn)
        while True:
            text = right_answer(case, done)
            last = [*done.messages, as_chunk(text)]
            if case.ends_with_call:
                break
            turn.send(text)
    except StopIteration:
        pass
    return Dialogue(
        id=case.id,
        messages=recorded(last),
        tools=schemas(case.tools),
        source=SOURCE,
        meta={"case": case.model_dump(mode="json")},
    )


def render(name: str, renderings: int = 1, seed: int = 0) -> Iterator[Dialogue]:
    """Dialogues of one of the corpora on tool use, as ``corpora.bundled.render``.

    ==========================  ================================================================
    ``bundled-tool-copying``    answers that only copy, to be learnt before the calls
    ``bundled-tool-dialogues``  calls, and answers from passages
    ``bundled-tool-exam``       300 held-out prompts; it has one rendering
    ==========================  ================================================================

    Raises:
        DataError: there is no such corpus.
    """
    made: dict[str, Callable[[], Iterator[Dialogue]]] = {
        "bundled-tool-copying": lambda: copying(renderings, seed),
        "bundled-tool-dialogues": lambda: map(dialogue, cases("train", renderings, seed)),
        "bundled-tool-exam": lambda: map(dialogue, cases("held_out", 1, seed)),
    }
    if name not in made:
        raise DataError(f"no bundled corpus on tool use is called '{name}'; there are: {', '.join(made)}")
    return made[name]()
